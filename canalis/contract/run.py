"""A run: what was asked for, which never changes, and how far it is, which is packed small."""

from __future__ import annotations

import json
import re
import struct
import uuid
import zlib
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, JsonValue, StrictBool, StrictInt

from canalis.contract.errors import NameInvalid, NotFound
from canalis.contract.graph import ParameterValue, Part
from canalis.contract.status import RunStatus, StepStatus
from canalis.contract.works import SCRIPTS

EXPERIMENT_NAME = re.compile(r"[a-zA-Z0-9][\w\-]{0,254}", re.ASCII)  # reference section 17
RUN_ID = re.compile(r"[0-9a-z][0-9a-z-]{2,62}")
_STEP_RUN_ID = re.compile(r"([^.]*)\.([^.]*)(?:\.([0-9]{1,3}))?")
STATE_FORMAT = 1
ALONE = "canalis.alone"  # property of a run that its author sees as that of its only step: the key of the step
INTERACTIVE = "canalis.interactive"  # property of a run of which its author says himself how it has ended
ATTEMPTS_MAX = 255  # an attempt is one byte of the packed state


class ComputeChoice(Part):
    """What a compute target was when the run was submitted.

    backend       the queue that its steps go to is steps-<backend>
    slots         steps that it runs at the same time; None is no limit of ours
    seconds_max   how long a script may work on it; None is no limit of ours
    has_paths     whether data can be shown at absolute paths of its machines
    works         kinds of work that it takes; None leaves that to the backend
    settings      whatever else its backend has to know of it; no secrets
    """

    backend: str
    slots: int | None = Field(default=None, ge=1)
    seconds_max: float | None = None
    has_paths: bool = True
    works: tuple[str, ...] | None = SCRIPTS
    settings: dict[str, JsonValue] = Field(default_factory=dict)


class Origin(Part):
    """What a run was started from, and by what; nothing of it when somebody has submitted a graph of their own.

    pipeline      id of the published pipeline that it is a run of
    endpoint      id of the pipeline endpoint through which that was started, with its `version` there
    schedule      id of the schedule that started it, for the moment `tick`, in seconds since 1970
    changed       paths of the files whose change started it, for a schedule that watches a datastore
    source, kind  v1's RunSource, which is free text, and RunType: HTTP, SDK, Schedule, Portal, and our Queue
    """

    pipeline: str | None = None
    endpoint: str | None = None
    version: str | None = None
    schedule: str | None = None
    tick: float | None = None
    changed: tuple[str, ...] = ()
    source: str = ""
    kind: str = ""


OWN = Origin()  # somebody has submitted a graph of their own


class Reply(Part):
    """Where the sender of a message hears of the end of its run.

    queue   of the sender's own; its name is checked by canalis/contract/submissions.py
    to      id of the message to which that is the answer
    """

    queue: str
    to: str


