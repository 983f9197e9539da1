"""What others may put on the queue `submissions` to have a pipeline run, and what they get back.

{"pipeline": "<id>", "experiment": "nightly", "parameters": {"epochs": 3}, "reply_to": "replies"}
"""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import ConfigDict, Field, StrictBool, model_validator

from canalis.contract.graph import DataPathValue, Part, Scalar
from canalis.contract.published import NAME_MAX, Id, Tags

BODY_BYTES_MAX = 200 * 2**10  # as much as a message of ours has; a message of the bus has at most 256 KiB
EXPERIMENT = "submissions"  # of runs whose message names none
REPLIES = "replies"  # begins the name of every queue that an answer may go to: none of the service's own does
SENDER = "queue submissions"  # who is written down as having asked
KEPT_MAX = 1_000  # messages for others, and such that were set aside, that a laptop's bus keeps of each queue

# Without a slash: behind one the bus has dead letters and subscriptions.
_REPLY_TO = rf"{REPLIES}(?:[._-][A-Za-z0-9._-]{{0,80}})?"
KEY = r"[\x21-\x7e]{1,255}"  # of an idempotency key


class RunWanted(Part):
    """A run that a message asks for, of a published pipeline or of what is behind an endpoint.

    pipeline          id of the published pipeline
    endpoint          id or name of the endpoint, of which a `version` may be named; else its default one runs
    experiment        "submissions" when not given
    parameters        values; a text that can be read as one of the parameter's type is taken for it
    data_paths        places in datastores, by name of parameter
    continue_on_step_failure   as the pipeline was published when not given
    idempotency_key   a message with a key that was there before is the same run; without one, messages of one id are
    reply_to          the queue to which the end of the run is told, or why there is none; begins with "replies"
    """

    model_config = ConfigDict(allow_inf_nan=False)

    pipeline: Id | None = None
    endpoint: Annotated[str, Field(min_length=1, max_length=NAME_MAX)] | None = None
    version: Annotated[str, Field(max_length=20)] | None = None
    experiment: str = EXPERIMENT
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    data_paths: dict[str, DataPathValue] = Field(default_factory=dict)
    continue_on_step_failure: StrictBool | None = None
    tags: Tags = Field(default_factory=dict)
    idempotency_key: Annotated[str, Field(pattern=f"^{KEY}$")] | None = None
    reply_to: Annotated[str, Field(pattern=f"^{_REPLY_TO}$")] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.pipeline is None) == (self.endpoint is None):
            raise ValueError("either a pipeline or an endpoint is named, and not both")
        if self.version is not None and self.endpoint is None:
            raise ValueError("a version is one of an endpoint: name that")
        twice = sorted(self.parameters.keys() & self.data_paths.keys())
        if twice:
            raise ValueError(f"'{twice[0][:80]}' is among the parameters and the data paths")
        return self


class SubmissionSent(Part):
    """A message that is on the queue. `id` names it: answers say to which one they are."""

    id: str


class SetAside(Part):
    """A message that started nothing.

    at     when it was set aside, in seconds since 1970
    body   as it came, or the beginning of it
    """

    id: str
    at: float
    reason: str
    body: str


class ForOthers(Part):
    """A message that was published to others, as they get it.

    properties   what was said beside its body
    """

    properties: dict[str, str]
    body: str


def is_reply_queue(name: object) -> bool:
    """Whether an answer may go there."""
    return isinstance(name, str) and re.fullmatch(_REPLY_TO, name) is not None
