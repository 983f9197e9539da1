"""The bus as a table, for a service that is one process: kept on disk, handed over in memory."""

from __future__ import annotations

import heapq
import itertools
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from adapters.sqlite.database import Database
from canalis.contract.errors import WorldError
from canalis.contract.messages import Send
from canalis.contract.ports import Clock

FAILURES_MAX = 10  # times a message may fail before it is set aside as a dead letter
_RETRY_S_MAX = 60.0
_REFUSED_S = 2.0
_REASON_MAX = 2000
_QUIET_S = 0.1  # with nothing to take, after which completed messages are deleted by a write of their own
_DELAY_S_MAX = 900.0  # nobody sends a message further ahead: one that seems to be was kept before the clock was set


class Taken(NamedTuple):
    """A message. `failures` counts the times that work on it failed, last for `reason`. Ordered by when it is due.

    due   by a clock that nobody can set; on disk, for the next process, stands the time of day
    """

    due: float
    seq: int
    queue: str
    body: bytes
    failures: int = 0
    reason: str = ""


def dead(queue: str) -> str:
    """The queue of what was set aside from that one."""
    return f"{queue}/dead"


class SqliteBus:
    """A durable bus between threads of one process.

    The table is what outlives a crash: the next process reads what is left in it, and so nothing has a lock to wait
    for. Taking a message costs no access to the disk; completed ones are deleted with the next write of anybody's,
    or when a taker has found nothing to do for a while.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._due: dict[str, list[Taken]] = defaultdict(list)  # heaps
        self._completed: list[int] = []
        self._is_closed = False
        with database.read() as connection:
            rows = connection.execute(
                "SELECT visible_at, seq, queue, body, failures, coalesce(reason, '') FROM messages"
            ).fetchall()
        self._numbers = itertools.count(max((row[1] for row in rows), default=0) + 1)
        passed, now = clock.monotonic(), clock.now()
        self.publish(Taken(passed + min(max(0.0, row[0] - now), _DELAY_S_MAX), *row[1:]) for row in rows)

    def send(self, sends: Sequence[Send], name: str = "") -> None:
        """Keep the messages; on return they outlive any crash of ours."""
        # Not synced: after a power cut the sweep makes a message again from its run's record.
        with self._database.write(durable=False) as connection:
            kept = self.insert(connection, sends)
        self.publish(kept)

    def insert(self, connection: sqlite3.Connection, sends: Iterable[Send]) -> list[Taken]:
        """Keep the messages as a part of the caller's transaction, who publishes them after it."""
        self._delete_completed(connection)
        passed, now = self._clock.monotonic(), self._clock.now()
        kept = [Taken(passed + send.delay_s, next(self._numbers), send.queue, send.to_bytes()) for send in sends]
        connection.executemany(
            "INSERT INTO messages (seq, queue, visible_at, body) VALUES (?, ?, ?, ?)",
            [(message.seq, message.queue, now + message.due - passed, message.body) for message in kept],
        )
        return kept

    def publish(self, messages: Iterable[Taken]) -> None:
        """Let takers have messages that are kept."""
        with self._lock:
            for message in messages:
                heapq.heappush(self._due[message.queue], message)
            self._news.notify_all()

    def take(self, queue: str | Sequence[str], count: int, wait_s: float) -> list[Taken]:
        """Up to `count` messages of each queue that are due, waiting for the first at most `wait_s`; [] when none came.

        Each must be completed or abandoned.
        """
        queues = (queue,) if isinstance(queue, str) else queue
        until = self._clock.monotonic() + wait_s
        while True:
            with self._lock:
                now = self._clock.monotonic()
                taken = [message for name in queues for message in self._pop_due(name, count, now)]
                if taken or now >= until or self._is_closed:
                    return taken
                wake_at = min([until, *(due[0].due for due in map(self._due.__getitem__, queues) if due)])
                if not self._completed:
                    self._news.wait(wake_at - now)
                    continue
                if self._news.wait(min(wake_at - now, _QUIET_S)):
                    continue
            with self._database.write(durable=False) as connection:
                self._delete_completed(connection)

    def complete(self, messages: Iterable[Taken]) -> None:
        """The work is done: they never come again, but for a crash before the next write."""
        # Such a message says nothing new, and every reader must bear that anyway.
        with self._lock:
            self._completed += [message.seq for message in messages]

    def abandon(self, messages: Iterable[Taken], reason: str) -> None:
        """The work failed: they come again, after a rest that doubles, or are set aside in the end.

        While nothing can be written that is not their fault: it does not count, and they come again soon.
        """
        again = [self._again(message, reason[:_REASON_MAX]) for message in messages]
        ahead_s = self._clock.now() - self._clock.monotonic()
        try:
            with self._database.write(durable=False) as connection:
                connection.executemany(
                    "UPDATE messages SET queue = ?, failures = ?, visible_at = ?, reason = ? WHERE seq = ?",
                    [(one.queue, one.failures, one.due + ahead_s, one.reason, one.seq) for one in again],
                )
        except WorldError:
            soon = self._clock.monotonic() + _REFUSED_S
            again = [message._replace(due=soon) for message in messages]
        self.publish(again)

    def count(self, queue: str) -> int:
        """How many messages the queue holds on disk, due or not."""
        with self._database.write(durable=False) as connection:
            self._delete_completed(connection)
            (found,) = connection.execute("SELECT count(*) FROM messages WHERE queue = ?", (queue,)).fetchone()
        return int(found)

    def close(self) -> None:
        """Nobody takes any more; who waits gets nothing."""
        with self._lock:
            self._is_closed = True
            self._news.notify_all()

    def _pop_due(self, queue: str, count: int, now: float) -> Iterator[Taken]:
        due = self._due[queue]
        while due and due[0].due <= now and count > 0:
            count -= 1
            yield heapq.heappop(due)

    def _again(self, message: Taken, reason: str) -> Taken:
        failures = message.failures + 1
        is_dead = failures == FAILURES_MAX
        rest_s = 0.0 if is_dead else min(0.1 * 2**failures, _RETRY_S_MAX)
        queue = dead(message.queue) if is_dead else message.queue
        return Taken(self._clock.monotonic() + rest_s, message.seq, queue, message.body, failures, reason)

    def _delete_completed(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            done, self._completed = self._completed, []
        # Should the caller's transaction fail, they come again after the next start, and say nothing new.
        connection.executemany("DELETE FROM messages WHERE seq = ?", [(seq,) for seq in done])
