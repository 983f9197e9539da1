"""Where a step's time goes: the names of its segments, which never change, and what each stands for.

Segments do not overlap. Together they are the time from the submission of the run to the moment at which the
step's end was recorded in it, or to now while it is under way.
"""

from __future__ import annotations

INPUTS = "inputs"
EARLIER_ATTEMPTS = "earlier_attempts"
REST = "rest"
QUEUE = "queue"
CAPACITY = "capacity"
ENVIRONMENT = "environment"
DATA_IN = "data_in"
USER_CODE = "user_code"
DATA_OUT = "data_out"
FINISHING = "finishing"

SEGMENTS = {  # in the order in which a step passes through them
    INPUTS: "waiting for the steps before it",
    EARLIER_ATTEMPTS: "attempts that did not succeed",
    REST: "resting before it was tried again",
    QUEUE: "ordered, and not yet taken up by a worker",
    CAPACITY: "taken up, and waiting for a free slot",
    ENVIRONMENT: "finding or building its environment",
    DATA_IN: "putting its source files and inputs in place",
    USER_CODE: "the author's code at work",
    DATA_OUT: "keeping its outputs and files",
    FINISHING: "recording its end in the run",
}

Mark = tuple[str, float]  # a segment, and when it began: seconds since 1970, UTC
