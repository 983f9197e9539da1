"""Messages that are none of ours, or cannot be carried out: set aside or recorded, and the queue goes on."""

from __future__ import annotations

import json

import pytest

from tests.azure.conftest import needs_stack

needs_stack()

from azure.servicebus import ServiceBusClient, ServiceBusMessage  # noqa: E402

from azure_engine import TRIES  # noqa: E402
from benchmarks.workloads import chain  # noqa: E402
from canalis.contract.layout import graph_key  # noqa: E402
from canalis.contract.messages import ORCHESTRATOR_QUEUE, SET_ASIDE_QUEUE, GoOn, Send, StartStep, StepEnded  # noqa: E402
from canalis.contract.run import new_run_id  # noqa: E402
from canalis.contract.status import Outcome, RunStatus  # noqa: E402
from tests.azure import faults, stack  # noqa: E402
from tests.azure.door import AzureDoor  # noqa: E402
from tests.scenes.conftest import until  # noqa: E402

NOT_OURS = {
    "no JSON": b"hello",
    "no object": b"[1]",
    "no kind": b'{"v":1,"kind":"explode","run_id":"%s"}',
    "a newer schema": b'{"v":9,"kind":"go_on","run_id":"%s"}',
    "a run that cannot be": b'{"v":1,"kind":"go_on","run_id":"../../%s"}',
    "a key twice": b'{"v":1,"kind":"go_on","run_id":"%s","run_id":"%s"}',
    "a claim on nothing": b'{"stored":"messages/' + b"0" * 64 + b'"}',
    "a claim on another blob": b'{"stored":"messages/../graphs/x"}',
}


class Desk:
    """Who can send on the bus by hand."""

    def __init__(self, door: AzureDoor) -> None:
        self.client = ServiceBusClient.from_connection_string(door.stack.bus.connection_string)

    def puts(self, queue: str, *bodies: bytes) -> None:
        with self.client.get_queue_sender(queue) as sender:
            sender.send_messages([ServiceBusMessage(body) for body in bodies])

    def takes(self, count: int = 1) -> dict[bytes, str]:
        """Messages that were set aside, each with the reason."""
        found = {}
        with self.client.get_queue_receiver(SET_ASIDE_QUEUE, max_wait_time=20) as receiver:
            while len(found) < count:
                message = next(receiver)
                receiver.complete_message(message)
                found[b"".join(message.body)] = message.application_properties[b"reason"].decode()
        return found


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    with AzureDoor(tmp_path_factory.mktemp("messages"), timers=False) as door:
        yield door


@pytest.fixture
def desk(door):
    desk = Desk(door)
    yield desk
    desk.client.close()


def goes_on(door):
    """That queues carry what comes after."""
    assert door.ends(door.submits(chain(2)).run_id).state.status is RunStatus.COMPLETED
    assert all(queue.dead == 0 for queue in door.stack.bus.queues().values())


@pytest.mark.parametrize("queue", [ORCHESTRATOR_QUEUE, "steps-stub"])
def test_what_is_none_of_ours_is_set_aside_with_the_reason(door, desk, queue):
    sent = {name: body.replace(b"%s", new_run_id().encode()) for name, body in NOT_OURS.items()}
    desk.puts(queue, *sent.values())
    found = desk.takes(len(sent))
    assert set(found) == set(sent.values())
    assert all(found.values())
    assert "schema 9" in found[sent["a newer schema"]]
    assert "There is no" in found[sent["a claim on nothing"]] or "not" in found[sent["a claim on nothing"]]
    goes_on(door)


def test_a_message_larger_than_ours_is_set_aside_as_far_as_it_fits(door, desk):
    body = json.dumps({"v": 1, "kind": "go_on", "run_id": "r-1", "more": "x" * 240_000}).encode()
    desk.puts(ORCHESTRATOR_QUEUE, body)
    ((kept, reason),) = desk.takes().items()
    assert body.startswith(kept) and len(kept) == 200 * 2**10 and reason
    goes_on(door)


