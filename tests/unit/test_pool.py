"""Slots of a pool: who gets the next one."""

from __future__ import annotations

import threading
import time

from canalis.contract.graph import Node, PythonWork
from canalis.contract.ports import Attempt, AttemptKey
from canalis.contract.run import ComputeChoice
from steps.backend import Work
from steps.pool import Job, Pool
from tests.stories import a_request


def a_job(name: str) -> Job:
    node = Node(key=name, name=name, work=PythonWork(script="x.py"))
    return Job(Work(Attempt(AttemptKey("r-1", name, 1)), node, a_request(), ComputeChoice(backend="process"), {}, {}))


def a_pool(slots: int, *names: str) -> Pool:
    pool = Pool()
    pool.slots = slots
    for name in names:
        pool.enter(a_job(name))
    return pool


def all_next(pool: Pool) -> list[Job]:
    return list(iter(pool.next, None))


def names(jobs: list[Job]) -> list[str]:
    return [job.work.key.node for job in jobs]


def test_while_slots_are_free_as_many_are_put_in_place_as_there_are_free_ones():
    pool = a_pool(2, "a", "b", "c", "d", "e")
    first = all_next(pool)
    assert names(first) == ["a", "b"]

    assert all(pool.take_slot(job) for job in first)
    assert names(all_next(pool)) == ["c", "d"], "two ahead, once all slots are taken"


def test_the_line_is_kept_among_those_that_are_ready():
    pool = a_pool(1, "a", "b", "c")
    pool.slots = 3
    a, b, c = all_next(pool)
    pool.slots = 1
    pool.take_slot(a)
    got: list[str] = []

    def wait(job: Job) -> None:
        pool.take_slot(job)
        got.append(job.work.key.node)
        pool.over(job)

    threads = [threading.Thread(target=wait, args=(job,)) for job in (c, b)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    pool.over(a)
    for thread in threads:
        thread.join(10)
    assert got == ["b", "c"]


def test_who_is_stopped_before_it_has_a_slot_gets_none():
    pool = a_pool(1, "a", "b")
    (a,) = all_next(pool)
    pool.take_slot(a)
    (b,) = all_next(pool)
    answer: list[bool] = []
    waiting = threading.Thread(target=lambda: answer.append(pool.take_slot(b)))
    waiting.start()
    assert pool.stop_before_slot(b)
    waiting.join(10)
    assert answer == [False]
    assert not pool.stop_before_slot(a), "it runs"


def test_who_leaves_the_line_is_never_called():
    pool = a_pool(1)
    job = a_job("a")
    pool.enter(job)
    assert pool.leave_line(job)
    assert not pool.leave_line(job)
    assert pool.next() is None


def test_what_an_earlier_service_started_counts_even_above_the_slots():
    pool = a_pool(1, "new")
    old = [a_job("x"), a_job("y")]
    for job in old:
        pool.join_running(job)
        assert pool.take_slot(job)
    (new,) = all_next(pool)
    answer: list[bool] = []
    waiting = threading.Thread(target=lambda: answer.append(pool.take_slot(new)))
    waiting.start()
    pool.over(old[0])
    waiting.join(0.1)
    assert answer == [], "one still runs"
    pool.over(old[1])
    waiting.join(10)
    assert answer == [True]


def test_slots_that_are_added_go_at_once_to_those_who_wait_for_one():
    pool = a_pool(1, "a", "b")
    a = pool.next()
    assert pool.take_slot(a)
    b = pool.next()
    waiter = threading.Thread(target=pool.take_slot, args=(b,))
    waiter.start()
    waiter.join(0.05)
    assert waiter.is_alive() and not b.has_slot

    pool.resize(2)
    waiter.join(5)
    assert not waiter.is_alive() and b.has_slot
