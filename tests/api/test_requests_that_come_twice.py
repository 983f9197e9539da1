"""A client that lost an answer asks again: the second time does no harm, and is no error."""

from __future__ import annotations

from api import runs
from canalis.contract.errors import Conflict
from orchestrator.remarks import ANNOTATIONS
from tests.api.conftest import a_run


def test_what_was_sent_already_may_be_sent_again_and_something_else_may_not(ask):
    path = "/datastores/workspaceblobstore/files/a/b?overwrite=false"
    assert [ask("PUT", path, content=b"one").status_code for _ in range(2)] == [204, 204]
    for other in (b"two", b"on", b"one more", b""):
        answer = ask("PUT", path, content=other)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "already_exists"), other
    assert ask("GET", "/datastores/workspaceblobstore/files/a/b").content == b"one"

    path = "/computes/cpu?if_absent=true"
    assert [ask("PUT", path, json={"max_nodes": 2}).status_code for _ in range(2)] == [200, 200]
    assert ask("PUT", path, json={"max_nodes": 3}).status_code == 409
    assert [ask("DELETE", "/computes/cpu").status_code for _ in range(2)] == [204, 204]
    assert ask("GET", "/computes/cpu").status_code == 404


def test_an_experiment_that_is_made_while_a_run_is_submitted_to_it_keeps_its_count(app, ask, monkeypatch):
    documents = app.state.service.ports.documents
    look, is_first = documents.get, iter([True])

    def get(kind, name):
        found = look(kind, name)
        if kind == "experiments" and next(is_first, False):
            a_run(ask)  # between the look and the write
        return found

    monkeypatch.setattr(type(documents), "get", lambda self, kind, name: get(kind, name))
    assert ask("PUT", "/experiments/e").json()["runs"] == 1
    assert a_run_again(ask)["number"] == 2


def test_a_tag_that_was_not_written_is_not_said_to_be(app, ask, monkeypatch):
    run = a_run(ask)
    documents = app.state.service.ports.documents
    put = documents.put

    def always_late(kind, name, body, **condition):
        if kind == ANNOTATIONS:
            raise Conflict("somebody else wrote first")
        return put(kind, name, body, **condition)

    monkeypatch.setattr(type(documents), "put", lambda self, *given, **condition: always_late(*given, **condition))
    answer = ask("PATCH", f"/runs/{run['id']}", json={"tags": {"a": "1"}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    assert f"{runs._TRIES} times" in answer.json()["error"]["message"]


def a_run_again(ask) -> dict:
    (known,) = ask("GET", "/runs").json()
    graph = ask("GET", f"/runs/{known['id']}/graph").json()
    return ask("POST", "/runs", json={"experiment": "e", "graph": graph}).json()
