"""Data that scripts ask to see at a path of this machine, which all steps share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from canalis.dataset import Dataset
from tests.scenes.conftest import log_of, until

pytestmark = pytest.mark.laptop("an absolute path_on_compute is refused in Azure: instances are shared")

READ_FOR_LONG = """
    import pathlib, sys, time
    gate, seen = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    print((seen / "f").read_text(), flush=True)
    gate.with_suffix(".begun").touch()
    while not gate.exists():
        time.sleep(0.01)
    print((seen / "f").read_text(), flush=True)
"""


@pytest.fixture
def seen_at(author, project):
    """A way to read the folder `name` of the default datastore at a path of this machine."""
    store = author.ws.get_default_datastore()

    def reading(name: str, where: Path, gate: Path):
        Path(name).mkdir(exist_ok=True)
        Path(name, "f").write_text(name)
        store.upload(name, target_path=f"fixed/{name}", overwrite=True, show_progress=False)
        data = Dataset.File.from_files([(store, f"fixed/{name}/")]).as_named_input("x").as_mount(str(where))
        return author.step(f"read_{name}_{gate.name}", READ_FOR_LONG, arguments=[str(gate), data])

    return reading


def test_a_running_step_keeps_its_data_while_another_asks_for_other_data_at_the_same_path(author, project, seen_at):
    where, gate, other = project / "mnt", project / "gate", project / "other"
    first = author.submits(seen_at("a", where, gate))
    until(gate.with_suffix(".begun").exists)

    second = author.runs(seen_at("b", where, other))
    assert second.get_status() == "Failed"
    told = log_of(second, "read_b_other")
    assert f"{first.id}.read_a_gate sees something else there" in told and "path of its own" in told

    gate.touch()
    first.wait_for_completion(show_output=False)
    assert log_of(first, "read_a_gate").split() == ["a", "a"]
    until(lambda: not where.is_symlink())  # who has ended leaves nothing behind

    other.touch()
    assert author.runs(seen_at("b", where, other)).get_status() == "Finished", "the path is free again"


def test_steps_that_read_the_same_share_a_path_until_the_last_has_ended(author, project, seen_at):
    where, gate, other = project / "mnt", project / "gate", project / "other"
    first = author.submits(seen_at("a", where, gate))
    until(gate.with_suffix(".begun").exists)
    other.touch()
    assert author.runs(seen_at("a", where, other)).get_status() == "Finished"

    assert os.path.exists(where / "f"), "the first goes on reading"
    gate.touch()
    first.wait_for_completion(show_output=False)
    assert log_of(first, "read_a_gate").split() == ["a", "a"]
    until(lambda: not where.is_symlink())


def test_a_path_that_cannot_be_made_fails_its_step_and_says_so(author, project, seen_at):
    gate = project / "gate"
    gate.touch()
    run = author.runs(seen_at("a", project / ("q" * 300), gate))
    assert run.get_status() == "Failed"
    assert "File name too long" in log_of(run, "read_a_gate")
