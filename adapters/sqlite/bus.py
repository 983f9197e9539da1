"""The bus as a table. Who takes messages lives in the same process as who sends them."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from adapters.sqlite.database import Database
from canalis.contract.messages import Send, to_bytes
from canalis.contract.ports import Clock

FAILURES_MAX = 10  # times a message may fail before it is set aside as a dead letter
_RETRY_S_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that somebody works on. `failures` counts the times that work on it failed."""

    seq: int
    queue: str
    body: bytes
    failures: int


class SqliteBus:
    """A durable bus for a service that is one process.

    What is taken is marked in memory only: the process that forgets it has died, and the next one finds the
    message where it was. So taking costs no write, and a restart has no lock to wait for. What is completed is
    deleted with the next write of anybody's, or when a taker finds nothing to do.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._taken: set[int] = set()
        self._completed: list[int] = []  # of those taken: to be deleted
        self._deleted: list[int] = []  # of those taken: deleted by the last write, if it was committed
        self._news: dict[str, threading.Condition] = {}
        self._closed = False

    def send(self, sends: Sequence[Send]) -> None:
        """Keep the messages; on return they outlive any crash of ours."""
        # Not synced: after a power cut the sweep makes a message again from its run's record.
        with self._database.write(durable=False) as connection:
            self.insert(connection, sends)
        self.wake(sends)

    def insert(self, connection: sqlite3.Connection, sends: Iterable[Send]) -> None:
        """Keep the messages as a part of the caller's transaction, who wakes their takers after it."""
        self._delete_completed(connection)
        now = self._clock.now()
        connection.executemany(
            "INSERT INTO messages (queue, visible_at, body) VALUES (?, ?, ?)",
            [(send.queue, now + send.delay_s, to_bytes(send.message)) for send in sends],
        )

    def wake(self, sends: Iterable[Send]) -> None:
        """Let those who wait for such messages look again."""
        for queue in {send.queue for send in sends}:
            self._tell(queue)

    def take(self, queue: str, count: int, wait_s: float) -> list[Taken]:
        """Up to `count` messages that are due, waiting for the first at most `wait_s`; [] when none came.

        Each must be completed or abandoned.
        """
        until = self._clock.now() + wait_s
        news = self._news_of(queue)
        with news:
            while not self._closed:
                taken, due_at = self._due(queue, count)
                now = self._clock.now()
                if taken or now >= until:
                    return taken
                self._tidy()
                news.wait(min(until, due_at or until) - now)
        return []

    def complete(self, messages: Iterable[Taken]) -> None:
        """The work is done: they never come again, but for a crash before the next write."""
        # Such a message says nothing new, and every reader must bear that anyway.
        with self._lock:
            self._completed += [message.seq for message in messages]

    def abandon(self, messages: Iterable[Taken], reason: str) -> None:
        """The work failed: they come again, after a rest that doubles, or are set aside in the end."""
        now = self._clock.now()
        rows = []
        for message in messages:
            failures = message.failures + 1
            queue = f"{message.queue}/dead" if failures >= FAILURES_MAX else message.queue
            rest_s = min(0.1 * 2**failures, _RETRY_S_MAX)
            rows.append((queue, failures, now + rest_s, reason[:2000], message.seq))
        with self._database.write(durable=False) as connection:
            connection.executemany(
                "UPDATE messages SET queue = ?, failures = ?, visible_at = ?, reason = ? WHERE seq = ?", rows
            )
        with self._lock:
            self._taken.difference_update(row[-1] for row in rows)
        for queue in {row[0] for row in rows}:
            self._tell(queue)

    def count(self, queue: str) -> int:
        """How many messages the queue holds, due or not."""
        self._tidy()
        with self._database.read() as connection:
            (found,) = connection.execute("SELECT count(*) FROM messages WHERE queue = ?", (queue,)).fetchone()
        return int(found)

    def close(self) -> None:
        """Nobody takes any more; who waits gets nothing."""
        self._closed = True
        for queue in list(self._news):
            self._tell(queue)

    def _due(self, queue: str, count: int) -> tuple[list[Taken], float | None]:
        """Takes messages that may be taken now; else tells when the next one may."""
        now = self._clock.now()
        with self._lock, self._database.read() as connection:
            rows = connection.execute(
                "SELECT seq, body, failures, visible_at FROM messages WHERE queue = ? ORDER BY visible_at, seq LIMIT ?",
                (queue, count + len(self._taken)),
            )
            found: list[Taken] = []
            for seq, body, failures, visible_at in rows:
                if visible_at > now:
                    return found, visible_at
                if seq not in self._taken:
                    self._taken.add(seq)
                    found.append(Taken(seq, queue, body, failures))
                    if len(found) == count:
                        break
        return found, None

    def _tidy(self) -> None:
        if self._completed:
            with self._database.write(durable=False) as connection:
                self._delete_completed(connection)

    def _delete_completed(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            # A write begins when the one before it is over, so by now those are gone, or there again.
            self._taken.difference_update(self._deleted)
            self._deleted, self._completed = self._completed, []
            gone = [(seq,) for seq in self._deleted]
        connection.executemany("DELETE FROM messages WHERE seq = ?", gone)

    def _tell(self, queue: str) -> None:
        news = self._news_of(queue)
        with news:
            news.notify_all()

    def _news_of(self, queue: str) -> threading.Condition:
        return self._news.setdefault(queue, threading.Condition())
