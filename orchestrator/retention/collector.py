"""The retention of a workspace is carried out as time passes, a little at each look. A crash at any point is made good.

out of sight   by the policy once a day, or because somebody has asked
a rest         in which whoever had begun to need it is found
gone           some runs at each look
"""

from __future__ import annotations

import logging
import threading

from canalis.contract.announcements import ANNOUNCEMENTS
from canalis.contract.costs import COSTS
from canalis.contract.errors import Conflict
from canalis.contract.mlflow_ids import RUNS as MLFLOW_RUNS
from canalis.contract.ports import Document, Ports, Run
from orchestrator.remarks import ANNOTATIONS
from orchestrator.retention import cleared, collect, doomed
from orchestrator.retention.delete import finish
from orchestrator.retention.doomed import CLEARING
from orchestrator.retention.garbage import YOUNG_S, look_through
from orchestrator.retention.needs import Needs, survey
from orchestrator.retention.owned import clear, owned

LOOK_S = 60.0  # between two looks
COLLECT_S = 24 * 3600.0  # between two collections that nobody has asked for
RUNS_AT_ONCE = 25
_STATE = "state"
_GONE = "gone:"  # begins the name of the document of a run of which part may be gone

_log = logging.getLogger("canalis.retention")


class Collector:
    """Looks again and again for what can go. It remembers nothing that matters; others may look at the same time.

    rest_s    how long what is out of sight lies there
    young_s   how old a blob is at least that goes since nobody names it
    """

    def __init__(self, ports: Ports, rest_s: float = collect.REST_S, young_s: float = YOUNG_S) -> None:
        self._ports = ports
        self._rest_s = rest_s
        self._young_s = young_s
        self._looking = threading.Lock()
        self._last: float | None = None

    def is_due(self) -> bool:
        """Whether it is time to look."""
        return self._last is None or self._ports.clock.monotonic() - self._last >= LOOK_S

    def look(self) -> None:
        """Do what is due, unless somebody is at it. What fails is told in the log, and tried again at the next look."""
        if not self._looking.acquire(blocking=False):
            return
        try:
            self._last = self._ports.clock.monotonic()
            self.work()
        except Exception as error:
            _log.warning("clearing away will be tried again: %r", error)
        finally:
            self._looking.release()

    def work(self) -> None:
        """Do what is due."""
        finish(self._ports)
        gone = self._clear_runs()
        policy = collect.policy_of(self._ports)
        age_s = policy.intermediate_s
        since = self._ports.clock.now() - age_s if age_s is not None else None
        cleared.clear_marked(self._ports, self._rest_s, RUNS_AT_ONCE, lambda: _DataNeeds(self._ports, since))
        gone += doomed.clear(self._ports, self._rest_s, self._young_s, self._unnamed)
        if self._is_time_to_collect(want=bool(gone)):
            found = collect.collect(self._ports, False, self._rest_s, self._young_s).found
            told = ", ".join(f"{kind}: {one.count} ({one.bytes} bytes)" for kind, one in found.items())
            _log.info("nobody needs any more: %s", told or "nothing")

    def _is_time_to_collect(self, want: bool) -> bool:
        """Whether to collect now, which is written down: something is gone, so more may be named by nobody."""
        known = self._ports.documents.get(CLEARING, _STATE)
        now = self._ports.clock.now()
        body: Document = known.body if known is not None else {"at": now}
        due = want or now - float(body["at"]) >= COLLECT_S
        if due or known is None:
            try:
                etag = known.etag if known else None
                self._ports.documents.put(CLEARING, _STATE, {"at": now}, etag=etag, if_absent=known is None)
            except Conflict:
                return False  # somebody else does
        return due

    def _unnamed(self) -> set[str]:
        found = look_through(self._ports, survey(self._ports), self._young_s)
        return {thing.name for thing in found.unnamed}

    def _clear_runs(self) -> int:
        """Some of the hidden runs whose rest is over go, or come back; how many went."""
        hidden = self._ports.runs.hidden()
        begun = {stored.name.removeprefix(_GONE) for stored in self._ports.documents.list(CLEARING, _GONE)}
        for run_id in begun - {run.run_id for run, _ in hidden}:
            self._ports.documents.delete(CLEARING, f"{_GONE}{run_id}")  # whoever has cleared it did not come to that
        now = self._ports.clock.now()
        due = {run.run_id for run, since in hidden if now - since >= self._rest_s}
        if not due:
            return 0
        needs = survey(self._ports)
        runs = {run.run_id: run for run, _ in hidden}
        for run_id in _needed_again(self._ports, needs, runs, begun):
            _log.info("run %s is needed after all", run_id)
            self._ports.runs.show(run_id)
            due.discard(run_id)
        for run_id in sorted(due)[:RUNS_AT_ONCE]:
            clear_run(self._ports, runs[run_id])
        return len(due)


def _needed_again(ports: Ports, needs: Needs, runs: dict[str, Run], begun: set[str]) -> list[str]:
    """Those of the hidden runs that somebody who is seen, or comes back, has begun to need.

    begun     those of which part may be gone already: for them, and for what needs them, there is no way back
    Returns   ids, what others need first: at no moment is one seen without what it needs
    """
    users_first = [runs[run_id] for run_id in needs.users_first(runs)]
    lost = set(begun)
    for run in reversed(users_first):
        needed = {cleared.run_of(one) for one in (*run.request.kept.values(), run.request.parent or "")}
        lost |= {run.run_id} if needed & lost else set()
    going, back = set(runs), list[str]()
    for run in users_first:
        if run.run_id not in lost and needs.of(run.run_id, [one.whole for one in owned(ports, run)], going):
            going.discard(run.run_id)
            back.append(run.run_id)
    return back[::-1]


def clear_run(ports: Ports, run: Run) -> None:
    """All that belongs to a hidden run goes, and the run last, so that whoever is interrupted begins again."""
    ports.documents.put(CLEARING, f"{_GONE}{run.run_id}", {})
    for place in dict.fromkeys(one.whole for one in owned(ports, run)):
        clear(ports, place)
    cleared.forget_made(ports, run.run_id)
    for folder in ("artifacts", "records"):
        ports.blobs.delete(f"{folder}/{run.run_id}")
    for stored in ports.documents.list(ANNOTATIONS, run.run_id):
        if stored.name.split(".")[0] == run.run_id:
            ports.documents.delete(ANNOTATIONS, stored.name)
    for stored in ports.documents.list(MLFLOW_RUNS, run.run_id):
        if stored.name.split("_")[0] == run.run_id:
            ports.documents.delete(MLFLOW_RUNS, stored.name)
    for kind in (COSTS, ANNOUNCEMENTS):
        ports.documents.delete(kind, run.run_id)
    cleared.forget(ports, run.run_id)
    ports.runs.forget(run.run_id)
    ports.documents.delete(CLEARING, f"{_GONE}{run.run_id}")


class _DataNeeds:
    """Tells of a run whether somebody needs its intermediate data, by one survey for all.

    since   runs that ended before need it no more; None where all of it is kept by now
    """

    def __init__(self, ports: Ports, since: float | None) -> None:
        self._ports, self._since = ports, since
        self._needs = survey(ports)

    def __call__(self, run: Run) -> bool:
        if self._since is None:
            return True
        going = set(self._needs.hidden)
        return bool(collect.data_users(self._needs, run, owned(self._ports, run), self._since, going))
