"""Runs, attempts and outboxes as rows; everything about a run lies in the partition of its id.

    run                 state and version, replaced by each commit
    request:<n>         what was asked for, in pieces; never changes
    out:<version>       messages of that commit; deleted once the bus has them
    try:<node>:<n>      an attempt: its claim, and a property for each fact

Other partitions find runs: `of:open` has a row for each that has not ended, `of:runs` one for each, newest first, and
so have `of:pipeline:<id>` and `of:schedule:<id>` for those that were started from them. `of:hidden` has one for each
that is being deleted; of what is deleted the row `run` stays, so that nobody else is given its id.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterable, Iterator, Sequence

from adapters.tables import index
from adapters.tables.rows import (
    changed,
    claim_properties,
    fact_properties,
    facts_as_properties,
    hidden_at,
    is_still,
    out_key,
    outbox_rows,
    request_rows,
    run_properties,
    sends_of,
    to_attempt,
    to_run,
    try_key,
)
from adapters.tables.table import OPERATIONS_MAX, Delete, Insert, Merge, Operation, Replace, Row, Table
from canalis.contract.errors import Conflict, NotFound
from canalis.contract.messages import Send
from canalis.contract.ports import Attempt, AttemptKey, Bus, Clock, Document, Fact, Run, RunQuery
from canalis.contract.run import RunRequest, RunState
from canalis.contract.status import RunStatus

_KNOWN_MAX = 256
_TRIES = 8
_INDEX_ROWS = 100  # that are fetched at once to find runs
_CREATED_WITHIN_S = 3600.0  # a run that was announced and is not there after so long never will be


class TableRuns:
    """Keeps runs in a table, and their messages in an outbox until the bus has them."""

    def __init__(self, table: Table, bus: Bus, clock: Clock) -> None:
        self._table = table
        self._bus = bus
        self._clock = clock
        self._requests: dict[str, RunRequest] = {}
        self._seen: dict[str, tuple[Run, str]] = {}  # runs with their entity tags, as last read or written here
        self._outboxes: dict[str, tuple[int, Sequence[Send]]] = {}  # committed here, and not delivered yet

    def create(self, run_id: str, request: RunRequest, state: RunState, sends: Sequence[Send]) -> bool:
        """Create the run with its first messages; False when it is there already."""
        properties = run_properties(1, state, self._clock.now(), None)
        rows: list[Operation] = [Insert("run", properties), *request_rows(request), *outbox_rows(1, sends)]
        # Found by the sweep from here on, even if we get no further than the next line.
        self._put(index.OPEN, Merge(run_id, {"since": self._clock.now()}))
        about = {"experiment": request.experiment, "parent": request.parent or ""}
        for partition in index.partitions(request):
            self._put(partition, Merge(index.newest_first(request.submitted_at, run_id), about))
        with contextlib.suppress(Conflict):
            self._table.transact(run_id, rows)
            self._outboxes[run_id] = (1, sends)
            return True
        return False

    def load(self, run_id: str, fresh: bool = True) -> Run:
        """The run as last committed, or without `fresh` as last seen here. Raises NotFound."""
        if not fresh and run_id in self._seen:
            return self._seen[run_id][0]
        row = self._table.get(run_id, "run")
        if row is None or hidden_at(row):
            raise NotFound(f"There is no run {run_id}", kind="run", name=run_id)
        request = self._request(run_id)
        run = to_run(run_id, request, row)
        self._remember(run, row.etag)
        return run

    def commit(self, run: Run, state: RunState, sends: Sequence[Send] = (), facts: Sequence[Fact] = ()) -> Run:
        """Put state, messages and facts in place: all or none. Raises Conflict."""
        now = self._clock.now()
        stopping_since = run.stopping_since or (now if state.status is RunStatus.CANCELLING else None)
        version = run.version + 1
        properties = run_properties(version, state, now, stopping_since)
        rows: list[Operation] = [Replace("run", properties, self._etag(run)), *outbox_rows(version, sends)]
        rows += [Merge(try_key(fact.node, fact.attempt), fact_properties(fact)) for fact in facts]
        assert len(rows) <= OPERATIONS_MAX, (run.run_id, len(rows))
        etag = self._table.transact(run.run_id, rows)[0]
        after = changed(run, state, version, now, stopping_since)
        if etag:
            self._remember(after, etag)
        else:  # somebody has gone on from it before we were told
            self._seen.pop(run.run_id, None)
        if sends:
            self._outboxes[run.run_id] = (version, sends)
        else:
            self._outboxes.setdefault(run.run_id, (version, ()))
        return after

    def deliver(self, run_id: str) -> None:
        """Send what is in the run's outbox, and take it out."""
        known = self._outboxes.pop(run_id, None)
        self._empty(run_id, [known] if known is not None else self._outbox(run_id))

    def _empty(self, run_id: str, outbox: Iterable[tuple[int, Sequence[Send]]]) -> None:
        for version, sends in outbox:
            if sends:
                self._bus.send(sends, f"{run_id}.{version}")
                self._put(run_id, Delete(out_key(version)))

    def find(self, query: RunQuery) -> list[Run]:
        """Runs that fit, newest submission first."""
        found: list[Run] = []
        start = index.newest_first(query.before, "") if query.before is not None else ""
        for row in self._table.rows(index.partition_for(query), start=start, at_once=max(_INDEX_ROWS, query.limit)):
            if len(found) >= query.limit:
                break
            if index.may_fit(row, query):
                with contextlib.suppress(NotFound):  # never created to the end
                    run = self.load(index.run_id(row))
                    # Who asked for the same run again has announced it a second time.
                    is_its_own = row.key == index.newest_first(run.request.submitted_at, run.run_id)
                    if is_its_own and index.fits(run, query):
                        found.append(run)
        return found

    def every(self) -> Iterator[Run]:
        """All runs that are not hidden, newest first."""
        for row in self._table.rows(index.ALL):
            with contextlib.suppress(NotFound):
                run = self.load(index.run_id(row))
                if row.key == index.newest_first(run.request.submitted_at, run.run_id):
                    yield run

    def hide(self, run: Run) -> None:
        """Take a run that has ended out of sight. Raises Conflict."""
        etag, now = self._etag(run), self._clock.now()
        if not run.state.status.is_terminal:
            raise Conflict(f"run {run.run_id} has not ended", run_id=run.run_id)
        self._put(index.HIDDEN, Merge(run.run_id, {"since": now}))  # found from here on, whatever happens to us
        self._put(run.run_id, Merge("run", {"hidden_at": now}, etag))
        self._seen.pop(run.run_id, None)

    def hidden(self) -> list[tuple[Run, float]]:
        """The runs that are hidden, each with the time at which it was, the first one first."""
        found = []
        for listed in self._table.rows(index.HIDDEN):
            row = self._table.get(listed.key, "run")
            if row is not None and row.properties.get("forgotten"):
                self.forget(listed.key)  # to the end
            elif row is not None and (since := hidden_at(row)):
                found.append((to_run(listed.key, self._request(listed.key), row), since))
            elif self._clock.now() - float(listed.properties["since"]) > _CREATED_WITHIN_S:
                self._put(index.HIDDEN, Delete(listed.key))  # who was to hide it did not come to it
        return sorted(found, key=lambda one: (one[1], one[0].run_id))

    def show(self, run_id: str) -> None:
        """Let a hidden run be seen again."""
        row = self._table.get(run_id, "run")
        if row is not None and hidden_at(row) and not row.properties.get("forgotten"):
            self._put(run_id, Merge("run", {"hidden_at": 0.0}, row.etag))
            self._put(index.HIDDEN, Delete(run_id))

    def forget(self, run_id: str) -> None:
        """Lose all of a hidden run but its id."""
        row = self._table.get(run_id, "run")
        if row is None or not hidden_at(row):
            return
        if not row.properties.get("forgotten"):
            row = self._forgotten(run_id, row)
        self._put(index.ALL, Delete(index.newest_first(float(row.properties["submitted_at"]), run_id)))
        self._put(index.HIDDEN, Delete(run_id))
        for kept in (self._requests, self._seen, self._outboxes):
            kept.pop(run_id, None)

    def _forgotten(self, run_id: str, row: Row) -> Row:
        """The row of a run of which nothing else is left; it says where the index has it."""
        request = self._request(run_id)
        for prefix in ("try:", "out:"):
            keys = [found.key for found in self._table.rows(run_id, prefix)]
            for start in range(0, len(keys), OPERATIONS_MAX):
                self._table.transact(run_id, [Delete(key) for key in keys[start : start + OPERATIONS_MAX]])
        for partition in index.partitions(request):
            if partition != index.ALL:
                self._put(partition, Delete(index.newest_first(request.submitted_at, run_id)))
        kept = {name: row.properties[name] for name in ("version", "status", "hidden_at")}
        kept |= {"submitted_at": request.submitted_at, "forgotten": True}
        pieces = [Delete(found.key) for found in self._table.rows(run_id, "request:")]
        self._table.transact(run_id, [Replace("run", kept, row.etag), *pieces])
        return Row("run", "", kept)

    def open_runs(self) -> list[str]:
        """Ids of all runs that have not ended."""
        found = []
        for row in self._table.rows(index.OPEN):
            known = self._table.get(row.key, "run")
            if known is not None and not RunStatus(str(known.properties["status"])).is_terminal:
                found.append(row.key)
                continue
            self._empty(row.key, self._outbox(row.key))
            if known is not None or self._clock.now() - float(row.properties["since"]) > _CREATED_WITHIN_S:
                self._put(index.OPEN, Delete(row.key))
        return found

    def flag(self, run_id: str, attention: str) -> None:
        """Write down why a run needs somebody's help."""
        for _ in range(_TRIES):
            row = self._table.get(run_id, "run")
            if row is None:
                raise NotFound(f"There is no run {run_id}", kind="run", name=run_id)
            with contextlib.suppress(Conflict):
                self._put(run_id, Merge("run", {"attention": attention}, row.etag))
                return
        raise Conflict(f"run {run_id} was changed by others {_TRIES} times in a row", run_id=run_id)

    def claim(self, key: AttemptKey, owner: str, lease_s: float) -> Attempt | None:
        """Take an attempt for `owner`, or None."""
        now = self._clock.now()
        fresh = Attempt(key, owner, 1, now + lease_s, False, {"claimed_at": now})
        with contextlib.suppress(Conflict):  # most often nobody has it
            self._put(key.run_id, Insert(try_key(key.node, key.attempt), claim_properties(fresh)))
            return fresh
        row = self._attempt_row(key)
        if row is None:
            return None
        found = to_attempt(key.run_id, row)
        if found.ended or (found.owner not in ("", owner) and found.lease_until > now):
            return None
        facts = {"claimed_at": now, **found.facts}
        taken = Attempt(key, owner, found.fence + 1, now + lease_s, False, facts)
        return taken if self._write_claim(taken, row.etag) else None

    def claim_all(self, keys: Sequence[AttemptKey], owner: str, lease_s: float) -> list[Attempt | None]:
        """Take each attempt for `owner`, or None."""
        return [self.claim(key, owner, lease_s) for key in keys]  # in one transaction, one refusal would refuse all

    def note(self, attempt: Attempt, facts: Document) -> bool:
        """Merge facts into an attempt that is still the caller's."""
        for _ in range(_TRIES):
            row = self._attempt_row(attempt.key)
            if row is None or not is_still(attempt, row):
                return False
            with contextlib.suppress(Conflict):
                self._put(attempt.key.run_id, Merge(row.key, facts_as_properties(facts), row.etag))
                return True
        return False

    def hold(self, attempt: Attempt, owner: str, lease_s: float, facts: Document) -> Attempt | None:
        """Take an attempt over from its last owner, or None."""
        row = self._attempt_row(attempt.key)
        if row is None or not is_still(attempt, row):
            return None
        merged = {**to_attempt(attempt.key.run_id, row).facts, **facts}
        until = self._clock.now() + lease_s
        held = Attempt(attempt.key, owner, attempt.fence + 1, until, False, merged)
        return held if self._write_claim(held, row.etag) else None

    def renew(self, owner: str, keys: Iterable[AttemptKey], lease_s: float) -> None:
        """Lengthen the leases of those of the attempts that `owner` still has."""
        until = self._clock.now() + lease_s
        for key in keys:
            row = self._attempt_row(key)
            if row is not None and row.properties.get("owner") == owner and not row.properties.get("ended"):
                with contextlib.suppress(Conflict):
                    self._put(key.run_id, Merge(row.key, {"lease_until": until}, row.etag))

    def attempt(self, key: AttemptKey) -> Attempt | None:
        """What is known of that attempt."""
        return to_attempt(key.run_id, row) if (row := self._attempt_row(key)) else None

    def attempts(self, run_id: str, live: bool = False) -> list[Attempt]:
        """All attempts of a run that are known, by node and attempt."""
        found = [to_attempt(run_id, row) for row in self._table.rows(run_id, "try:")]
        return [attempt for attempt in found if not (live and attempt.ended)]

    def _put(self, partition: str, operation: Operation) -> None:
        self._table.transact(partition, [operation])

    def _write_claim(self, attempt: Attempt, etag: str) -> bool:
        key = attempt.key
        with contextlib.suppress(Conflict):
            self._put(key.run_id, Merge(try_key(key.node, key.attempt), claim_properties(attempt), etag))
            return True
        return False

    def _attempt_row(self, key: AttemptKey) -> Row | None:
        return self._table.get(key.run_id, try_key(key.node, key.attempt))

    def _outbox(self, run_id: str) -> list[tuple[int, Sequence[Send]]]:
        rows = self._table.rows(run_id, "out:")
        return [(int(row.key.partition(":")[2]), sends_of(row)) for row in rows]

    def _etag(self, run: Run) -> str:
        seen, etag = self._seen.get(run.run_id, (None, ""))
        if seen is None or seen.version != run.version:
            row = self._table.get(run.run_id, "run")
            if row is None or row.properties["version"] != run.version or hidden_at(row):
                raise Conflict(f"run {run.run_id} is no longer at version {run.version}", run_id=run.run_id)
            etag = row.etag
        return etag

    def _request(self, run_id: str) -> RunRequest:
        known = self._requests.get(run_id)
        if known is None:
            pieces = [row.properties["body"] for row in self._table.rows(run_id, "request:")]
            body = zlib.decompress(b"".join(piece for piece in pieces if isinstance(piece, bytes)))
            known = self._requests[run_id] = RunRequest.model_validate_json(body)
        return known

    def _remember(self, run: Run, etag: str) -> None:
        for kept in (self._requests, self._seen):
            if len(kept) > _KNOWN_MAX:
                kept.clear()
        self._seen[run.run_id] = run, etag
