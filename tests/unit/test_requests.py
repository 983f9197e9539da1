"""Messages that ask for runs: each is one run however often it comes, or says why it is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from adapters.clock import SystemClock
from adapters.files import FileBlobs, FileStores
from adapters.sqlite import Database, SqliteBus, SqliteDocuments, SqliteRuns
from canalis.contract.endpoints import EndpointRequest
from canalis.contract.errors import AuthorError
from canalis.contract.graph import CommandWork, DataPathValue, Graph, Node, Parameter
from canalis.contract.ports import Ports, RunQuery
from canalis.contract.published import Publication, Published, PublishedChange
from canalis.contract.run import ComputeChoice, Reply
from canalis.contract.submissions import BODY_BYTES_MAX
from orchestrator.audit import latest
from orchestrator.pipelines import endpoints, publish
from orchestrator.requests import Came, refuse, start, why
from tests.outside import outside

COMPUTES = {"": ComputeChoice(backend="process")}
PLACE = DataPathValue(datastore="workspaceblobstore", path="in")


class Desk:
    """A workspace with a pipeline in it, and somebody who puts messages on its queue."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(folder / "canalis.db")
        clock, documents = SystemClock(), SqliteDocuments(self.database)
        documents.put("datastores", "other", {"type": "AzureBlob"})
        self.bus = SqliteBus(self.database, clock)
        runs = SqliteRuns(self.database, self.bus, clock)
        blobs, stores = FileBlobs(folder / "blobs"), FileStores(folder / "stores")
        self.ports = Ports(runs, documents, blobs, stores, self.bus, clock, **outside(documents))
        self.pipeline = self.publishes("pipe-one")

    def publishes(self, identity: str) -> Published:
        kinds: list[Any] = [("n", "int", 3), ("rate", "float", 0.5), ("name", "string", ""), ("flag", "bool", True)]
        parameters = [Parameter(name=name, type=kind, default=value) for name, kind, value in kinds]
        parameters.append(Parameter(name="place", type="datapath", default=PLACE))
        graph = Graph(
            nodes=(Node(key="a", name=identity, work=CommandWork(line=("true",))),), parameters=tuple(parameters)
        )
        return publish.publish(self.ports, Publication(id=identity, graph=graph, name=identity), COMPUTES)

    def came(self, body: bytes | dict[str, Any], message_id: str = "m-1") -> Came:
        return Came(body if isinstance(body, bytes) else json.dumps(body).encode(), message_id)

    def starts(self, message_id: str = "m-1", **body: Any):
        return start(self.ports, self.came({"pipeline": "pipe-one", **body}, message_id), COMPUTES)

    def refuses(self, body: bytes | dict[str, Any], message_id: str = "m-9") -> AuthorError:
        before = self.runs()
        with pytest.raises(AuthorError) as raised:
            start(self.ports, self.came(body, message_id), COMPUTES)
        assert self.runs() == before, "it started something"
        return raised.value

    def runs(self) -> list[str]:
        return [run.run_id for run in self.ports.runs.find(RunQuery(limit=500))]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.database.close()


def test_a_message_starts_a_published_pipeline_as_it_says(desk):
    run = desk.starts(
        experiment="nightly",
        parameters={"n": 7, "rate": 2, "name": "x", "flag": False},
        data_paths={"place": {"datastore": "other", "path": "a/b"}},
        tags={"by": "erp"},
        continue_on_step_failure=True,
        reply_to="replies-erp",
    )

    asked = run.request
    assert (asked.experiment, asked.tags, asked.continue_on_step_failure) == ("nightly", {"by": "erp"}, True)
    place = DataPathValue(datastore="other", path="a/b")
    assert asked.parameters == {"n": 7, "rate": 2.0, "name": "x", "flag": False, "place": place}
    assert (asked.submitted_by, asked.origin.kind, asked.origin.pipeline) == ("queue submissions", "Queue", "pipe-one")
    assert asked.reply == Reply(queue="replies-erp", to="m-1") and asked.announce
    assert run.state.step(0).name == "STARTED"
    (line,) = latest(desk.ports.blobs, 10)
    assert (line["who"], line["name"], line["made"]) == ("queue submissions", "pipe-one", run.run_id)


def test_what_a_message_does_not_say_is_as_the_pipeline_was_published(desk):
    asked = desk.starts().request
    assert (asked.experiment, asked.continue_on_step_failure, asked.reply, asked.announce) == (
        "submissions",
        False,
        None,
        False,
    )
    assert asked.parameters == {"n": 3, "rate": 0.5, "name": "", "flag": True, "place": PLACE}


def test_texts_that_can_be_read_as_a_parameters_type_are_taken_for_it(desk):
    said = {"n": "12", "rate": "1e-3", "name": "5", "flag": "False", "place": "other/x/y"}
    place = DataPathValue(datastore="other", path="x/y")
    assert desk.starts(parameters=said).request.parameters == {
        "n": 12,
        "rate": 0.001,
        "name": "5",
        "flag": False,
        "place": place,
    }