class RunRequest(Part):
    """Everything that was asked for when a run was submitted. It does not change afterwards.

    graph         id of the graph document
    interpreter   path of the Python that command steps run in; None takes the service's own
    computes      by name of compute target; "" stands for none given
    depth         0 for a run that no step submitted, else one more than the submitting run's
    number        which run of its experiment it is, from 1 on
    resumed_from  id of the run that this one goes on from
    trace         that it was submitted in, as a traceparent; "" when in none
    kept          by node, the step run that stands in for the step here: the one that truly made its outputs
    origin        what it was started from
    fingerprint   of all that was asked for under an idempotency key: asked for otherwise, the key is another run's
    announce      whether somebody may want to hear of its end
    reply         where who asked for it wants to hear of its end
    """

    schema_version: Literal[1] = 1
    experiment: str
    graph: str
    display_name: str = ""
    description: str = ""
    parameters: dict[str, ParameterValue] = Field(default_factory=dict)
    continue_on_step_failure: StrictBool = False
    regenerate_outputs: StrictBool = False
    interpreter: str | None = None
    computes: dict[str, ComputeChoice] = Field(default_factory=dict)
    default_datastore: str = "workspaceblobstore"
    tags: dict[str, str] = Field(default_factory=dict)
    properties: dict[str, str] = Field(default_factory=dict)
    parent: str | None = None
    depth: StrictInt = Field(default=0, ge=0)
    submitted_by: str = ""
    submitted_at: float = 0.0
    number: int = 0
    resumed_from: str | None = None
    trace: str = ""
    kept: dict[str, str] = Field(default_factory=dict)
    origin: Origin = OWN
    fingerprint: str = ""
    announce: bool = False
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class RunState:
    """How far a run is: a few bytes per step, in the order of the graph's nodes.

    steps      one StepStatus each
    attempts   the attempt each is at; 0 before the first
    lost       attempts of each that were lost with their machine, which do not spend its retries
    waiting    predecessors of each that have not succeeded, two bytes little-endian
    """

    status: RunStatus
    steps: bytes
    attempts: bytes
    lost: bytes
    waiting: bytes

    def step(self, index: int) -> StepStatus:
        """How the step at that place stands."""
        return StepStatus(self.steps[index])

    def count(self, *wanted: StepStatus) -> int:
        """How many steps stand so."""
        return sum(self.steps.count(status) for status in wanted)

    def pack(self) -> bytes:
        """The state as bytes: under 1 KiB for most runs of 10,000 steps, 60 KB at the worst."""
        head = json.dumps({"format": STATE_FORMAT, "status": self.status.value}).encode()
        body = self.steps + self.attempts + self.lost + self.waiting
        # Level 1: a long run of equal bytes is the common case, and this is done at each commit.
        return struct.pack("<HI", len(head), len(self.steps)) + head + zlib.compress(body, 1)

    @classmethod
    def unpack(cls, packed: bytes) -> RunState:
        """The state that `pack` made into these bytes."""
        head_bytes, count = struct.unpack_from("<HI", packed)
        head = json.loads(packed[6 : 6 + head_bytes])
        assert head["format"] == STATE_FORMAT, head
        body = zlib.decompress(packed[6 + head_bytes :])
        assert len(body) == 5 * count, (len(body), count)
        return cls(
            status=RunStatus(head["status"]),
            steps=body[:count],
            attempts=body[count : 2 * count],
            lost=body[2 * count : 3 * count],
            waiting=body[3 * count :],
        )


@dataclass(frozen=True, slots=True)
class StepRunId:
    """The name of a step's attempt everywhere outside the orchestrator.

    It reads <run>.<node>, with .<attempt> behind it from the second attempt on: each attempt writes under a
    path of its own, and the usual single attempt keeps v1's layout azureml/<step run id>/<output>.
    """

    run_id: str
    node: str
    attempt: int = 1

    def __str__(self) -> str:
        return f"{self.run_id}.{self.node}" + (f".{self.attempt}" if self.attempt > 1 else "")

    @classmethod
    def parse(cls, text: str) -> StepRunId | None:
        """The step run of that id, or None when it has the form of something else, a pipeline run's say."""
        found = split_step_run_id(text)
        return cls(found[0], found[1], found[2] or 1) if found else None


def split_step_run_id(text: str) -> tuple[str, str, int | None] | None:
    """Run, node and attempt that an id names: None for the attempt when it names none and so means the step.

    >>> split_step_run_id("r-1.train"), split_step_run_id("r-1.train.1"), split_step_run_id("r-1")
    (('r-1', 'train', None), ('r-1', 'train', 1), None)
    """
    found = _STEP_RUN_ID.fullmatch(text)
    return (found[1], found[2], int(found[3]) if found[3] else None) if found else None


def new_run_id() -> str:
    """A run id that no other run has; random, so that its first characters tell runs apart."""
    return str(uuid.uuid4())


def check_run_id(run_id: str) -> str:
    """The id itself. Raises NotFound when it has not the form of one, before it becomes a key or a path."""
    if not RUN_ID.fullmatch(run_id):
        raise NotFound(f"'{run_id}' is not a run id", kind="run", name=run_id)
    return run_id


def check_experiment_name(name: str) -> str:
    """The name itself. Raises NameInvalid when it breaks the grammar of experiment names."""
    if not EXPERIMENT_NAME.fullmatch(name):
        raise NameInvalid(
            f"'{name}' cannot be the name of an experiment: 1 to 255 letters, digits, _ and -, "
            "the first a letter or digit",
            name=name,
        )
    return name
