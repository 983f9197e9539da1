"""One bad datum is refused when it comes, or left out when it is there; it never breaks a route for good."""

from __future__ import annotations

import errno
import os
import socket
import tempfile
import time
from pathlib import Path

import pytest

from api import bodies
from canalis.contract.layout import METRICS, artifacts, records
from canalis.contract.run import StepRunId
from tests.api.conftest import TOKEN, a_run, served

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON", "application/hal+JSON; charset=utf-8"]
)
@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "\\ud800"}',
        b'{"a": "\\uD800"}',
        b'{"a": NaN}',
        b'{"a": [1e999]}',
        b'{"a": -Infinity}',
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'{"a": ' + b"9" * 5_000 + b"}",
        b'{"a": ' + b"[" * 100_000,
        b'{"a": ' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"a": "\xff"}',
        b"",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_json_that_could_not_be_given_back_is_refused_and_leaves_nothing(ask, body, content_type):
    for method, path in (("POST", "/environments/e"), ("PUT", "/computes/cpu"), ("POST", "/runs")):
        answer = ask(method, path, content=body, headers={"Content-Type": content_type})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request"), (path, answer.text)
    assert ask("GET", "/environments").json() == [] and ask("GET", "/computes").json() == []


def test_json_has_a_size_limit_and_files_have_none(ask, monkeypatch):
    monkeypatch.setattr(bodies, "BYTES_MAX", 1_000)
    answer = ask("POST", "/environments/e", json={"a": "x" * 1_000})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert ask("GET", "/environments").json() == []

    path = "/datastores/workspaceblobstore/files/large.json"
    assert ask("PUT", path, content=b"x" * 10_000, headers=JSON).status_code == 204
    assert len(ask("GET", path).content) == 10_000


def test_a_text_with_signs_of_all_kinds_comes_back_as_it_was(ask):
    definition = {"name": "Zoë 😀", "empty": [], "deep": {"a": [{"b": [1, 1.5, None, True]}]}}
    assert ask("POST", "/environments/e", json=definition).json()["definition"] == definition
    assert ask("GET", "/environments/e").json()["definition"] == definition


def test_a_line_of_metrics_that_was_left_half_written_is_left_out(app, ask):
    run = a_run(ask)
    good = b'{"id": "%d", "time": 1.0, "name": "x", "kind": "scalar", "value": 1}\n'
    lines = good % 1 + b'{"id":' + good % 2 + b"[1]\n\xff\n\n" + b"[" * 100_000 + b"\n" + good % 3 + b'{"id": "4"'
    app.state.service.ports.blobs.append(records(StepRunId(run["id"], "a")) + METRICS, lines)
    assert [point["id"] for point in ask("GET", f"/runs/{run['id']}.a/metrics").json()] == ["1", "3"]


def test_a_file_whose_name_is_no_text_is_shown_and_can_be_read(app, ask):
    run = a_run(ask)
    blobs = app.state.service.ports.blobs
    folder = Path(f"{blobs.folder()}/{artifacts(StepRunId(run['id'], 'a'))}outputs")
    folder.mkdir(parents=True)
    (folder / "good.txt").write_text("good")
    Path(os.fsdecode(os.fsencode(folder) + b"/b\xff.txt")).write_text("odd")

    shown = ask("GET", f"/runs/{run['id']}.a/artifacts").json()
    assert sorted(file["path"] for file in shown) == ["outputs/b\ufffd.txt", "outputs/good.txt"]
    for file in shown:
        content = ask("GET", f"/runs/{run['id']}.a/artifacts/{file['path']}").text
        assert content == ("good" if "good" in file["path"] else "odd")


def test_a_snapshot_names_whole_hashes(ask):
    for sha256 in ("zz/" + "a" * 64 + "zz", "a" * 65, "a" * 64 + "\n", "A" * 64):
        answer = ask("POST", "/snapshots", json={"files": {"a.py": {"sha256": sha256, "size": 1}}})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request"), sha256


class Full(tempfile.SpooledTemporaryFile):
    """A file for which there is no room on the disk."""

    def write(self, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.name)


def test_who_is_still_sending_hears_that_there_is_no_room(app, monkeypatch):
    monkeypatch.setattr("api.files.tempfile.SpooledTemporaryFile", Full)
    piece, count = b"x" * 2**16, 32
    head = (
        "PUT /api/v1/datastores/workspaceblobstore/files/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Length: {len(piece) * count}\r\n\r\n"
    )
    with served(app) as address, socket.create_connection(address, timeout=30) as connection:
        connection.sendall(head.encode())
        for _ in range(count):  # so slowly that it is answered meanwhile
            connection.sendall(piece)
            time.sleep(0.02)
        assert connection.recv(1000).startswith(b"HTTP/1.1 507")
