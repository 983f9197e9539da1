"""A message on a queue starts a published pipeline, and another one says how it ended."""

from __future__ import annotations

import os
import uuid
from typing import Any

import pytest

from canalis.contract.errors import CanalisError
from canalis.contract.submissions import ForOthers
from canalis.data import PipelineParameter
from canalis.endpoint import PipelineEndpoint
from canalis.pipeline import Pipeline
from canalis.pipeline_run import PipelineRun
from tests.cloud_events import data_of, read_event
from tests.conftest import is_azure
from tests.scenes.conftest import log_of, until


class Answers:
    """A queue for answers: on a laptop one of this scene's own, in Azure the one that all share, only looked at."""

    def __init__(self, ws: Any) -> None:
        self._client = ws._client
        self.queue = "replies" if is_azure() else f"replies-{uuid.uuid4().hex[:12]}"
        self._found: list[ForOthers] = []

    def to(self, message_id: str) -> list[ForOthers]:
        """The answers to a message, as far as they have come."""
        if is_azure():
            self._found = self._looked_at()
        else:
            more = self._client.post(f"/queues/{self.queue}/receive", count=100)
            self._found += [ForOthers.model_validate(one) for one in more]
        return [one for one in self._found if one.properties["correlation_id"] == message_id]

    def _looked_at(self) -> list[ForOthers]:
        from azure.servicebus import ServiceBusClient

        found = []
        with (
            ServiceBusClient.from_connection_string(os.environ["CANALIS_DOOR_BUS"]) as client,
            client.get_queue_receiver(self.queue) as receiver,
        ):
            for message in receiver.peek_messages(max_message_count=250):
                said = {
                    "correlation_id": str(message.correlation_id or ""),
                    "message_id": str(message.message_id),
                    "content_type": str(message.content_type),
                }
                found.append(ForOthers(properties=said, body=b"".join(message.body).decode()))
        return found


@pytest.fixture
def answers(ws) -> Answers:
    return Answers(ws)


@pytest.fixture
def published(author):
    def published(name: str, text: str):
        step = author.step(name, text, arguments=[PipelineParameter("epochs", 3)])
        return Pipeline(author.ws, steps=[step]).publish(name=f"{name} {uuid.uuid4().hex[:6]}")

    return published


@pytest.fixture
def sends(ws):
    """Puts a message on the queue by way of HTTP; its id."""

    def sends(**body: Any) -> str:
        found: dict[str, Any] = ws._client.post("/submissions", body)
        return str(found["id"])

    return sends


def test_a_message_starts_a_pipeline_and_the_sender_hears_how_it_ended(author, published, sends, answers):
    pipeline = published("count", "import sys\nprint('epochs', sys.argv[1])")
    sent = sends(
        pipeline=pipeline.id,
        experiment="queue",
        parameters={"epochs": "7"},
        tags={"order": "4711"},
        reply_to=answers.queue,
    )

    (answer,) = until(lambda: answers.to(sent), 60)
    event = read_event(answer.body, answer.properties["content_type"])
    told = data_of(answer.body)
    run = PipelineRun.get(author.ws, told["run"])
    assert run.get_status() == "Finished" and log_of(run, "count").strip() == "epochs 7"
    assert (event.get_type(), event.get_subject()) == ("io.canalis.run.completed", run.id)
    assert answer.properties["message_id"] == event.get_id() == f"{run.id}-ended"
    assert (told["status"], told["experiment"], told["pipeline"]) == ("completed", "queue", pipeline.id)
    assert (told["submission"], told["submitted_by"], told["tags"]) == (sent, "queue submissions", {"order": "4711"})
    assert told["submitted_at"] < told["ended_at"] and told["error"] is None
    assert told["url"] == f"{event.get_source()}/api/v1/runs/{run.id}"
    assert "epochs" not in answer.body, "what a run was given is nobody's affair"


def test_a_failed_run_is_told_with_its_reason(published, sends, answers):
    sent = sends(pipeline=published("fails", "raise SystemExit('no data today')").id, reply_to=answers.queue)

    (answer,) = until(lambda: answers.to(sent), 60)
    told = data_of(answer.body)
    assert read_event(answer.body).get_type() == "io.canalis.run.failed"
    assert (told["status"], told["error"]["code"]) == ("failed", "script_failed")
    assert told["error"]["step"].startswith(told["run"])


def test_messages_with_one_key_are_one_run(author, published, sends, answers):
    pipeline = published("once", "print('once')")
    key = uuid.uuid4().hex
    asked = {"pipeline": pipeline.id, "idempotency_key": key, "reply_to": answers.queue}
    first, again = sends(**asked), sends(**asked)
    (answer,) = until(lambda: answers.to(first) + answers.to(again), 60)

    other = sends(**asked, tags={"a": "b"})
    (refused,) = until(lambda: answers.to(other), 60)
    assert read_event(refused.body).get_type() == "io.canalis.submission.refused"
    assert data_of(refused.body)["error"]["code"] == "key_reused"
    assert data_of(refused.body)["idempotency_key"] == key
    runs = author.ws._client.get("/runs", pipeline=pipeline.id)
    assert [run["id"] for run in runs] == [data_of(answer.body)["run"]]


def test_an_endpoint_is_started_by_its_name(author, published, sends, answers):
    pipeline = published("behind", "print('behind')")
    name = f"endpoint {uuid.uuid4().hex[:8]}"
    endpoint = PipelineEndpoint.publish(author.ws, name=name, description="d", pipeline=pipeline)
    sent = sends(endpoint=name, reply_to=answers.queue)

    (answer,) = until(lambda: answers.to(sent), 60)
    told = data_of(answer.body)
    assert (told["endpoint"], told["version"], told["pipeline"]) == (endpoint.id, "0", pipeline.id)


def test_a_message_that_starts_nothing_is_answered_with_the_reason(sends, answers):
    sent = sends(pipeline="pipe-none", reply_to=answers.queue, parameters={"a": 1})

    (answer,) = until(lambda: answers.to(sent), 60)
    told = data_of(answer.body)
    assert told["submission"] == sent and told["error"]["code"] == "not_found"


def test_what_is_no_json_object_is_refused_at_once(ws):
    for body in ([], "text", 7):
        with pytest.raises(CanalisError):
            ws._client.post("/submissions", body)
    with pytest.raises(CanalisError, match="204"):
        ws._client.post("/submissions", {"pipeline": "pipe-one", "tags": {"a": "x" * 210_000}})


@pytest.mark.laptop("in Azure what was set aside lies on a queue of the bus")
def test_what_was_set_aside_is_shown_with_the_reason(ws, sends):
    sent = sends(pipeline="pipe-none", unknown=True)

    def found() -> list[dict[str, Any]]:
        return [one for one in ws._client.get("/submissions/dead") if one["id"] == sent]

    (aside,) = until(found)
    assert "unknown" in aside["reason"] and '"pipe-none"' in aside["body"]
