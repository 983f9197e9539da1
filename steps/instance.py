"""Short steps, run within the call that asks for them: for a service whose machines come and go.

Nothing of a step is left on the machine when the call returns. A marker beside the attempt's records says that it has
begun, and later how it ended, so that whoever is asked again neither runs it a second time nor waits for nobody.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, TypeAdapter

from canalis.contract.errors import CanalisError, NotFound, StoreUnavailable, WorldError
from canalis.contract.layout import artifacts, records
from canalis.contract.ports import AttemptKey, Ports
from canalis.contract.run import StepRunId
from canalis.contract.status import Outcome
from steps.attempt import Attempt
from steps.backend import Desk, Ended, Work
from steps.environments import Environments
from steps.follow import LEASE_S
from steps.mirror import Mirror
from steps.notes import PutOffNotes
from steps.processes import Control, kill_marked
from steps.stage import Spares, clear
from steps.surroundings import Site
from steps.telling import at_work, say_how
from steps.warm import Parents

MARKER = "instance.json"
_LOOK_S = 2.0  # between two copies of what is new in the log
_WANTED_S = 4.0  # between two looks whether it is wanted still: what is cancelled has 30 s to stop
_RENEW_S = LEASE_S / 3
_KEEP_TRIES = 4  # to bring what a script has left to the blobs
_KEEP_REST_S = 1.0

_log = logging.getLogger("canalis.instance")

_Done = TypeVar("_Done")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a step may take of a machine that it shares with others, and that may be gone within the hour.

    seconds_max     from when its script begins
    log_bytes_max   of its log
    """

    seconds_max: float
    log_bytes_max: int


class Marker(BaseModel):
    """What is known of an attempt beside its claim: whether its script was begun or called off, and how it ended."""

    state: Literal["begun", "called_off", "ended"]
    by: str = ""
    ended: dict[str, object] | None = None


_ENDED: TypeAdapter[Ended] = TypeAdapter(Ended)


