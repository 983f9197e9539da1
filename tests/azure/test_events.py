"""What others send by the real client of Service Bus, and what they get: answers, events of a topic, webhooks over TLS."""

from __future__ import annotations

import json
import time
import uuid
from ipaddress import ip_address
from typing import Any

import psutil
import pytest

from tests.azure.conftest import needs_stack

needs_stack()

from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusReceivedMessage  # noqa: E402
from standardwebhooks import Webhook  # noqa: E402

from adapters.addresses import Reach, read  # noqa: E402
from canalis.contract.announcements import EVENTS_TOPIC  # noqa: E402
from canalis.contract.graph import CommandWork, Graph, Node, Parameter  # noqa: E402
from canalis.contract.messages import SET_ASIDE_QUEUE, SUBMISSIONS_QUEUE  # noqa: E402
from canalis.contract.ports import RunQuery  # noqa: E402
from canalis.contract.published import Publication  # noqa: E402
from canalis.contract.run import ComputeChoice  # noqa: E402
from orchestrator.notices.sweep import LATE_S  # noqa: E402
from orchestrator.pipelines.publish import publish  # noqa: E402
from tests.azure.door import AzureDoor  # noqa: E402
from tests.cloud_events import data_of, read_event  # noqa: E402
from tests.receivers import Authority, Receiver  # noqa: E402
from tests.scenes.conftest import until  # noqa: E402

PIPE = "pipe-one"
PARAMETERS = (Parameter(name="n", type="int", default=3),)
GRAPH = Graph(nodes=(Node(key="a", name="a", work=CommandWork(line=("true",))),), parameters=PARAMETERS)


def own_address() -> str:
    """An address of this machine on a private network; "" when it has none."""
    found = [one.address.partition("%")[0] for group in psutil.net_if_addrs().values() for one in group]
    for text in found:
        try:
            ip = ip_address(text)
        except ValueError:
            continue
        host = f"[{text}]" if ip.version == 6 else text
        if not ip.is_loopback and Reach((text,)).may_lead_to(read(f"https://{host}/"), ip):
            return text
    return ""


class Outside:
    """Somebody who has the right to send, and to receive answers."""

    def __init__(self, door: AzureDoor) -> None:
        self.door = door
        self.client = ServiceBusClient.from_connection_string(door.stack.bus.connection_string)
        publish(door.engine.ports, Publication(id=PIPE, graph=GRAPH, name="one"), {"": ComputeChoice(backend="stub")})

    def sends(self, body: bytes | dict[str, Any], **said: Any) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        with self.client.get_queue_sender(SUBMISSIONS_QUEUE) as sender:
            sender.send_messages(ServiceBusMessage(data, **said))

    def hears(self, receiver: Any, fits: Any, within_s: float = 60.0) -> ServiceBusReceivedMessage:
        """The first message that fits; all others are done with."""
        give_up = time.monotonic() + within_s
        with receiver:
            while time.monotonic() < give_up:
                for message in receiver.receive_messages(10, max_wait_time=1):
                    receiver.complete_message(message)
                    if fits(message):
                        return message
        raise AssertionError(("nothing came", self.door.stack.host.failures()[-3:], self.door.stack.bus.queues()))

    def answer(self, to: str) -> ServiceBusReceivedMessage:
        return self.hears(self.client.get_queue_receiver("replies"), lambda one: one.correlation_id == to)

    def news(self, run_id: str) -> ServiceBusReceivedMessage:
        receiver = self.client.get_subscription_receiver(EVENTS_TOPIC, "somebody")
        return self.hears(receiver, lambda one: one.subject == run_id)

    def aside(self, message_id: str) -> ServiceBusReceivedMessage:
        return self.hears(self.client.get_queue_receiver(SET_ASIDE_QUEUE), lambda one: one.message_id == message_id)

    def runs(self) -> list[str]:
        found = self.door.engine.ports.runs.find(RunQuery(pipeline=PIPE, limit=500))
        return [run.run_id for run in found]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def outside(tmp_path_factory, authority):
    folder = tmp_path_factory.mktemp("events")
    believed = folder / "believed.pem"
    believed.write_text(authority.pem)
    settings = {
        "STUBS_ONLY": "1",
        "CANALIS_EVENTS_TOPIC": EVENTS_TOPIC,
        "CANALIS_WEBHOOK_HOSTS": f"*, {own_address() or 'example.com'}",
        "SSL_CERT_FILE": str(believed),
    }
    with AzureDoor(folder, settings, timers=False) as door:
        outside = Outside(door)
        yield outside
        outside.client.close()


def test_a_message_starts_a_run_and_its_end_comes_as_an_answer_and_on_the_topic(outside):
    message_id = f"order {uuid.uuid4()}"
    outside.sends({"pipeline": PIPE, "parameters": {"n": "7"}, "reply_to": "replies"}, message_id=message_id)

    answer = outside.answer(message_id)
    body = b"".join(answer.body)
    event, told = read_event(body, str(answer.content_type)), data_of(body)
    assert (event.get_type(), event.get_source()) == (
        "io.canalis.run.completed",
        outside.door.stack.settings["CANALIS_ENDPOINT"],
    )
    assert answer.message_id == event.get_id() and answer.subject == told["run"] and told["submission"] == message_id
    run = outside.door.engine.ports.runs.load(told["run"])
    assert (run.request.parameters, run.request.submitted_by) == ({"n": 7}, "queue submissions")

    news = outside.news(told["run"])
    assert b"".join(news.body) == body
    assert news.application_properties[b"type"] == b"io.canalis.run.completed"
    assert news.application_properties[b"pipeline"] == PIPE.encode()


