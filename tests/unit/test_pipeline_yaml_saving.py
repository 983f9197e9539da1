"""Saving a pipeline of a service that cannot be trusted, or that others have sent odd files to."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import pytest

from canalis.contract.errors import NotFound
from canalis.contract.graph import Graph, Node, PythonWork
from canalis.exceptions import SnapshotException, UserErrorException
from canalis.pipeline_yaml_saving import save_pipeline

ONE, TWO = "1" * 64, "1" * 12 + "2" * 52


class Scripted:
    """A service that says of snapshots what a test wants it to say."""

    is_remote = False

    def __init__(self, **snapshots: dict[str, bytes]) -> None:
        self._files = {ONE: snapshots.get("one", {}), TWO: snapshots.get("two", {})}

    def get(self, path: str) -> dict:
        identity = path.removeprefix("/snapshots/")
        if identity not in self._files:
            raise NotFound(f"There is no snapshot {identity}")
        entries = {
            name: {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}
            for name, body in self._files[identity].items()
        }
        return {"files": entries}

    def receive_file(self, path: str, target: Path) -> None:
        identity, _, name = path.removeprefix("/snapshots/").partition("/files/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self._files[identity][unquote(name)])


def save(service: Scripted, *nodes: Node, path: str = "p.yml", **options) -> str:
    return save_pipeline(SimpleNamespace(_client=service), Graph(nodes=nodes), {}, path, **options)


def a_node(key: str, snapshot: str | None, **parts) -> Node:
    return Node(key=key, name=key, work=PythonWork(script="a.py"), snapshot=snapshot, **parts)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def files_of(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_steps_of_the_same_files_share_a_folder_and_others_have_their_own(folder):
    service = Scripted(one={"a.py": b"1"}, two={"a.py": b"2", "b/c.py": b"3"})
    steps = [a_node("A", ONE), a_node("b", TWO), a_node("c", TWO), a_node("a", "3" * 64)]
    service._files["3" * 64] = {"a.py": b"4"}
    save(service, *steps)
    assert files_of(folder / "here") == [
        "p.yml",
        "p_sources/1111111" + "11111/a.py",
        "p_sources/1111111" + "11111/b/c.py",
        "p_sources/A/a.py",
        "p_sources/a_2/a.py",
    ], "a_2: some systems take a and A for the same"


@pytest.mark.parametrize(
    "path", ["../a.py", "/etc/a.py", "a/../../a.py", "a\\..\\a.py", "./a.py", "a//b.py", "", "a/", "a\0b"]
)
def test_a_snapshot_cannot_write_anywhere_but_below_its_folder(folder, path):
    with pytest.raises(SnapshotException, match="which is no path below a folder"):
        save(Scripted(one={"a.py": b"1", path: b"evil"}), a_node("a", ONE))
    assert files_of(folder) == [] and list((folder / "here").iterdir()) == []


@pytest.mark.parametrize("identity", ["../../x", "x", ONE + "\n", ONE.upper().replace("1", "A"), "."])
def test_an_id_that_is_none_names_no_folder(folder, identity):
    with pytest.raises(SnapshotException, match="have an id that is none"):
        save(Scripted(), a_node("a", identity), a_node("b", identity))
    assert files_of(folder) == []


def test_a_key_that_is_none_names_no_folder(folder):
    with pytest.raises(UserErrorException, match="which would lose steps"):
        save(Scripted(one={"a.py": b""}), a_node("../a", ONE))
    assert files_of(folder) == []


def test_files_that_come_otherwise_than_they_were_named_are_refused(folder):
    service = Scripted(one={"a.py": b"1"})
    service.receive_file = lambda path, target: target.write_bytes(b"other")
    with pytest.raises(SnapshotException, match=r"take them differently from a folder: a\.py"):
        save(service, a_node("a", ONE))
    with pytest.raises(SnapshotException, match="source files of step 'a' are gone: There is no snapshot 4444"):
        save(service, a_node("a", "4" * 64))
    with pytest.raises(SnapshotException, match="source files of step 'a' cannot be written"):
        save(Scripted(one={"a": b"1", "a/b": b"2"}), a_node("a", ONE))
    assert files_of(folder) == []


def test_a_pipeline_without_a_name_and_one_with_an_odd_one_get_a_files_name(folder):
    service = Scripted(one={"a.py": b""})
    for name, expected in (
        (None, "pipeline.yml"),
        ("../x y/ü", "x_y_ü.yml"),
        ("...", "pipeline.yml"),
        ("/", "pipeline.yml"),
    ):
        assert save(service, a_node("a", ONE), path=".", name=name, overwrite=True) == expected
    assert save(service, a_node("a", ONE), path=None, name="z", said="two\nlines") == "z.yml"
    assert Path("z.yml").read_text().startswith("# two\n# lines\npipeline:\n  name: z\n")
