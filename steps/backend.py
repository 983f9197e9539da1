"""What a worker asks of a backend, and what it is told. The one shape that all backends have."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from canalis.contract.graph import Node, Registered
from canalis.contract.parameters import compute_in
from canalis.contract.places import Place
from canalis.contract.ports import Attempt, AttemptKey, Document
from canalis.contract.run import ComputeChoice, RunRequest, StepRunId
from canalis.contract.status import Outcome
from canalis.contract.tables import Table
from canalis.contract.times import Mark


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt of a step with everything a backend needs to know, all names resolved.

    attempt    the claim under which it is done
    inputs     where each input's data lies, by name; several places are the files of a dataset. Their paths may be
               patterns
    outputs    where each output's data shall lie, by name
    registered which registered dataset an input's files are of, by name
    tables     how rows are read from an input's files, by name
    environment   what it wants installed, as it is recorded in its graph
    """

    attempt: Attempt
    node: Node
    request: RunRequest
    compute: ComputeChoice
    inputs: dict[str, tuple[Place, ...]]
    outputs: dict[str, Place]
    registered: dict[str, Registered] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    environment: dict[str, object] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """Name of the compute target; "" for the service itself."""
        return compute_in(self.node, self.request.parameters)

    @property
    def key(self) -> AttemptKey:
        """Which attempt it is."""
        return self.attempt.key

    @property
    def step_run_id(self) -> StepRunId:
        """The name of this attempt outside the service."""
        return StepRunId(self.key.run_id, self.key.node, self.key.attempt)


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt is over.

    exit_code    as a shell counts it; None when no script ran to its end
    error_code   stable word, with `error` in plain words, when it did not succeed
    started_at, ended_at   seconds since 1970; started_at None when nothing was started
    marks        which segment of its time began when (canalis.contract.times), as far as the backend can tell
    left         by output, the imprint of what lies there now (canalis/contract/places.py)
    """

    outcome: Outcome
    exit_code: int | None = None
    error_code: str = ""
    error: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    marks: tuple[Mark, ...] = ()
    left: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pending:
    """The backend has the work in hand.

    handle          what the service calls the job
    check_after_s   when to ask again; None when the backend tells by itself through its desk
    started_at      when the author's code began, in seconds since 1970: the step's time-out counts from there
    """

    handle: str
    check_after_s: float | None = None
    started_at: float | None = None


class Desk(Protocol):
    """Where a backend that tells by itself does so, and asks before it begins."""

    def report(self, work: Work, ended: Ended) -> None:
        """The work is over. Raises WorldError when that cannot be kept; it must be told again then."""
        ...

    def note(self, work: Work, facts: Document) -> None:
        """Something about the work that people want to see."""
        ...

    def is_wanted(self, work: Work) -> bool:
        """Whether the work may still begin."""
        ...

    def has_been_heard(self, work: Work) -> bool:
        """Whether what was reported of the work has become a part of its run."""
        ...


class Backend(Protocol):
    """Somewhere steps can run. Every call may come twice for the same attempt.

    forestalls   whether what was stopped or recalled can never begin any more, whoever was about to begin it
    """

    forestalls: bool

    def start(self, work: Work) -> Ended | Pending:
        """Begin the work, or find that an earlier call began it."""
        ...

    def check(self, work: Work, handle: str) -> Ended | Pending:
        """How the work is getting on.

        handle   "" when the worker that began it died before it wrote that down; the attempt's name finds it then
        """
        ...

    def stop(self, key: AttemptKey) -> bool:
        """End the work if it is going on.

        True when its end is still to come, from whoever waits for it or from `check`; False when nothing of it
        is left.
        """
        ...

    def recall(self, key: AttemptKey) -> bool:
        """Take the work out of the line if it has not begun.

        True when its end will be reported, now or when what has begun ends; False when it is not here.
        """
        ...

    def has_begun(self, key: AttemptKey) -> bool:
        """Whether the work was begun, by this or an earlier service."""
        ...

    def held(self) -> Collection[AttemptKey]:
        """The attempts that this backend will report on by itself."""
        ...
