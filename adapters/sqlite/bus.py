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
    message where it was. So taking costs no write, and a restart has no lock to wait for.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._taken: set[int] = set()
        self._news = threading.Condition()
        self._closed = False

    def send(self, sends: Sequence[Send]) -> None:
        """Keep the messages; on return they outlive any crash of ours."""
        # Not synced: after a power cut the sweep makes a message again from its run's record.
        with self._database.write(durable=False) as connection:
            self.insert(connection, sends)
        self.wake()

    def insert(self, connection: sqlite3.Connection, sends: Iterable[Send]) -> None:
        """Keep the messages as a part of the caller's transaction, who wakes the takers after it."""
        now = self._clock.now()
        connection.executemany(
            "INSERT INTO messages (queue, visible_at, body) VALUES (?, ?, ?)",
            [(send.queue, now + send.delay_s, to_bytes(send.message)) for send in sends],
        )

    def wake(self) -> None:
        """Let those who wait look again."""
        with self._news:
            self._news.notify_all()

    def take(self, queue: str, count: int, wait_s: float) -> list[Taken]:
        """Up to `count` messages that are due, waiting for the first at most `wait_s`; [] when none came.

        Each must be completed or abandoned.
        """
        until = self._clock.now() + wait_s
        with self._news:
            while not self._closed:
                taken, due_at = self._due(queue, count)
                now = self._clock.now()
                if taken or now >= until:
                    self._taken.update(message.seq for message in taken)
                    return taken
                self._news.wait(min(until, due_at or until) - now)
        return []

    def complete(self, messages: Iterable[Taken]) -> None:
        """The work is done: forget them."""
        seqs = [message.seq for message in messages]
        # Not durable: a message that comes back after a power cut says nothing new.
        with self._database.write(durable=False) as connection:
            connection.executemany("DELETE FROM messages WHERE seq = ?", [(seq,) for seq in seqs])
        self._taken.difference_update(seqs)

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
        with self._news:
            self._taken.difference_update(row[-1] for row in rows)
            self._news.notify_all()

    def count(self, queue: str) -> int:
        """How many messages the queue holds, due or not."""
        with self._database.read() as connection:
            (found,) = connection.execute("SELECT count(*) FROM messages WHERE queue = ?", (queue,)).fetchone()
        return int(found)

    def close(self) -> None:
        """Nobody takes any more; who waits gets nothing."""
        with self._news:
            self._closed = True
            self._news.notify_all()

    def _due(self, queue: str, count: int) -> tuple[list[Taken], float | None]:
        """Messages that may be taken now, and when the next one will be if there are none."""
        now = self._clock.now()
        found: list[Taken] = []
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT seq, body, failures, visible_at FROM messages WHERE queue = ? ORDER BY visible_at, seq LIMIT ?",
                (queue, count + len(self._taken)),
            )
            for seq, body, failures, visible_at in rows:
                if visible_at > now:
                    return found, visible_at
                if seq not in self._taken:
                    found.append(Taken(seq, queue, body, failures))
                    if len(found) == count:
                        break
        return found, None
