"""The bus as a table, for a service that is one process: kept on disk, handed over in memory."""

from __future__ import annotations

import heapq
import itertools
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from adapters.sqlite.database import Database
from adapters.sqlite.others import OUT, SHOWN_BYTES, as_set_aside, for_others, packed
from canalis.contract.errors import WorldError
from canalis.contract.messages import SUBMISSIONS_QUEUE, Send
from canalis.contract.ports import Clock
from canalis.contract.submissions import KEPT_MAX, ForOthers, SetAside

FAILURES_MAX = 10  # times a message may fail before it is set aside as a dead letter
_RETRY_S_MAX = 60.0
_REFUSED_S = 2.0
_REST_S = 10.0  # of what failed by no fault of its own
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


_ASIDE = dead(SUBMISSIONS_QUEUE)


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
            (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()
            rows = connection.execute(
                "SELECT visible_at, seq, queue, body, failures, coalesce(reason, '') FROM messages"
                f" WHERE queue NOT LIKE '{OUT}%' AND queue != '{_ASIDE}'"
            ).fetchall()
        self._numbers = itertools.count(last + 1)
        passed, now = clock.monotonic(), clock.now()
        self.release(Taken(passed + min(max(0.0, row[0] - now), _DELAY_S_MAX), *row[1:]) for row in rows)

    def send(self, sends: Sequence[Send], name: str = "") -> None:
        """Keep the messages; on return they outlive any crash of ours."""
        # Not synced: after a power cut the sweep makes a message again from its run's record.
        with self._database.write(durable=False) as connection:
            kept = self.insert(connection, sends)
        self.release(kept)

    def publish(self, target: str, body: bytes, properties: Mapping[str, str]) -> None:
        """Keep a message for others, the last KEPT_MAX of each target; what is for our own queue is taken from it."""
        now = self._clock.now()
        queue = target if target == SUBMISSIONS_QUEUE else f"{OUT}{target}"
        kept = Taken(self._clock.monotonic(), next(self._numbers), queue, packed(body, properties))
        with self._database.write() as connection:
            connection.execute(
                "INSERT INTO messages (seq, queue, visible_at, body) VALUES (?, ?, ?, ?)",
                (kept.seq, queue, now, kept.body),
            )
            if queue != target:
                _keep_last(connection, queue)
        if queue == target:
            self.release([kept])

    def receive(self, target: str, count: int) -> list[ForOthers]:
        """Take up to so many messages that were published to a target, the first of them first."""
        with self._database.write() as connection:
            rows = connection.execute(
                "SELECT seq, body FROM messages WHERE queue = ? ORDER BY seq LIMIT ?", (f"{OUT}{target}", count)
            ).fetchall()
            connection.executemany("DELETE FROM messages WHERE seq = ?", [(seq,) for seq, _ in rows])
        return [for_others(body) for _, body in rows]

    def set_aside(self, message: Taken, reason: str) -> None:
        """It says nothing that can be carried out: keep it for people, with the reason, and done with."""
        with self._database.write() as connection:
            connection.execute(
                "UPDATE messages SET queue = ?, visible_at = ?, reason = ? WHERE seq = ?",
                (dead(message.queue), self._clock.now(), reason[:_REASON_MAX], message.seq),
            )
            _keep_last(connection, dead(message.queue))

    def those_set_aside(self) -> list[SetAside]:
        """Submissions that started nothing, the last of them first."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT visible_at, coalesce(reason, ''), substr(body, 1, ?) FROM messages WHERE queue = ?"
                " ORDER BY seq DESC",
                (SHOWN_BYTES, _ASIDE),
            ).fetchall()
        return [as_set_aside(*row) for row in rows]

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

    def release(self, messages: Iterable[Taken]) -> None:
        """Let takers have messages that are kept."""
        with self._lock:
            for message in messages:
                if message.queue != _ASIDE:  # which nobody takes
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

    def abandon(self, messages: Iterable[Taken], reason: str, counts: bool = True) -> None:
        """The work failed: they come again, after a rest that doubles, or are set aside in the end.

        While nothing can be written that is not their fault: it does not count, and they come again soon.

        counts   False when it is not their fault for another reason: then they come again for ever
        """
        again = [self._again(message, reason[:_REASON_MAX], counts) for message in messages]
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
        self.release(again)

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

    def _again(self, message: Taken, reason: str, counts: bool) -> Taken:
        failures = message.failures + counts
        is_dead = failures == FAILURES_MAX
        rest_s = 0.0 if is_dead else min(0.1 * 2**failures if counts else _REST_S, _RETRY_S_MAX)
        queue = dead(message.queue) if is_dead else message.queue
        return Taken(self._clock.monotonic() + rest_s, message.seq, queue, message.body, failures, reason)

    def _delete_completed(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            done, self._completed = self._completed, []
        # Should the caller's transaction fail, they come again after the next start, and say nothing new.
        connection.executemany("DELETE FROM messages WHERE seq = ?", [(seq,) for seq in done])


def _keep_last(connection: sqlite3.Connection, queue: str) -> None:
    """Forget what is more than KEPT_MAX messages back in a queue that nobody may ever read."""
    connection.execute(
        "DELETE FROM messages WHERE queue = ? AND seq <="
        " (SELECT seq FROM messages WHERE queue = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)",
        (queue, queue, KEPT_MAX),
    )