def test_an_endpoint_is_named_by_its_id_or_its_name_and_its_version_as_well(desk):
    desk.publishes("pipe-two")
    made = endpoints.create(desk.ports, EndpointRequest(id="end-one", name="Train it", pipeline="pipe-one"))
    endpoints.add_version(desk.ports, made.id, "pipe-two")

    for number, (asked, expected) in enumerate(
        [
            ({"endpoint": "end-one"}, ("pipe-one", "0")),
            ({"endpoint": "Train it"}, ("pipe-one", "0")),
            ({"endpoint": "Train it", "version": "1"}, ("pipe-two", "1")),
        ]
    ):
        origin = start(desk.ports, desk.came(asked, f"m-{number}"), COMPUTES).request.origin
        assert (origin.pipeline, origin.version) == expected and origin.endpoint == "end-one"
    assert desk.refuses({"endpoint": "Train it", "version": "7"}).code == "not_found"
    assert "no pipeline endpoint named" in desk.refuses({"endpoint": "No such"}).message


def test_a_message_that_is_delivered_five_times_is_one_run(desk):
    message = desk.came({"pipeline": "pipe-one"})
    with ThreadPoolExecutor(5) as pool:
        runs = list(pool.map(lambda _: start(desk.ports, message, COMPUTES).run_id, range(5)))
    assert len(set(runs)) == len(desk.runs()) == 1
    assert desk.starts("m-2").run_id not in runs


def test_messages_with_one_key_are_one_run_and_a_key_with_another_body_is_refused(desk):
    first = desk.starts("m-1", idempotency_key="order-7", parameters={"n": 1})
    again = desk.starts("m-2", parameters={"n": 1}, idempotency_key="order-7")
    assert first.run_id == again.run_id and len(desk.runs()) == 1

    refused = desk.refuses({"pipeline": "pipe-one", "idempotency_key": "order-7", "parameters": {"n": 2}})
    assert refused.code == "key_reused" and first.run_id in refused.message
    assert desk.refuses({"pipeline": "pipe-one", "parameters": {"n": 2}, "idempotency_key": "order-7"}, "m-1")


def test_ids_of_messages_that_senders_use_twice_are_keys_as_well(desk):
    desk.starts("always-the-same")
    assert desk.refuses({"pipeline": "pipe-one", "tags": {"a": "b"}}, "always-the-same").code == "key_reused"
    assert desk.starts("m-1", idempotency_key="m-2").run_id != desk.starts("m-2").run_id, "a key is no message's id"


def test_a_message_that_comes_again_finds_its_run_though_the_pipeline_was_disabled_since(desk):
    first = desk.starts()
    publish.change(desk.ports, "pipe-one", PublishedChange(status="Disabled"))
    assert desk.starts().run_id == first.run_id
    assert desk.refuses({"pipeline": "pipe-one"}).code == "disabled"


