"""Files by links, over real HTTP: several at once, again when the connection goes, and never counted by half."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from canalis import transfer
from canalis.contract.errors import CanalisError, Conflict, NotFound, StoreUnavailable
from canalis.transfer import Bar, Storage, in_order
from tests.linked import LinkedBlobs, LinkServer


@pytest.fixture
def server():
    server = LinkServer()
    yield server
    server.close()


@pytest.fixture
def blobs(server, tmp_path):
    return LinkedBlobs(tmp_path / "blobs", server)


@pytest.fixture
def storage():
    with Storage() as storage:
        yield storage


def link(blobs, key: str, write: bool = False, **headers: str) -> dict:
    found = blobs.link(key, 60.0, write)
    return {"url": found.url, "headers": {**found.headers, **headers}}


def a_file(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("size", [0, 1, 2**20, 3 * 2**20 + 7])
def test_a_file_arrives_as_it_was_and_comes_back_so(server, blobs, storage, tmp_path, size):
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    told = []
    storage.put(link(blobs, "a/b", write=True), a_file(tmp_path, content), told.append)
    assert blobs.get("a/b") == content and sum(told) == size
    assert server.headers[-1]["content-length"] == str(size) and "transfer-encoding" not in server.headers[-1]
    assert "authorization" not in server.headers[-1]

    storage.fetch(link(blobs, "a/b"), tmp_path / "back" / "b", "a/b", told.append)
    assert (tmp_path / "back" / "b").read_bytes() == content and sum(told) == 2 * size


@pytest.mark.parametrize("fault", ["drop", "drop_after"])
def test_a_connection_that_goes_is_made_again(server, blobs, storage, tmp_path, fault):
    setattr(server, fault, 2)
    told = []
    storage.put(link(blobs, "a", write=True), a_file(tmp_path, b"whole" * 1000), told.append)
    assert blobs.get("a") == b"whole" * 1000 and server.count("PUT") == 3 and sum(told) == 5000
    setattr(server, fault, 2)
    storage.fetch(link(blobs, "a"), tmp_path / "back", "a", told.append)
    assert (tmp_path / "back").read_bytes() == b"whole" * 1000 and server.count("GET") == 3 and sum(told) == 10_000


def test_storage_that_stays_away_is_told_and_leaves_nothing_by_half(server, blobs, storage, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "_AWAY_S", 0.5)
    blobs.put("a", b"1")
    server.drop = 1000
    with pytest.raises(StoreUnavailable, match="does not answer"):
        storage.fetch(link(blobs, "a"), tmp_path / "back", "a", lambda count: None)
    assert [path.name for path in tmp_path.iterdir()] == ["blobs"]


def test_a_file_that_is_there_is_not_replaced(blobs, storage, tmp_path):
    blobs.put("a", b"old")
    with pytest.raises(Conflict):
        storage.put(
            link(blobs, "a", write=True, **{"If-None-Match": "*"}), a_file(tmp_path, b"new"), lambda count: None
        )
    assert blobs.get("a") == b"old"


def test_a_link_that_has_run_out_and_a_file_that_is_gone_are_told_apart(blobs, storage, tmp_path):
    old = blobs.link("a", -1.0)
    with pytest.raises(StoreUnavailable, match=r"refuses its link \(403\)"):
        storage.fetch({"url": old.url}, tmp_path / "back", "a", lambda count: None)
    with pytest.raises(NotFound, match="There is no file a"):
        storage.fetch(link(blobs, "a"), tmp_path / "back", "a", lambda count: None)
    with pytest.raises(CanalisError, match="400") as told:
        storage.put(link(blobs, "a", write=True, **{"x-ms-blob-type": ""}), a_file(tmp_path, b"x"), lambda count: None)
    assert "127.0.0.1" not in str(told.value), "whoever has the address can open the file"
    assert not (tmp_path / "back").exists()


def test_a_link_in_the_clear_is_not_followed(storage, tmp_path):
    with pytest.raises(StoreUnavailable, match="in the clear"):
        storage.put({"url": "http://example.com/x"}, a_file(tmp_path, b"x"), lambda count: None)


def test_answers_come_in_order_and_eight_are_asked_for_at_once():
    begun, most = [], []

    def call(number: int) -> int:
        begun.append(number)
        most.append(len(begun))
        time.sleep(0.05 if number % 2 else 0.01)
        begun.remove(number)
        return number

    assert list(in_order([lambda n=n: call(n) for n in range(30)])) == list(range(30))
    assert 4 <= max(most) <= transfer.AT_ONCE


def test_after_a_fault_nothing_further_is_begun():
    begun = []

    def call(number: int) -> None:
        begun.append(number)
        time.sleep(0.01)
        if number == 3:
            raise ValueError(number)

    with pytest.raises(ValueError):
        list(in_order([lambda n=n: call(n) for n in range(1000)]))
    assert len(begun) < 100


def test_a_bar_is_drawn_on_a_terminal_only_and_after_a_moment(monkeypatch, capsys):
    with Bar("Uploading", 2) as bar:
        bar.tell(5)
    assert capsys.readouterr().err == ""

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with Bar("Uploading", 2) as bar:
        bar.tell(5)
    assert capsys.readouterr().err == "", "a short transfer draws nothing"
    with Bar("Uploading", 2) as bar:
        bar._began -= 2
        bar.tell(2**20)
        bar.file_done()
        time.sleep(0.2)
    assert "Uploading 1 of 2 files, 1.0 MiB" in capsys.readouterr().err
