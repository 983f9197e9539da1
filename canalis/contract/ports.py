"""The whole need of the service on one page: what it asks of storage, the bus and the clock.

Adapters keep these promises on SQLite and files, or on Azure; tests/contract judges all of them alike.
Adapters speak bytes and documents and decide nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from canalis.contract.announcements import Listening
from canalis.contract.masking import Mask
from canalis.contract.messages import Send
from canalis.contract.run import RunRequest, RunState, StepRunId

Document = dict[str, Any]  # JSON values only


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it was read; `version` counts its commits and guards the next one.

    stopping_since   when it began to be cancelled: what has not stopped in time is then abandoned
    attention        why it cannot go on without somebody's help; "" when it can
    """

    run_id: str
    request: RunRequest
    state: RunState
    version: int
    updated_at: float
    ended_at: float | None = None
    stopping_since: float | None = None
    attention: str = ""

    def maker(self, node: str, place: int) -> StepRunId:
        """The step run whose outputs, log and metrics are the step's: its own, or the one that was kept for it.

        place   of the node among the graph's nodes
        """
        kept = StepRunId.parse(self.request.kept.get(node, ""))
        return kept or StepRunId(self.run_id, node, max(1, self.state.attempts[place]))


@dataclass(frozen=True, slots=True)
class AttemptKey:
    """One try of a step of a run."""

    run_id: str
    node: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is known of one try of a step.

    owner     who has claimed it; "" when nobody
    fence     how often it has been claimed; what an earlier owner writes is refused
    lease_until   seconds since 1970; after that anybody may take it over
    facts     what workers and the orchestrator wrote down for people: phase, times, exit code, error
    """

    key: AttemptKey
    owner: str = ""
    fence: int = 0
    lease_until: float = 0.0
    ended: bool = False
    facts: Document = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fact:
    """News about an attempt that is kept for people; merged into what is known of it.

    ended   whether the attempt is over, so that nobody can claim it any more
    """

    node: str
    attempt: int
    facts: Document
    ended: bool = False


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which runs to list, newest first. `before` is the submission time of the last run of the page before.

    pipeline, schedule   ids of the published pipeline, and of the schedule, that they were started from
    """

    experiment: str | None = None
    status: tuple[str, ...] = ()
    parent: str | None = None
    id_prefix: str | None = None
    before: float | None = None
    limit: int = 50
    pipeline: str | None = None
    schedule: str | None = None