GOOD = b'{"pipeline": "pipe-one", '


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_request"),
        (b"hello", "bad_request"),
        (b"\xff\xfe{", "bad_request"),
        ('{"pipeline": "pipe-one"}'.encode("utf-16"), "bad_request"),
        (b"[]", "bad_request"),
        (b'"pipe-one"', "bad_request"),
        (b"null", "bad_request"),
        (b"{}", "bad_request"),
        (b'{"pipeline": "pipe-one", "endpoint": "end-one"}', "bad_request"),
        (b'{"pipeline": "pipe-one", "version": "1"}', "bad_request"),
        (b'{"pipeline": "../x"}', "bad_request"),
        (b'{"pipeline": 7}', "bad_request"),
        (b'{"endpoint": ""}', "bad_request"),
        (GOOD + b'"pipeline": "pipe-one"}', "bad_request"),
        (GOOD + b'"parameters": {"n": 1, "n": 2}}', "bad_request"),
        (GOOD + b'"parameters": ' + b"[" * 100_000, "bad_request"),
        (GOOD + b'"parameters": ' + b'{"a":' * 70 + b"1" + b"}" * 71, "bad_request"),
        (GOOD + b'"parameters": {"n": ' + b"9" * 5_000 + b"}}", "bad_request"),
        (GOOD + b'"parameters": {"rate": NaN}}', "bad_request"),
        (GOOD + b'"parameters": {"rate": Infinity}}', "bad_request"),
        (GOOD + b'"parameters": {"rate": 1e999}}', "bad_request"),
        (GOOD + b'"parameters": {"rate": "nan"}}', "parameter_invalid"),
        (GOOD + b'"parameters": {"rate": "-inf"}}', "parameter_invalid"),
        (GOOD + b'"parameters": {"name": "\\ud800"}}', "bad_request"),
        (GOOD + b'"parameters": {"n": null}}', "bad_request"),
        (GOOD + b'"parameters": {"n": [1]}}', "bad_request"),
        (GOOD + b'"parameters": {"n": 1.5}}', "parameter_invalid"),
        (GOOD + b'"parameters": {"n": "twelve"}}', "parameter_invalid"),
        (GOOD + b'"parameters": {"n": "' + b"9" * 5_000 + b'"}}', "parameter_invalid"),
        (GOOD + b'"parameters": {"name": 5}}', "parameter_invalid"),
        (GOOD + b'"parameters": {"nothing": 5}}', "parameter_invalid"),
        (GOOD + b'"parameters": {"place": "x"}, "data_paths": {"place": {"datastore": "a", "path": "b"}}}', "bad_request"),
        (GOOD + b'"data_paths": {"place": {"datastore": "a", "path": "../b"}}}', "parameter_invalid"),
        (GOOD + b'"data_paths": {"n": {"datastore": "a", "path": "b"}}}', "parameter_invalid"),
        (GOOD + b'"data_paths": {"place": {"datastore": "a"}}}', "bad_request"),
        (GOOD + b'"continue_on_step_failure": "yes"}', "bad_request"),
        (GOOD + b'"tags": {"a": 1}}', "bad_request"),
        (GOOD + b'"tags": {' + b",".join(b'"%d": ""' % n for n in range(51)) + b"}}", "bad_request"),
        (GOOD + b'"experiment": "no/experiment"}', "name_invalid"),
        (GOOD + b'"experiment": "a\\u0000"}', "name_invalid"),
        (GOOD + b'"idempotency_key": ""}', "bad_request"),
        (GOOD + b'"idempotency_key": "two words"}', "bad_request"),
        (GOOD + b'"run_id": "run-mine"}', "bad_request"),
        (GOOD + b'"parent": "run-other.a"}', "bad_request"),
        (GOOD + b'"tags": {"a": "' + b"x" * BODY_BYTES_MAX + b'"}}', "too_large"),
        (b'{"pipeline": "pipe-none"}', "not_found"),
        *(
            (GOOD + b'"reply_to": %s}' % json.dumps(name).encode(), "bad_request")
            for name in ("", "orchestrator", "dead-letters", "submissions", "steps-process", "run-events", "Replies",
                         "replies/$deadletterqueue", "replies-/x", "x-replies", "repliesx", "replies x", "replies-\n",
                         "replies-" + "x" * 90, 7, ["replies"])
        ),
    ],
    ids=lambda value: repr(value[:60]) if isinstance(value, bytes) else None,
)  # fmt: skip
def test_a_message_that_cannot_be_carried_out_starts_nothing_and_says_why(desk, body, code):
    refused = desk.refuses(body)
    assert refused.code == code, refused.message
    said = why(refused)
    assert 0 < len(said) <= 1_000 and "\n" not in said and "\x00" not in said


def test_what_is_wrong_with_a_message_is_said_in_words_and_all_of_it(desk):
    said = why(desk.refuses(b'{"pipeline": "<id>", "parametres": {}, "reply_to": "other"}'))
    assert "pipeline: this is no id of a published pipeline" in said
    assert "parametres: there is no such key here" in said
    assert "reply_to: it is 'replies', or begins with 'replies-'" in said


def test_who_sent_a_message_that_starts_nothing_hears_of_it_where_he_said(desk):
    body = {"pipeline": "pipe-none", "reply_to": "replies-erp", "idempotency_key": "order-7"}
    came = desk.came(body, "m-7")
    for _ in range(2):
        refuse(desk.ports, came, "not_found", "There is none")

    first, again = desk.bus.receive("replies-erp", 9)
    told = json.loads(first.body)
    assert told == json.loads(again.body) | {"time": told["time"]}, "who hears it twice can tell"
    assert told["type"] == "io.canalis.submission.refused" and told["subject"] == "m-7"
    assert told["data"] == {
        "submission": "m-7",
        "idempotency_key": "order-7",
        "error": {"code": "not_found", "message": "There is none"},
    }
    assert first.properties["correlation_id"] == "m-7" and len(first.properties["message_id"]) < 128


@pytest.mark.parametrize(
    "body",
    [b"", b"hello", b"[1]", b'{"reply_to": "orchestrator"}', b'{"reply_to": "replies/../orchestrator"}', b'{"reply_to": 7}',
     b'{"reply_to": ["replies"]}', b'{"reply_to": "replies", "a": ' + b"[" * 100_000],
)  # fmt: skip
def test_a_refusal_goes_nowhere_but_to_a_queue_for_answers(desk, body):
    refuse(desk.ports, desk.came(body), "bad_request", "no")
    with desk.database.read() as connection:
        assert connection.execute("SELECT count(*) FROM messages").fetchone() == (0,)


def test_a_secret_in_a_message_is_not_in_the_reason(desk):
    said = why(desk.refuses(GOOD + b'"parameters": {"n": "AccountKey=abcdefghijklmnop=="}}'))
    assert "abcdefghijklmnop" not in said
