"""Data is copied from one datastore to another by the service itself, through the SDK and whatever happens on the way."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from adapters.files import FileBlobs
from canalis.compute import ComputeTarget, DataFactoryCompute
from canalis.contract.errors import StoreUnavailable
from canalis.data import DataPath, DataPathComputeBinding, DataReference, PipelineData
from canalis.data_transfer_step import DataTransferStep
from canalis.parameter import PipelineParameter
from steps import transfer
from tests.scenes.conftest import Author, log_of, until


@pytest.fixture
def factory(author: Author) -> str:
    """The compute target that v1's scripts attach or make."""
    said = DataFactoryCompute.provisioning_configuration(location="westeurope")
    return ComputeTarget.create(author.ws, "factory", said).name


@pytest.fixture
def blobs(cloud):
    return cloud.engine.ports.stores.open("workspaceblobstore")


@pytest.fixture
def files(cloud):
    return cloud.engine.ports.stores.open("workspacefilestore")


def reference(author: Author, store: str, path: str) -> DataReference:
    return DataReference(author.ws.datastores[store], "there", path)


def a_copy(author: Author, source: str, to: str, **types: object) -> DataTransferStep:
    return DataTransferStep(
        "copy",
        reference(author, "workspaceblobstore", source),
        reference(author, "workspacefilestore", to),
        "factory",
        allow_reuse=False,
        **types,
    )


def listed(store) -> dict[str, bytes]:
    return {info.key: store.get(info.key) for info in store.list("")}


def test_a_folder_is_copied_with_counts_and_checksums_and_the_next_step_reads_it(author, factory, blobs, files):
    content = {"raw/a.csv": b"a" * 10, "raw/deep/b.bin": b"b" * 3_000_000, "raw/empty": b""}
    for key, data in content.items():
        blobs.put(key, data)
    blobs.put("rawer/other", b"not this one")
    copy = a_copy(author, "raw", "copied/raw")
    read = author.step(
        "read",
        "import os, sys; print(sorted(os.listdir(sys.argv[1])))",
        inputs=[copy.get_output()],
        arguments=[copy.get_output()],
    )
    run = author.runs(copy, read)

    assert run.get_status() == "Finished", log_of(run, "copy")
    assert listed(files) == {f"copied/{key}": data for key, data in content.items()}
    assert "copied 3 files, 3000010 bytes; SHA-256 over all: " in log_of(run, "copy")
    assert "['a.csv', 'deep', 'empty']" in log_of(run, "read")
    (step,) = run.find_step_run("copy")
    step.download_file("outputs/copied-00000000.jsonl", "told.jsonl")
    told = [json.loads(line) for line in Path("told.jsonl").read_text().splitlines()]
    assert told == [
        {"path": key, "size": len(data), "md5": hashlib.md5(data).hexdigest()} for key, data in sorted(content.items())
    ]


@pytest.mark.parametrize(
    ("source", "to", "types", "made"),
    [
        ("one/a.csv", "new", {}, "new"),
        ("one/a.csv", "new", {"destination_reference_type": "Directory"}, "new/a.csv"),
        ("one/a.csv", "known", {}, "known/a.csv"),
        ("one/a.csv", "new.csv", {"source_reference_type": "FILE"}, "new.csv"),
        ("one", "new", {}, "new/a.csv"),
    ],
    ids=str,
)
def test_a_file_goes_where_v1_would_put_it(author, factory, blobs, files, source, to, types, made):
    blobs.put("one/a.csv", b"a")
    files.put("known/before", b"b")
    run = author.runs(a_copy(author, source, to, **types))
    assert run.get_status() == "Finished", log_of(run, "copy")
    assert set(listed(files)) == {"known/before", made}


def test_places_may_be_parameters_and_what_steps_make(author, factory, blobs, files):
    made = PipelineData("made", datastore=author.ws.datastores["workspaceblobstore"])
    write = author.step("write", "import sys; open(sys.argv[1], 'w').write('x')", arguments=[made], outputs=[made])
    to = PipelineParameter("to", DataPath(author.ws.datastores["workspacefilestore"], "usual"))
    copy = DataTransferStep(
        "copy", made, (to, DataPathComputeBinding()), "factory", destination_reference_type="file", allow_reuse=False
    )
    elsewhere = DataPath(author.ws.datastores["workspacefilestore"], "elsewhere")
    run = author.runs(write, copy, pipeline_parameters={"to": elsewhere})
    assert run.get_status() == "Finished", log_of(run, "copy")
    assert listed(files) == {"elsewhere": b"x"}