class RunStore(Protocol):
    """Keeps runs, each with its version, and the attempts of their steps."""

    def create(self, run_id: str, request: RunRequest, state: RunState, sends: Sequence[Send]) -> bool:
        """Create the run together with its first messages; on return they outlive any crash.

        Returns False, and changes nothing, when a run of that id is there already.
        """
        ...

    def load(self, run_id: str, fresh: bool = True) -> Run:
        """The run as last committed. Raises NotFound.

        Without `fresh` it may be the run as this process has last seen it: good for what is only committed if nobody
        else has written since, and free where reading costs.
        """
        ...

    def commit(self, run: Run, state: RunState, sends: Sequence[Send] = (), facts: Sequence[Fact] = ()) -> Run:
        """Put the new state, the messages that follow from it and facts about attempts in place: all or none.

        Returns   the run as it is now; what wanted attention no longer does, since it goes on
        Raises    Conflict when the run's version is no longer the one that was read; nothing changed then
        """
        ...

    def deliver(self, run_id: str) -> None:
        """See to it that the bus has every committed message of the run, also those a crash left behind."""
        ...

    def flag(self, run_id: str, attention: str) -> None:
        """Write down why a run needs somebody's help, whatever its version. Raises NotFound."""
        ...

    def find(self, query: RunQuery) -> list[Run]:
        """Runs that fit, newest submission first."""
        ...

    def every(self) -> Iterator[Run]:
        """All runs that are not hidden, in no order. One that is created meanwhile may be missing."""
        ...

    def hide(self, run: Run) -> None:
        """Take a run that has ended out of everybody's sight: `load`, `find` and `every` know it no more.

        Nothing of it is lost, and its id stays taken. Raises Conflict when it is no longer as it was read
        """
        ...

    def hidden(self) -> list[tuple[Run, float]]:
        """The runs that are hidden, each with the time at which it was, the first one first."""
        ...

    def show(self, run_id: str) -> None:
        """Let a hidden run be seen again, as it was. Nothing happens to others."""
        ...

    def forget(self, run_id: str) -> None:
        """Lose all that is kept of a hidden run but its id, which is given to no other. Safe to ask again."""
        ...

    def open_runs(self) -> list[str]:
        """Ids of all runs that have not ended."""
        ...

    def claim(self, key: AttemptKey, owner: str, lease_s: float) -> Attempt | None:
        """Take an attempt for `owner`; None when it has ended, or another owner's lease has not run out.

        Claiming what one owns already succeeds, with a new fence: this is how an owner that crashed goes on.
        """
        ...

    def claim_all(self, keys: Sequence[AttemptKey], owner: str, lease_s: float) -> list[Attempt | None]:
        """Claim several attempts, with the answer for each; when it raises, some may have been taken."""
        ...

    def note(self, attempt: Attempt, facts: Document) -> bool:
        """Merge facts into the attempt. False, and no change, when it was claimed again since, or has ended."""
        ...

    def hold(self, attempt: Attempt, owner: str, lease_s: float, facts: Document) -> Attempt | None:
        """Take an attempt over from its last owner, in good order and with facts about it.

        None, and no change, when it was claimed or held again since, or has ended: of several who go on with the
        same attempt as they read it, one goes on.
        """
        ...

    def renew(self, owner: str, keys: Iterable[AttemptKey], lease_s: float) -> None:
        """Lengthen the leases of those of the attempts that `owner` still has."""
        ...

    def attempt(self, key: AttemptKey) -> Attempt | None:
        """What is known of that attempt; None when nobody ever claimed or ended it."""
        ...

    def attempts(self, run_id: str, live: bool = False) -> list[Attempt]:
        """All attempts of a run that were claimed or ended, by node and attempt; `live` leaves those not ended."""
        ...


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as it was read; `etag` guards the next write."""

    name: str
    body: Document
    etag: str


class DocumentStore(Protocol):
    """Keeps everything else that has a name: datastores, compute targets, experiments, environments, tags."""

    def get(self, kind: str, name: str) -> Stored | None:
        """The document, or None."""
        ...

    def put(self, kind: str, name: str, body: Document, etag: str | None = None, if_absent: bool = False) -> Stored:
        """Write it whole. With `etag` or `if_absent`, raises Conflict when somebody wrote in between."""
        ...

    def get_all(self, kind: str, names: Collection[str]) -> dict[str, Document]:
        """The bodies of those documents of a kind that are there, by name."""
        ...

    def put_all(self, kind: str, bodies: Mapping[str, Document]) -> None:
        """Write small documents of a kind, by name, each of them whole and over what was there.

        Quicker than one by one. After a failure some may be written and others not.
        """
        ...

    def list(self, kind: str, prefix: str = "") -> list[Stored]:
        """All documents of a kind whose names begin so, by name."""
        ...

    def delete(self, kind: str, name: str) -> bool:
        """Whether there was one to delete."""
        ...


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """What a listing says of a blob."""

    key: str
    size: int
    modified_at: float


@dataclass(frozen=True, slots=True)
class Link:
    """Opens one blob for whoever has it, for a short time: send or fetch its bytes there with these headers."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