def test_a_message_that_is_sent_five_times_is_one_run(outside):
    before, key = len(outside.runs()), uuid.uuid4().hex
    for number in range(5):
        outside.sends({"pipeline": PIPE, "idempotency_key": key, "reply_to": "replies"}, message_id=f"{key} {number}")
    outside.hears(outside.client.get_queue_receiver("replies"), lambda one: str(one.correlation_id).startswith(key))
    until(lambda: outside.door.stack.bus.queue(SUBMISSIONS_QUEUE).messages == 0)
    assert len(outside.runs()) == before + 1


def test_a_message_without_an_id_is_a_run_of_its_own(outside):
    before = len(outside.runs())
    for _ in range(2):
        outside.sends({"pipeline": PIPE})
    until(lambda: len(outside.runs()) == before + 2)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"hello", "no JSON"),
        (b'{"pipeline": "pipe-none", "reply_to": "replies"}', "no published pipeline"),
        (b'{"pipeline": "pipe-one", "parameters": {"n": "x"}, "reply_to": "replies"}', "'n'"),
        (b'{"pipeline": "pipe-one", "reply_to": "orchestrator"}', "reply_to"),
        (b'{"pipeline": "pipe-one", "tags": {"a": "' + b"x" * 220_000 + b'"}}', "at most 204800"),
    ],
)
def test_a_message_that_starts_nothing_is_set_aside_with_the_reason_and_answered(outside, body, said):
    before, message_id = outside.runs(), str(uuid.uuid4())
    outside.sends(body, message_id=message_id)
    aside = outside.aside(message_id)
    assert said in aside.application_properties[b"reason"].decode()
    assert body.startswith(b"".join(aside.body))
    if b'"replies"' in body:
        told = data_of(b"".join(outside.answer(message_id).body))
        assert told["submission"] == message_id and said in told["error"]["message"]
    assert outside.runs() == before
    assert outside.door.stack.bus.queue("orchestrator").dead == 0


def test_an_answer_to_a_queue_that_is_not_there_keeps_nobody_else_from_hearing(outside):
    message_id = str(uuid.uuid4())
    outside.sends({"pipeline": PIPE, "reply_to": "replies-nowhere", "tags": {"id": message_id}}, message_id=message_id)

    def tags(message: Any) -> bool:
        return data_of(b"".join(message.body)).get("tags") == {"id": message_id}

    outside.hears(outside.client.get_subscription_receiver(EVENTS_TOPIC, "somebody"), tags)


def test_a_webhook_gets_the_end_of_a_run_over_tls_and_one_that_leads_inside_is_refused(outside, authority):
    address = own_address()
    if not address:
        pytest.skip("this machine has no address on a private network that could be named")
    with Receiver(authority.server(address), host=address) as receiver:
        host = f"[{address}]" if ":" in address else address
        made = outside.door.ask("POST", "/webhooks", json={"url": f"https://{host}:{receiver.port}/hook"})
        assert made.status_code == 201, made.text
        hook = made.json()
        sent = outside.door.ask("POST", "/submissions", json={"pipeline": PIPE, "reply_to": "replies"}).json()
        run_id = data_of(b"".join(outside.answer(sent["id"]).body))["run"]
        came = until(lambda: [one for one in receiver.came if json.loads(one.body)["subject"] == run_id])
        Webhook(hook["secret"]).verify(came[0].body, came[0].headers)
        (last,) = until(lambda: outside.door.ask("GET", f"/webhooks/{hook['id']}").json()["last"])
        assert (last["ok"], last["run"]) == (True, run_id)
        assert outside.door.ask("DELETE", f"/webhooks/{hook['id']}").status_code == 204
    for url in ("https://127.0.0.1/x", "https://localhost/x", "https://10.1.2.3/x", "https://169.254.169.254/x"):
        answer = outside.door.ask("POST", "/webhooks", json={"url": url})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "address_refused")


def test_what_is_wrong_with_the_storage_for_a_while_loses_no_message(outside):
    message_id = str(uuid.uuid4())
    outside.door.stack.tables.have(busy=1.0, seed=1)
    try:
        outside.sends({"pipeline": PIPE, "reply_to": "replies"}, message_id=message_id)
        time.sleep(4)
        assert outside.door.stack.bus.queue(SET_ASIDE_QUEUE).messages == 0
    finally:
        outside.door.stack.tables.have()
    assert data_of(b"".join(outside.answer(message_id).body))["status"] == "completed"


def test_what_the_bus_loses_is_told_all_the_same(outside):
    message_id, bus = str(uuid.uuid4()), outside.door.stack.bus
    before = set(outside.runs())
    bus.faults("notices", drop=1.0)
    try:
        outside.sends({"pipeline": PIPE, "reply_to": "replies"}, message_id=message_id)
        (run_id,) = until(lambda: set(outside.runs()) - before)
        outside.door.ends(run_id)
        until(lambda: bus.hits()["notices"].get("drop"))
    finally:
        bus.faults("notices")
    answer = None
    while answer is None:
        outside.door.stack.host.fire("watch")  # as the timer does each minute
        try:
            answer = outside.hears(outside.client.get_queue_receiver("replies"), lambda one: one.subject == run_id, 10)
        except AssertionError:
            assert time.time() - (outside.door.engine.ports.runs.load(run_id).ended_at or 0) < LATE_S + 60
    assert answer.correlation_id == message_id