def test_the_run_that_such_a_message_names_says_so(door, desk):
    run = door.submits(chain(1))
    door.ends(run.run_id)
    desk.puts("steps-stub", NOT_OURS["a newer schema"].replace(b"%s", run.run_id.encode()))
    desk.takes()
    until(lambda: "schema 9" in door.ask("GET", f"/runs/{run.run_id}", "Reader").json()["attention"])


def test_messages_about_runs_and_steps_that_are_not_there_are_dropped(door, desk):
    missing, there = new_run_id(), door.submits(chain(1)).run_id
    for run_id, node in ((missing, "s0"), (there, "nobody"), ("open", "s0"), ("runs", "s0")):
        messages = (GoOn(run_id=run_id), StepEnded(run_id=run_id, node=node, attempt=1, outcome=Outcome.FAILED))
        desk.puts(ORCHESTRATOR_QUEUE, *(Send(queue="", message=message).to_bytes() for message in messages))
        desk.puts("steps-stub", Send(queue="", message=StartStep(run_id=run_id, node=node, attempt=1)).to_bytes())
    goes_on(door)
    assert door.ends(there).state.status is RunStatus.COMPLETED
    faults.wait_until_still(door, 60)
    assert door.stack.bus.queue(SET_ASIDE_QUEUE).messages == 0


def deleted_graph(door, edges):
    """A run whose graph somebody deletes before its first order comes: nobody can carry out what is said about it."""
    door.stack.bus.faults("steps-stub", delay=1.0, delay_s=6.0)
    run = door.submits(edges)
    door.engine.ports.blobs.delete(graph_key(run.request.graph))
    door.stack.bus.faults("steps-stub")
    return run.run_id


def test_news_that_fail_for_a_reason_of_their_own_are_recorded_at_the_fifth_delivery(door, desk):
    run_id = deleted_graph(door, chain(7))
    before = door.stack.host.counts().get("orchestrator", {}).get("failed", 0)
    desk.puts(ORCHESTRATOR_QUEUE, Send(queue="", message=GoOn(run_id=run_id)).to_bytes())
    until(lambda: "could not be carried" in door.engine.ports.runs.load(run_id).attention, 60)
    assert door.stack.host.counts().get("orchestrator", {}).get("failed", 0) - before >= TRIES - 1
    goes_on(door)


def test_an_order_that_fails_for_a_reason_of_its_own_ends_its_attempt_and_its_run_says_so(door, desk):
    run_id = deleted_graph(door, chain(9))
    host, before = door.stack.host, door.stack.host.counts().get("steps-stub", {}).get("failed", 0)
    host.wait_until(lambda: host.counts().get("steps-stub", {}).get("failed", 0) - before >= TRIES - 1)
    until(lambda: door.engine.ports.runs.load(run_id).attention, 90)
    view = door.ask("GET", f"/runs/{run_id}", "Reader").json()
    assert "There is no file graphs/" in view["attention"]
    faults.wait_until_still(door, 60)
    assert all(counts["dead_lettered"] == 0 for counts in door.stack.bus.counts().values())
    goes_on(door)


def test_what_the_bus_has_given_up_is_told_on_its_run(tmp_path):
    queues = {name: {**settings, "deliveries_max": 2} for name, settings in stack.QUEUES.items()}
    with AzureDoor(tmp_path, timers=False, queues=queues) as door:
        run_id = deleted_graph(door, chain(5))
        until(lambda: door.engine.ports.runs.load(run_id).attention, 60)
        host = door.stack.host
        host.wait_until(lambda: host.counts().get("steps-stub-dead") == {"succeeded": 1}, 60)
        host.wait_until(lambda: host.counts().get("orchestrator-dead") == {"succeeded": 1}, 60)
        assert "There is no file graphs/" in door.engine.ports.runs.load(run_id).attention
        goes_on(door)