class BlobStore(Protocol):
    """Keeps bytes under keys like paths: parts between slashes, none of them empty, `.` or `..`."""

    def put(self, key: str, data: bytes | BinaryIO) -> None:
        """Write the whole blob; a reader sees the old one or the new one, never a part."""
        ...

    def put_if_absent(self, key: str, data: bytes | BinaryIO) -> bool:
        """Write it unless there is one; whether it was written."""
        ...

    def append(self, key: str, data: bytes) -> None:
        """Add to the end of the blob, making it when it is not there."""
        ...

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """That range of it, shorter at its end. Raises NotFound."""
        ...

    def read(self, key: str) -> Iterator[bytes]:
        """All of it in pieces of at most 1 MiB. Raises NotFound before the first."""
        ...

    def info(self, key: str) -> BlobInfo | None:
        """Its size and age, or None when it is not there."""
        ...

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """All blobs whose keys begin with `prefix`, by key."""
        ...

    def delete(self, prefix: str) -> int:
        """Delete the blob of that key and all below it as a folder; how many there were."""
        ...

    def link(self, key: str, lifetime_s: float, write: bool = False) -> Link | None:
        """The way past the service to one blob: to fetch it, or with `write` to put it, whole.

        None where bytes can only go through the service. Who is given a link can do nothing else with it.
        """
        ...

    def folder(self) -> Path | None:
        """The folder of this machine in which the blobs lie under their keys; None when they lie elsewhere.

        What is made there by others is a blob like any other.
        """
        ...


class Stores(Protocol):
    """The datastores of the workspace, by name."""

    def open(self, name: str) -> BlobStore:
        """The files of that datastore. Raises NotFound; NotSupported for one that has no files, or none in reach."""
        ...

    def reach(self, name: str, body: Document, credentials: Mapping[str, str], make: bool = False) -> BlobStore | None:
        """The files of one as it would be registered, in a container that may be made; None for one without files."""
        ...


class Bus(Protocol):
    """Carries messages to the workers. At least once, in no order, and perhaps late."""

    def send(self, sends: Sequence[Send], name: str = "") -> None:
        """Hand messages over; on return they outlive any crash of ours.

        name   of this batch: sent again under the same name, the bus may drop what it has had already
        """
        ...

    def publish(self, target: str, body: bytes, properties: Mapping[str, str]) -> None:
        """Hand over a message that is for others; on return it outlives any crash of ours.

        target       name of a queue or topic of theirs
        properties   said beside the body; `message_id`, `correlation_id`, `subject` and `content_type` where a bus has
                     places of its own for them. Sent again under its message_id, the bus may drop it
        Raises       NotFound where there is no such queue or topic, TooLarge
        """
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody else's server has answered: a status of HTTP, and the first 500 characters of the body."""

    status: int
    text: str


class Web(Protocol):
    """Sends documents to addresses that authors chose. None of them leads to what only we can reach."""

    def check(self, url: str) -> str:
        """The address, normalised. Raises AddressRefused for one that can never be sent to; asks nobody."""
        ...

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send it once, and say what was answered, also when that is an error or leads elsewhere.

        Raises AddressRefused, TooLarge, BadRequest for a header that is none, and Unreachable when nobody answers in
        time: the document may have come all the same
        """
        ...


class Vault(Protocol):
    """Keeps secrets by name. Who has only what is stored can read none of them; names are no secrets."""

    def keep(self, name: str, secret: str) -> None:
        """Keep it under that name, in the place of what was there. Raises TooLarge, and BadRequest for no text."""
        ...

    def read(self, name: str) -> str | None:
        """The secret, or None; from then on no log shows it. Raises SecretUnreadable when no key of ours opens it."""
        ...

    def forget(self, name: str) -> bool:
        """Whether there was one to forget."""
        ...

    def names(self) -> list[str]:
        """Of all that are kept, in order."""
        ...

    def mask(self, fresh: bool = False) -> Mask:
        """What hides the secrets that authors keep: as they are now with `fresh`, else as they were seconds ago."""
        ...


class Clock(Protocol):
    """The time of day."""

    def now(self) -> float:
        """Seconds since 1970, UTC. May jump, in both directions: it is for people, and for other machines."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment before; only goes on, so that whoever waits waits by it."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """All of them together, as each verb of the service gets them."""

    runs: RunStore
    documents: DocumentStore
    blobs: BlobStore
    stores: Stores
    bus: Bus
    clock: Clock
    web: Web
    vault: Vault
    listening: Listening | None = None  # what a door knows of who may want to hear of runs; None: nobody does

    def with_changes(self, **ports: Any) -> Ports:
        """The same with some ports exchanged."""
        return replace(self, **ports)
