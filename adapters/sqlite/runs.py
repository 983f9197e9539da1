"""Runs and attempts as rows. A commit and its messages are one transaction, so no outbox is needed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from adapters.sqlite.bus import SqliteBus
from adapters.sqlite.database import Database
from canalis.contract.errors import Conflict, NotFound
from canalis.contract.messages import Send
from canalis.contract.ports import Attempt, AttemptKey, Clock, Document, Fact, Run, RunQuery
from canalis.contract.run import RunRequest, RunState
from canalis.contract.status import RunStatus

_KNOWN_MAX = 64
_PAGE = 200  # runs that are read at once where all are
_RUN = "run_id, request, state, version, updated_at, ended_at, stopping_since, attention"
_ATTEMPT = "run_id, node, attempt, owner, fence, lease_until, ended, facts"
_SEEN = "hidden_at IS NULL"
_INSERT = f"INSERT INTO attempts ({_ATTEMPT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


class SqliteRuns:
    """Keeps runs, and hands their messages to the bus in the same transaction."""

    def __init__(self, database: Database, bus: SqliteBus, clock: Clock) -> None:
        self._database = database
        self._bus = bus
        self._clock = clock
        self._known: dict[str, Run] = {}  # as last read or written; used only when the version is still the same

    def create(self, run_id: str, request: RunRequest, state: RunState, sends: Sequence[Send]) -> bool:
        """Create the run with its first messages; False when it is there already."""
        now = self._clock.now()
        with self._database.write() as connection:
            created = connection.execute(
                "INSERT OR IGNORE INTO runs (run_id, version, status, is_open, state, request, experiment, parent,"
                " submitted_at, updated_at, ended_at, pipeline, schedule)"
                " SELECT ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
                " WHERE NOT EXISTS (SELECT 1 FROM forgotten_runs WHERE run_id = ?)",
                (
                    run_id,
                    state.status.value,
                    not state.status.is_terminal,
                    state.pack(),
                    request.model_dump_json(exclude_defaults=True),
                    request.experiment,
                    request.parent,
                    request.submitted_at,
                    now,
                    now if state.status.is_terminal else None,
                    request.origin.pipeline,
                    request.origin.schedule,
                    run_id,
                ),
            ).rowcount
            kept = self._bus.insert(connection, sends) if created else []
        self._bus.release(kept)
        return bool(created)

    def load(self, run_id: str, fresh: bool = True) -> Run:
        """The run as last committed. Raises NotFound."""
        known = self._known.get(run_id)
        with self._database.read() as connection:
            if known is not None:
                row = connection.execute(
                    f"SELECT version, attention FROM runs WHERE {_SEEN} AND run_id = ?", (run_id,)
                ).fetchone()
                if row == (known.version, known.attention):
                    return known
            row = connection.execute(f"SELECT {_RUN} FROM runs WHERE {_SEEN} AND run_id = ?", (run_id,)).fetchone()
        if row is None:
            raise NotFound(f"There is no run {run_id}", kind="run", name=run_id)
        return self._remember(_run(row))

    def commit(self, run: Run, state: RunState, sends: Sequence[Send] = (), facts: Sequence[Fact] = ()) -> Run:
        """Put state, messages and facts in place: all or none. Raises Conflict."""
        now = self._clock.now()
        ended_at = now if state.status.is_terminal else None
        stopping_since = run.stopping_since or (now if state.status is RunStatus.CANCELLING else None)
        with self._database.write() as connection:
            changed = connection.execute(
                "UPDATE runs SET version = version + 1, status = ?, is_open = ?, state = ?, updated_at = ?,"
                " ended_at = ?, stopping_since = ?, attention = '' WHERE run_id = ? AND version = ?",
                (
                    state.status.value,
                    not state.status.is_terminal,
                    state.pack(),
                    now,
                    ended_at,
                    stopping_since,
                    run.run_id,
                    run.version,
                ),
            ).rowcount
            if not changed:
                raise Conflict(f"run {run.run_id} is no longer at version {run.version}", run_id=run.run_id)
            for fact in facts:
                _merge(connection, AttemptKey(run.run_id, fact.node, fact.attempt), fact.facts, fact.ended)
            kept = self._bus.insert(connection, sends)
        self._bus.release(kept)
        return self._remember(Run(run.run_id, run.request, state, run.version + 1, now, ended_at, stopping_since))

    def _remember(self, run: Run) -> Run:
        if len(self._known) >= _KNOWN_MAX:
            self._known.clear()
        self._known[run.run_id] = run
        return run

    def deliver(self, run_id: str) -> None:
        """Nothing to do: the messages went to the bus with the commit."""

    def flag(self, run_id: str, attention: str) -> None:
        """Write down why a run needs somebody's help."""
        with self._database.write() as connection:
            changed = connection.execute("UPDATE runs SET attention = ? WHERE run_id = ?", (attention, run_id)).rowcount
        if not changed:
            raise NotFound(f"There is no run {run_id}", kind="run", name=run_id)

    def find(self, query: RunQuery) -> list[Run]:
        """Runs that fit, newest submission first."""
        where, values = [_SEEN], list[Any]()
        for column in ("experiment", "parent", "pipeline", "schedule"):
            value = getattr(query, column)
            if value is not None:
                where.append(f"{column} = ?")
                values.append(value)
        if query.status:
            where.append(f"status IN ({', '.join('?' * len(query.status))})")
            values.extend(query.status)
        if query.id_prefix is not None:
            where.append("substr(run_id, 1, ?) = ?")
            values.extend((len(query.id_prefix), query.id_prefix))
        if query.before is not None:
            where.append("submitted_at < ?")
            values.append(query.before)
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {_RUN} FROM runs WHERE {' AND '.join(where)} ORDER BY submitted_at DESC LIMIT ?",
                (*values, query.limit),
            ).fetchall()
        return [_run(row) for row in rows]

    def every(self) -> Iterator[Run]:
        """All runs that are not hidden, by id."""
        last = ""
        while True:
            with self._database.read() as connection:
                rows = connection.execute(
                    f"SELECT {_RUN} FROM runs WHERE {_SEEN} AND run_id > ? ORDER BY run_id LIMIT ?", (last, _PAGE)
                ).fetchall()
            yield from map(_run, rows)
            if len(rows) < _PAGE:
                return
            last = rows[-1][0]

    def hide(self, run: Run) -> None:
        """Take a run that has ended out of sight. Raises Conflict."""
        with self._database.write() as connection:
            changed = connection.execute(
                f"UPDATE runs SET hidden_at = ? WHERE run_id = ? AND version = ? AND {_SEEN} AND NOT is_open",
                (self._clock.now(), run.run_id, run.version),
            ).rowcount
        if not changed:
            raise Conflict(f"run {run.run_id} is no longer at version {run.version}", run_id=run.run_id)

    def hidden(self) -> list[tuple[Run, float]]:
        """The runs that are hidden, each with the time at which it was, the first one first."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT hidden_at, {_RUN} FROM runs WHERE hidden_at IS NOT NULL ORDER BY hidden_at, run_id"
            ).fetchall()
        return [(_run(row[1:]), row[0]) for row in rows]

    def show(self, run_id: str) -> None:
        """Let a hidden run be seen again."""
        with self._database.write() as connection:
            connection.execute("UPDATE runs SET hidden_at = NULL WHERE run_id = ?", (run_id,))

    def forget(self, run_id: str) -> None:
        """Lose all of a hidden run but its id."""
        with self._database.write() as connection:
            gone = connection.execute("DELETE FROM runs WHERE run_id = ? AND hidden_at IS NOT NULL", (run_id,)).rowcount
            if gone:
                connection.execute("DELETE FROM attempts WHERE run_id = ?", (run_id,))
                connection.execute("INSERT OR IGNORE INTO forgotten_runs VALUES (?)", (run_id,))
        self._known.pop(run_id, None)

    def open_runs(self) -> list[str]:
        """Ids of all runs that have not ended."""
        with self._database.read() as connection:
            return [run_id for (run_id,) in connection.execute("SELECT run_id FROM runs WHERE is_open")]

    def claim(self, key: AttemptKey, owner: str, lease_s: float) -> Attempt | None:
        """Take an attempt for `owner`, or None."""
        return self.claim_all([key], owner, lease_s)[0]

    def claim_all(self, keys: Sequence[AttemptKey], owner: str, lease_s: float) -> list[Attempt | None]:
        """Take each attempt for `owner`, or None; all in one transaction."""
        now = self._clock.now()
        # Not synced: a power cut that takes the claim takes the work that was begun under it as well.
        with self._database.write(durable=False) as connection:
            return [_claim(connection, key, owner, now, now + lease_s) for key in keys]

    def note(self, attempt: Attempt, facts: Document) -> bool:
        """Merge facts into an attempt that is still the caller's."""
        # Not durable: what it says is for people, and is said again after a crash.
        with self._database.write(durable=False) as connection:
            found = _attempt(connection, attempt.key)
            if found is None or found.ended or found.fence != attempt.fence:
                return False
            _merge(connection, attempt.key, facts, ended=False)
        return True

    def hold(self, attempt: Attempt, owner: str, lease_s: float, facts: Document) -> Attempt | None:
        """Take an attempt over from its last owner, or None."""
        until = self._clock.now() + lease_s
        with self._database.write(durable=False) as connection:
            found = _attempt(connection, attempt.key)
            if found is None or found.ended or found.fence != attempt.fence:
                return None
            held = Attempt(attempt.key, owner, found.fence + 1, until, False, {**found.facts, **facts})
            _write(connection, held)
        return held

    def renew(self, owner: str, keys: Iterable[AttemptKey], lease_s: float) -> None:
        """Lengthen the leases of those of the attempts that `owner` still has."""
        until = self._clock.now() + lease_s
        rows = [(until, key.run_id, key.node, key.attempt, owner) for key in keys]
        if rows:
            with self._database.write(durable=False) as connection:
                connection.executemany(
                    "UPDATE attempts SET lease_until = ?"
                    " WHERE run_id = ? AND node = ? AND attempt = ? AND owner = ? AND NOT ended",
                    rows,
                )

    def attempt(self, key: AttemptKey) -> Attempt | None:
        """What is known of that attempt."""
        with self._database.read() as connection:
            return _attempt(connection, key)

    def attempts(self, run_id: str, live: bool = False) -> list[Attempt]:
        """All attempts of a run that are known, by node and attempt."""
        only = " AND NOT ended" if live else ""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {_ATTEMPT} FROM attempts WHERE run_id = ?{only} ORDER BY node, attempt", (run_id,)
            ).fetchall()
        return [_to_attempt(row) for row in rows]


