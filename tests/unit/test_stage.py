"""Data put in place for a script, and taken from where it left it."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.clock import SystemClock
from adapters.files import FileBlobs, FileStores
from adapters.sqlite import Database, SqliteBus, SqliteDocuments, SqliteRuns
from canalis.contract.graph import FromFiles, FromStore, Input, Node, Output, PythonWork
from canalis.contract.places import Place
from canalis.contract.ports import Attempt, AttemptKey, Ports
from canalis.contract.run import ComputeChoice
from steps.backend import Work
from steps.stage import Spares, StagingFailed, keep_uploads, local_path, make_folder, put_tree, stage
from tests.outside import outside
from tests.stories import RUN, a_request


@pytest.fixture
def ports(tmp_path):
    clock = SystemClock()
    database = Database(tmp_path / "canalis.db")
    bus = SqliteBus(database, clock)
    for name in ("one", "two"):
        (tmp_path / "stores" / name).mkdir(parents=True)
    stores = FileStores(tmp_path / "stores")
    blobs = FileBlobs(tmp_path / "blobs")
    runs, documents = SqliteRuns(database, bus, clock), SqliteDocuments(database)
    yield Ports(runs, documents, blobs, stores, bus, clock, **outside(documents))
    database.close()


def a_work(*places: Place, mode: str = "mount") -> Work:
    source = FromFiles(places=tuple(FromStore(datastore=place.datastore, path=place.path) for place in places))
    port = Input(name="data", source=source, style="dataset", mode=mode)
    node = Node(key="read", name="read", work=PythonWork(script="x.py"), inputs=(port,))
    attempt = Attempt(AttemptKey(RUN, "read", 1))
    return Work(attempt, node, a_request(), ComputeChoice(backend="process"), {"data": places}, {})


def below(folder: str) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in Path(folder).rglob("*") if path.is_file()}


@pytest.mark.parametrize("mode", ["mount", "download"])
def test_a_file_that_several_places_of_a_dataset_name_is_brought_once(ports, tmp_path, mode):
    ports.stores.open("one").put("a/x.csv", b"x")
    ports.stores.open("one").put("a/b/y.csv", b"y")

    staged = stage(
        ports,
        a_work(Place("one", "a/*.csv"), Place("one", "a/**"), mode=mode),
        Spares(tmp_path / "spare"),
        tmp_path / "work" / "w",
    )

    assert below(staged.inputs["data"]) == {"x.csv": "x", "b/y.csv": "y"}


@pytest.mark.parametrize("mode", ["mount", "download"])
def test_two_files_that_would_be_seen_in_one_place_are_told_and_none_is_lost(ports, tmp_path, mode):
    for name in ("one", "two"):
        ports.stores.open(name).put("a/x.csv", name.encode())

    with pytest.raises(StagingFailed, match=r"one/a/x\.csv and two/a/x\.csv"):
        stage(
            ports,
            a_work(Place("one", "a/**"), Place("two", "a/**"), mode=mode),
            Spares(tmp_path / "spare"),
            tmp_path / "work" / "w",
        )


def test_only_files_are_kept_of_what_a_script_leaves_and_the_rest_is_named(ports, tmp_path):
    left = tmp_path / "left"
    (left / "deep").mkdir(parents=True)
    (left / "deep" / "good.txt").write_text("good")
    (left / "same.txt").symlink_to(left / "deep" / "good.txt")
    (left / "gone").symlink_to("/nowhere")
    (left / "folder").symlink_to(left / "deep")
    os.mkfifo(left / "pipe")
    store, skipped = ports.stores.open("one"), list[str]()

    keeping = threading.Thread(target=lambda: skipped.extend(put_tree(store, left, "kept")), daemon=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(left / "socket"))
        keeping.start()
        keeping.join(10)

    assert not keeping.is_alive(), "a pipe that nobody writes to is not waited for"
    assert [found.key for found in store.list("kept")] == ["kept/deep/good.txt", "kept/same.txt"]
    assert sorted(skipped) == ["folder", "gone", "pipe", "socket"]


def test_no_key_leads_out_of_a_store_on_this_machine(ports, tmp_path):
    store = ports.stores.open("one")
    assert local_path(store, "a/b") == tmp_path / "stores" / "one" / "a" / "b"
    for key in ("../two/a", "a/../../two", "/etc/passwd"):
        with pytest.raises(StagingFailed, match="is no place in a datastore"):
            local_path(store, key)


def test_a_folder_is_made_while_others_clear_up_around_it(tmp_path):
    over = threading.Event()

    def clears() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                (tmp_path / "run").rmdir()
            time.sleep(0.0001)

    with ThreadPoolExecutor(2) as pool:
        clearing = pool.submit(clears)
        try:
            for number in range(1000):
                made = tmp_path / "run" / str(number)
                make_folder(made)
                made.rmdir()
        finally:
            over.set()
        clearing.result()


def a_writing(*outputs: Output) -> Work:
    node = Node(key="write", name="write", work=PythonWork(script="x.py"), outputs=outputs)
    attempt = Attempt(AttemptKey(RUN, "write", 1))
    places = {port.name: Place("one", port.name) for port in outputs}
    return Work(attempt, node, a_request(), ComputeChoice(backend="process"), {}, places)


@pytest.mark.parametrize("mode", ["mount", "upload"])
def test_a_dataset_output_with_a_source_is_what_the_script_leaves_in_that_folder(ports, tmp_path, mode):
    port = Output(name="made", style="dataset", mode=mode, path_on_compute="made/here")
    work, folder = a_writing(port), tmp_path / "work" / "w"

    staged = stage(ports, work, Spares(tmp_path / "spare"), folder)
    assert staged.outputs["made"] == str(folder / "made/here"), "the folder is there, and placeholders lead to it"
    (folder / "made/here/z.txt").write_text("z")

    assert keep_uploads(ports, work, folder) == []
    assert [found.key for found in ports.stores.open("one").list("")] == ["made/z.txt"]


def test_of_an_output_with_globs_the_files_are_copied_that_fit_one_of_them(ports, tmp_path):
    port = Output(name="up", style="dataset", mode="upload", source_globs=("**/*.csv", "kept/**"))
    work, folder = a_writing(port), tmp_path / "work" / "w"

    left = Path(stage(ports, work, Spares(tmp_path / "spare"), folder).outputs["up"])
    for name in ("a.csv", "b.tmp", "deep/c.csv", "deep/d.tmp", "kept/e.tmp"):
        (left / name).parent.mkdir(exist_ok=True)
        (left / name).write_text(name)
    os.mkfifo(left / "pipe")

    assert keep_uploads(ports, work, folder) == [], "what was not asked for is not told"
    there = [found.key for found in ports.stores.open("one").list("")]
    assert there == ["up/a.csv", "up/deep/c.csv", "up/kept/e.tmp"]