def test_a_copy_goes_on_where_it_was_slice_by_slice_and_through_storage_that_is_away(
    author, factory, blobs, files, monkeypatch
):
    content = {f"raw/{number:02}": bytes([number]) for number in range(7)}
    for key, data in content.items():
        blobs.put(key, data)
    monkeypatch.setattr(transfer, "SLICE_S", 0.0)
    monkeypatch.setattr(transfer, "_TOGETHER", 2)
    written, put = [], FileBlobs.put

    def flaky(self: FileBlobs, key: str, data: object) -> None:
        if key == "to/03" and key not in written:
            written.append(key)
            raise StoreUnavailable("the storage is away")
        written.append(key)
        put(self, key, data)

    monkeypatch.setattr(FileBlobs, "put", flaky)
    run = author.runs(a_copy(author, "raw", "to"))

    assert run.get_status() == "Finished", log_of(run, "copy")
    assert {key.replace("to/", "raw/"): data for key, data in listed(files).items()} == content
    assert written.count("to/00") == 1 and written.count("to/02") <= 2
    assert "copied 7 files, 7 bytes" in log_of(run, "copy")
    (step,) = run.find_step_run("copy")
    assert sorted(name for name in step.get_file_names() if "copied" in name) == [
        f"outputs/copied-{first:08}.jsonl" for first in (0, 2, 4, 6)
    ]


def test_a_copy_that_is_cancelled_stops_between_two_slices(author, factory, blobs, files, monkeypatch):
    for number in range(100):
        blobs.put(f"raw/{number:03}", b"x")
    monkeypatch.setattr(transfer, "SLICE_S", 0.0)
    monkeypatch.setattr(transfer, "_TOGETHER", 1)
    run = author.submits(a_copy(author, "raw", "to"))
    until(lambda: listed(files))
    run.cancel()
    run.wait_for_completion(show_output=False, raise_on_error=False)
    assert run.get_status() == "Canceled" and 0 < len(listed(files)) < 100


@pytest.mark.parametrize(
    ("source", "types", "reason"),
    [
        ("none", {}, "There is nothing to copy at 'none'"),
        ("none", {"source_reference_type": "file"}, "There is no file 'none' in the datastore 'workspaceblobstore'"),
        ("raw", {"destination_reference_type": "file"}, "'raw' is a directory, and 'to' is to be a file"),
    ],
    ids=str,
)
def test_what_cannot_be_copied_fails_with_the_place(author, factory, blobs, source, types, reason):
    blobs.put("raw/a", b"a")
    run = author.runs(a_copy(author, source, "to", **types))
    assert run.get_status() == "Failed" and reason in log_of(run, "copy")


def test_nothing_is_copied_into_itself(author, factory, blobs):
    blobs.put("raw/a", b"a")
    source, to = (reference(author, "workspaceblobstore", path) for path in ("raw", "raw/copy"))
    run = author.runs(DataTransferStep("copy", source, to, "factory", allow_reuse=False))
    assert run.get_status() == "Failed" and "would copy itself" in log_of(run, "copy")


def test_what_cannot_be_is_told_when_the_step_is_made(author):
    source, to = (reference(author, "workspaceblobstore", path) for path in ("a", "b"))
    for parts, reason in (
        ({}, "needs source_data_reference, destination_data_reference, compute_target"),
        ({"source_data_reference": source, "destination_data_reference": to}, "needs compute_target"),
        ({"source_reference_type": "tree"}, "source_reference_type of step 's' is 'tree'"),
        ({"destination_data_reference": PipelineData("p")}, "it must be a DataReference, a binding"),
        ({"destination_data_reference": author.ws.get_default_datastore().path("")}, "is a whole datastore"),
    ):
        usual = {"source_data_reference": source, "destination_data_reference": to, "compute_target": "factory"}
        given = parts if "needs" in reason else {**usual, **parts}
        with pytest.raises(ValueError, match=reason):
            DataTransferStep("s", **given)