class InstanceBackend:
    """Runs each attempt to its end before `start` returns.

    site     where the scripts run; `site.kept` is below `folder`
    folder   of this process alone; what is in it is nobody's when the process is gone
    """

    forestalls = True  # by the marker

    def __init__(self, ports: Ports, site: Site, folder: Path, desk: Desk, limits: Limits) -> None:
        self._ports = ports
        self._site = site
        self._folder = folder
        self._desk = desk
        self._limits = limits
        self._notes = PutOffNotes(desk)
        self._environments = Environments(ports, site)
        self._parents = Parents(folder / "warm")
        self._spares = Spares(folder / "spare")
        self._lock = threading.Lock()
        self._running: dict[AttemptKey, Control] = {}
        self._is_draining = False

    def start(self, work: Work) -> Ended:
        """Run the work to its end, or tell what became of it in an earlier call.

        Raises WorldError when it could not begin; then it has not.
        """
        control = self._admit(work.key)
        try:
            with at_work(work) as told:
                ended = self._run(work, control)
                say_how(told, ended)
            return ended
        finally:
            with self._lock:
                self._running.pop(work.key, None)

    def check(self, work: Work, handle: str) -> Ended:
        """Work that is not within a call is over."""
        return self._of_another(work)

    def stop(self, key: AttemptKey) -> bool:
        """End the work if this process has it in hand; else see to it that it never begins.

        One that another machine has in hand looks for itself whether it is wanted still.
        """
        with self._lock:
            control = self._running.get(key)
        if control is not None:
            control.stop(Outcome.CANCELLED)
            return True
        self._mark(key, Marker(state="called_off"))
        return False

    def recall(self, key: AttemptKey) -> bool:
        """See to it that the work never begins, unless it has."""
        return not self._mark(key, Marker(state="called_off")) and key in self.held()

    def has_begun(self, key: AttemptKey) -> bool:
        """Whether its script was begun, by this or another machine."""
        marker = self._marker(key)
        return marker is not None and marker.state != "called_off"

    def held(self) -> Collection[AttemptKey]:
        """The attempts in hand."""
        with self._lock:
            return set(self._running)

    def drain(self) -> None:
        """This machine goes away: begin nothing further, tell what runs to end so that another may do it anew."""
        with self._lock:
            self._is_draining = True
            running = list(self._running.values())
        for control in running:
            control.stop(Outcome.LOST)

    def close(self) -> None:
        """Let go of everything on this machine."""
        self._parents.close()
        self._notes.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _admit(self, key: AttemptKey) -> Control:
        with self._lock:
            if self._is_draining:
                raise StoreUnavailable("This instance is going away; another one will take the step")
            assert key not in self._running, key  # whoever asks has claimed it
            control = self._running[key] = Control()
        return control

    def _run(self, work: Work, control: Control) -> Ended:
        limited = self._limited(work)
        owner = work.step_run_id
        folder = self._folder / "work" / str(owner)
        attempt = Attempt(self._ports, self._site, self._environments, self._parents, self._spares, limited, folder)
        most = self._limits.log_bytes_max
        mirror = Mirror(self._ports.blobs, owner, self._site.kept, most, self._ports.vault.mask)
        try:
            with self._beating(work, control, mirror):
                ended, is_here = self._carried_out(attempt, work, limited, control)
            self._notes.forget(work)  # the end says all of it
            if not is_here:
                return ended
            attempt.clear(ended)
            return self._settled(work, mirror, ended)
        finally:
            # What the script has started in sessions of its own. Late, since what is just being started has no
            # environment yet by which it could be known.
            kill_marked({str(owner)})
            clear(work, folder)
            for prefix in (artifacts(owner), records(owner)):
                _remove(self._site.kept / prefix)

    def _carried_out(self, attempt: Attempt, work: Work, limited: Work, control: Control) -> tuple[Ended, bool]:
        """How it ended, and whether here. Once its marker is there it runs at most this once."""
        try:
            attempt.prepare(control, self._notes)
        except WorldError:
            raise
        except (CanalisError, OSError) as error:
            ended = attempt.as_ended(error)
            is_here = self._mark(work.key, self._as_marker(work, ended))
            return ended if is_here else self._of_another(work), is_here
        if control.is_stopped:
            return Ended(Outcome.CANCELLED, error="Cancelled before it started"), False
        if not self._mark(work.key, Marker(state="begun", by=work.attempt.owner)):
            return self._of_another(work), False
        ended = self._through(attempt, control)
        return self._explained(limited, work, control, attempt.keep(ended, self._patiently)), True

    def _through(self, attempt: Attempt, control: Control) -> Ended:
        try:
            return attempt.run(control, self._notes)
        except (CanalisError, OSError) as error:
            return attempt.as_ended(error)

    def _settled(self, work: Work, mirror: Mirror, ended: Ended) -> Ended:
        """The end, once everything of it lies where others find it."""
        try:
            self._patiently(mirror.finish)
        except WorldError as error:
            # Its run goes on from what can be read of it. Without its log that is still so.
            _log.warning("step %s: not all of its log could be kept: %s", work.step_run_id, error.message)
        record = self._as_marker(work, ended)
        with contextlib.suppress(WorldError):  # then a second call would count it as lost
            self._ports.blobs.put(self._key(work.key), record.model_dump_json().encode())
        return ended

    def _patiently(self, do: Callable[[], _Done]) -> _Done:
        for number in range(1, _KEEP_TRIES):
            try:
                return do()
            except StoreUnavailable as error:
                _log.warning("tried again: %s", error.message)
                time.sleep(_KEEP_REST_S * number)
        return do()

    def _limited(self, work: Work) -> Work:
        asked = work.node.settings.timeout_s
        limit = min(self._limits.seconds_max, asked) if asked is not None else self._limits.seconds_max
        settings = work.node.settings.model_copy(update={"timeout_s": limit})
        return replace(work, node=work.node.model_copy(update={"settings": settings}))

    def _explained(self, limited: Work, work: Work, control: Control, ended: Ended) -> Ended:
        """The end in words that tell the author's limit from the machine's, and a machine that goes from a failure."""
        if control.reason is Outcome.LOST:
            return replace(self._lost(work), started_at=ended.started_at, marks=ended.marks)
        if ended.outcome is Outcome.TIMED_OUT and limited.node.settings.timeout_s != work.node.settings.timeout_s:
            words = (
                f"{work.node.name} worked longer than the {self._limits.seconds_max:g} s that a step may take within "
                "the service itself (setting CANALIS_STEP_SECONDS_MAX) and was ended: it needs a compute of its own"
            )
            return replace(ended, error=words)
        return ended

    def _lost(self, work: Work) -> Ended:
        return Ended(
            Outcome.LOST, error_code="lost", error=f"{work.node.name} went away with the machine on which it ran"
        )

    @contextmanager
    def _beating(self, work: Work, control: Control, mirror: Mirror) -> Iterator[None]:
        """Within, the claim is renewed, the log goes out, and what is not wanted any more is stopped."""
        over = threading.Event()
        beat = threading.Thread(target=self._beat, args=(work, control, mirror, over), name="heartbeat", daemon=True)
        beat.start()
        try:
            yield
        finally:
            over.set()
            beat.join()

    def _beat(self, work: Work, control: Control, mirror: Mirror, over: threading.Event) -> None:
        renewed = asked = time.monotonic()
        while not over.wait(_LOOK_S):
            now = time.monotonic()
            with _told(work):
                mirror.copy()
            if now - renewed >= _RENEW_S:
                renewed = now
                with _told(work):
                    self._ports.runs.renew(work.attempt.owner, [work.key], LEASE_S)
            if now - asked >= _WANTED_S and not control.is_stopped:
                asked = now
                with _told(work):
                    if not self._desk.is_wanted(work):
                        control.stop(Outcome.CANCELLED)

    def _mark(self, key: AttemptKey, marker: Marker) -> bool:
        """Put the marker if there is none; whether it is ours now."""
        if self._ports.blobs.put_if_absent(self._key(key), marker.model_dump_json().encode()):
            return True
        # Our own, when an earlier try was answered to nobody.
        return bool(marker.by) and self._marker(key) == marker

    def _marker(self, key: AttemptKey) -> Marker | None:
        try:
            return Marker.model_validate_json(self._ports.blobs.get(self._key(key)))
        except NotFound:
            return None

    def _known(self, key: AttemptKey) -> Ended | None:
        """How an attempt ended, as its marker says; None when it was begun and nobody said."""
        marker = self._marker(key)
        if marker is None or marker.state == "called_off":
            return Ended(Outcome.CANCELLED, error="Cancelled before it started")
        return _ENDED.validate_python(marker.ended) if marker.ended is not None else None

    def _of_another(self, work: Work) -> Ended:
        return self._known(work.key) or self._lost(work)

    def _as_marker(self, work: Work, ended: Ended) -> Marker:
        return Marker(state="ended", by=work.attempt.owner, ended=_ENDED.dump_python(ended, mode="json"))

    def _key(self, key: AttemptKey) -> str:
        return records(StepRunId(key.run_id, key.node, key.attempt)) + MARKER


def _remove(folder: Path) -> None:
    """A folder with all in it, and the one above it with the last that was in there."""
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()


@contextmanager
def _told(work: Work) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the next beat may do better; the step goes on
        _log.warning("step %s: %r", work.step_run_id, error)
