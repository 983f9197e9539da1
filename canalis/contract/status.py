"""How runs and steps stand, in our words and in the two vocabularies that v1 scripts test for."""

from __future__ import annotations

from enum import Enum, IntEnum

from canalis.contract.errors import BadRequest


class RunStatus(str, Enum):
    """How a run stands."""

    RUNNING = "running"  # steps start as their inputs come
    FAILING = "failing"  # a step failed and nothing further starts; what runs may end
    CANCELLING = "cancelling"  # somebody asked to stop: nothing starts, what runs is being stopped
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """Whether it can never change again."""
        return self in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)


class StepStatus(IntEnum):
    """How a step of a run stands. The number is its byte in the packed state, so it never changes."""

    WAITING = 0  # an input or an earlier step is missing
    READY = 1  # may start; its order has not been written yet
    STARTED = 2  # ordered: a worker has it, or will; queued or running is the attempt's affair
    RECALLED = 3  # ordered not to begin, since the run is failing; what has begun may end
    STOPPING = 4  # ordered to stop; its end has not been heard
    PASSED = 5  # succeeded, and the steps after it have not been told yet
    FELL = 6  # an attempt ended badly, and what follows from that is not decided yet
    SUCCEEDED = 7
    FAILED = 8
    CANCELLED = 9
    SKIPPED = 10  # never began, since a step before it failed or the run ended early
    REUSED = 11  # an earlier run's result stands in for it

    @property
    def is_terminal(self) -> bool:
        """Whether it can never change again in this run."""
        return self >= StepStatus.SUCCEEDED


class Outcome(str, Enum):
    """How one attempt of a step ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"  # the script or its preparation: the author's affair
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    LOST = "lost"  # the machine or service under it went away: nobody's fault, tried again


class Phase(str, Enum):
    """Where a started step is, as the worker that claimed it last said."""

    QUEUED = "queued"  # waits for a worker or a free slot
    PREPARING = "preparing"  # its files are being fetched
    RUNNING = "running"  # the author's code works
    FINALIZING = "finalizing"  # its outputs are being kept


# Source: reference section 13. The numbers are those that v1 sends for the names.
PIPELINE_STATUS_CODE = {"NotStarted": 0, "Running": 1, "Failed": 2, "Finished": 3, "Canceled": 4}
STEP_STATUS_CODE = {
    "NotStarted": 0,
    "Queued": 1,
    "Running": 2,
    "Failed": 3,
    "Finished": 4,
    "Canceled": 5,
    "PartiallyExecuted": 6,
    "Bypassed": 7,
}

_PIPELINE_WORD = {
    RunStatus.RUNNING: "Running",
    RunStatus.FAILING: "Running",
    RunStatus.CANCELLING: "Running",
    RunStatus.COMPLETED: "Finished",
    RunStatus.FAILED: "Failed",
    RunStatus.CANCELLED: "Canceled",
}
_RUN_WORD = {
    RunStatus.RUNNING: "Running",
    RunStatus.FAILING: "Running",
    RunStatus.CANCELLING: "CancelRequested",
    RunStatus.COMPLETED: "Completed",
    RunStatus.FAILED: "Failed",
    RunStatus.CANCELLED: "Canceled",
}
_STEP_WORDS = {  # PipelineRun's vocabulary for steps, and Run.status
    StepStatus.WAITING: ("NotStarted", "NotStarted"),
    StepStatus.READY: ("Queued", "Queued"),
    StepStatus.STOPPING: ("Running", "CancelRequested"),
    StepStatus.PASSED: ("Finished", "Completed"),
    StepStatus.FELL: ("Running", "Finalizing"),
    StepStatus.SUCCEEDED: ("Finished", "Completed"),
    StepStatus.FAILED: ("Failed", "Failed"),
    StepStatus.CANCELLED: ("Canceled", "Canceled"),
    # v1 has no word for it. A wait loop takes NotStarted for unfinished and would never end.
    StepStatus.SKIPPED: ("Canceled", "Canceled"),
    StepStatus.REUSED: ("Finished", "Completed"),
}
_STARTED_WORDS = {
    Phase.QUEUED: ("Queued", "Queued"),
    Phase.PREPARING: ("Running", "Preparing"),
    Phase.RUNNING: ("Running", "Running"),
    Phase.FINALIZING: ("Running", "Finalizing"),
}


def pipeline_word(status: RunStatus) -> str:
    """What v1's PipelineRun.get_status() says."""
    return _PIPELINE_WORD[status]


def run_word(status: RunStatus) -> str:
    """What v1's Run.status says of a pipeline run."""
    return _RUN_WORD[status]


def runs_called(word: str) -> tuple[RunStatus, ...]:
    """The statuses of runs that one may mean by a word: ours or either of v1's, in any case.

    Raises BadRequest, with all words that there are.
    """
    known = {status: {status.value, run_word(status).lower(), pipeline_word(status).lower()} for status in RunStatus}
    found = tuple(status for status, words in known.items() if word.lower() in words)
    if not found:
        words = {status.value for status in RunStatus} | {*_RUN_WORD.values()} | {*_PIPELINE_WORD.values()}
        raise BadRequest(f"'{word}' is no status of a run: {', '.join(sorted(words, key=str.lower))}", status=word)
    return found


def step_words(status: StepStatus, phase: Phase) -> tuple[str, str]:
    """What v1's StepRun.get_status() and Run.status say of a step; `phase` counts only while it is in work."""
    return _STARTED_WORDS[phase] if status in (StepStatus.STARTED, StepStatus.RECALLED) else _STEP_WORDS[status]
