"""What the laptop's bus promises to its door, beside what every bus does."""

from __future__ import annotations

import threading
import time

from adapters.clock import SystemClock
from adapters.sqlite import Database, SqliteBus
from adapters.sqlite.bus import FAILURES_MAX
from adapters.sqlite.others import unpacked
from canalis.contract.messages import SUBMISSIONS_QUEUE, GoOn, Send, from_bytes
from canalis.contract.submissions import KEPT_MAX


def send(bus, *run_ids: str, queue: str = "q", delay_s: float = 0.0) -> None:
    bus.send([Send(queue=queue, message=GoOn(run_id=run_id), delay_s=delay_s) for run_id in run_ids])


def take(bus, count: int = 10, wait_s: float = 0.0):
    return bus.take("q", count, wait_s)


def names(taken) -> list[str]:
    return [from_bytes(message.body).run_id for message in taken]


def test_messages_are_taken_in_the_order_they_were_sent(bus):
    send(bus, "1", "2", "3")
    assert names(take(bus, 2)) == ["1", "2"]
    assert names(take(bus, 2)) == ["3"]


def test_a_message_is_taken_by_one_taker_until_it_is_abandoned(bus, clock):
    send(bus, "1")
    (first,) = take(bus)
    assert take(bus) == []

    bus.abandon([first], "it did not work")
    clock.pass_s(60)
    (again,) = take(bus)
    assert again.failures == 1


def test_a_completed_message_never_comes_again(bus, clock):
    send(bus, "1")
    bus.complete(take(bus))
    clock.pass_s(1000)
    assert take(bus) == []
    assert bus.count("q") == 0


def test_a_message_that_always_fails_is_set_aside_with_the_reason(bus, clock, database):
    send(bus, "1")
    for _ in range(FAILURES_MAX):
        clock.pass_s(100)
        bus.abandon(take(bus), "no")

    clock.pass_s(1000)
    assert take(bus) == []
    assert bus.count("q/dead") == 1


def test_a_delayed_message_comes_when_it_is_due(bus, clock):
    send(bus, "later", delay_s=30)
    send(bus, "now")
    assert names(take(bus)) == ["now"]

    clock.pass_s(31)
    assert names(take(bus)) == ["later"]


def test_queues_do_not_see_each_other(bus):
    send(bus, "1", queue="other")
    assert take(bus) == []


def test_what_was_taken_and_not_completed_is_there_after_a_crash(bus, database, clock):
    send(bus, "1", "2")
    bus.complete(take(bus, 1))
    take(bus, 1)
    send(bus, "3")  # what was completed is gone with the next write

    # Another object on the same file is what a restarted service is.
    assert names(SqliteBus(database, clock).take("q", 10, 0)) == ["2", "3"]


def test_who_waits_is_woken_by_a_message_at_once(tmp_path):
    database = Database(tmp_path / "bus.db")
    bus = SqliteBus(database, SystemClock())
    threading.Timer(0.2, send, (bus, "1")).start()

    before = time.monotonic()
    assert names(bus.take("q", 1, wait_s=30)) == ["1"]
    assert time.monotonic() - before < 10
    database.close()


def test_a_closed_bus_lets_everybody_go(tmp_path):
    database = Database(tmp_path / "bus.db")
    bus = SqliteBus(database, SystemClock())
    threading.Timer(0.2, bus.close).start()

    assert bus.take("q", 1, wait_s=600) == []
    database.close()


def test_a_clock_that_is_set_back_delays_no_message(bus, clock):
    send(bus, "rests", delay_s=30)
    clock.jump_s(-3600)
    send(bus, "now")
    assert names(take(bus)) == ["now"]

    clock.pass_s(31)
    assert names(take(bus)) == ["rests"]


def test_a_clock_that_is_set_forward_hurries_no_message(bus, clock):
    send(bus, "rests", delay_s=30)
    clock.jump_s(86400)
    assert take(bus) == []


def test_a_clock_that_was_set_back_while_no_service_ran_delays_a_message_by_minutes_at_most(bus, database, clock):
    send(bus, "rests", delay_s=30)
    clock.jump_s(-86400)
    again = SqliteBus(database, clock)
    clock.pass_s(901)
    assert names(take(again)) == ["rests"]


def test_who_waits_does_so_by_a_clock_that_nobody_can_set(tmp_path):
    class Jumping(SystemClock):
        """Goes back an hour each time that somebody looks."""

        looks = 0

        def now(self) -> float:
            self.looks += 1
            return super().now() - 3600 * self.looks

    database = Database(tmp_path / "bus.db")
    bus = SqliteBus(database, Jumping())
    before = time.monotonic()
    assert bus.take("q", 1, wait_s=0.2) == []
    send(bus, "1", delay_s=0.3)
    assert names(bus.take("q", 1, wait_s=30)) == ["1"]
    assert time.monotonic() - before < 10
    database.close()


def test_of_what_nobody_takes_the_last_thousand_are_kept_and_none_is_held_in_memory(bus, clock, database):
    for number in range(KEPT_MAX + 3):
        bus.publish("replies", b"%d" % number, {})
    bus.publish("other", b"x", {})
    assert bus.count("out/replies") == KEPT_MAX

    again = SqliteBus(database, clock)
    assert not any(again._due.values())
    assert [found.body for found in again.receive("replies", 2)] == ["3", "4"]
    assert bus.count("out/other") == 1


def test_what_is_published_to_a_queue_of_ours_is_taken_from_it(bus, clock, database):
    bus.publish(SUBMISSIONS_QUEUE, b'{"a":1}', {"message_id": "m-1"})
    (taken,) = bus.take(SUBMISSIONS_QUEUE, 9, 0)
    assert unpacked(taken.body) == (b'{"a":1}', {"message_id": "m-1"})
    (again,) = SqliteBus(database, clock).take(SUBMISSIONS_QUEUE, 9, 0)
    assert again.body == taken.body


def test_what_is_set_aside_is_shown_with_the_reason_and_never_taken_again(bus, clock, database):
    for number in range(2):
        bus.publish(SUBMISSIONS_QUEUE, b"x" * 9_000 + b"%d" % number, {"message_id": f"m-{number}"})
    for message in bus.take(SUBMISSIONS_QUEUE, 9, 0):
        bus.set_aside(message, f"because {message.seq}")

    again = SqliteBus(database, clock)
    assert again.take(SUBMISSIONS_QUEUE, 9, 0) == [] and not any(again._due.values())
    last, first = again.those_set_aside()
    assert (last.id, first.id) == ("m-1", "m-0")
    assert first.reason.startswith("because") and first.at == clock.now() and len(first.body) < 4_000