def _run(row: tuple[Any, ...]) -> Run:
    run_id, request, state, *rest = row
    return Run(run_id, RunRequest.model_validate_json(request), RunState.unpack(state), *rest)


def _attempt(connection: sqlite3.Connection, key: AttemptKey) -> Attempt | None:
    row = connection.execute(
        f"SELECT {_ATTEMPT} FROM attempts WHERE run_id = ? AND node = ? AND attempt = ?",
        (key.run_id, key.node, key.attempt),
    ).fetchone()
    return _to_attempt(row) if row else None


def _claim(connection: sqlite3.Connection, key: AttemptKey, owner: str, now: float, until: float) -> Attempt | None:
    fresh = Attempt(key, owner, 1, until, False, {"claimed_at": now})
    if _insert(connection, fresh):  # most often nobody has it
        return fresh
    found = _attempt(connection, key)
    assert found is not None, key
    if found.ended or (found.owner not in ("", owner) and found.lease_until > now):
        return None
    taken = Attempt(key, owner, found.fence + 1, until, False, {"claimed_at": now, **found.facts})
    _write(connection, taken)
    return taken


def _to_attempt(row: tuple[Any, ...]) -> Attempt:
    run_id, node, attempt, owner, fence, lease_until, ended, facts = row
    return Attempt(AttemptKey(run_id, node, attempt), owner, fence, lease_until, bool(ended), json.loads(facts))


def _merge(connection: sqlite3.Connection, key: AttemptKey, facts: Document, ended: bool) -> None:
    found = _attempt(connection, key) or Attempt(key)
    merged = {**found.facts, **facts}
    _write(connection, Attempt(key, found.owner, found.fence, found.lease_until, found.ended or ended, merged))


def _insert(connection: sqlite3.Connection, attempt: Attempt) -> bool:
    return connection.execute(f"{_INSERT} ON CONFLICT DO NOTHING", _row(attempt)).rowcount > 0


def _write(connection: sqlite3.Connection, attempt: Attempt) -> None:
    # In place: a row that is replaced is deleted first, which costs twice as much.
    connection.execute(
        f"{_INSERT} ON CONFLICT DO UPDATE SET owner = excluded.owner, fence = excluded.fence,"
        " lease_until = excluded.lease_until, ended = excluded.ended, facts = excluded.facts",
        _row(attempt),
    )


def _row(attempt: Attempt) -> tuple[Any, ...]:
    key, facts = attempt.key, json.dumps(attempt.facts)
    return key.run_id, key.node, key.attempt, attempt.owner, attempt.fence, attempt.lease_until, attempt.ended, facts
