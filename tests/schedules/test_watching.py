"""Schedules that watch a datastore."""

from __future__ import annotations

import os

import pytest

from canalis.contract.graph import DataPathValue
from tests.schedules.world import Workspace, seconds


@pytest.fixture
def here(tmp_path):
    workspace = Workspace(tmp_path)
    yield workspace
    workspace.database.close()


def changes(**more):
    return {"kind": "changes", "datastore": "store", "path": "in", **more}


def written(here: Workspace, path: str, at: str, text: str = "x") -> None:
    file = here.folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    os.utime(file, (seconds(at), seconds(at)))


def started_for(here: Workspace) -> list[tuple[str, ...]]:
    return sorted(run.request.origin.changed for run in here.runs())


def test_each_file_that_is_new_or_written_again_starts_a_run_of_its_own(here):
    written(here, "in/old.csv", "2026-03-02T09:00")
    here.schedule(changes(parameter="data"))
    here.looks("2026-03-02T10:05")
    assert started_for(here) == [], "what was there before has not changed"

    written(here, "in/b.csv", "2026-03-02T10:06")
    written(here, "in/a.csv", "2026-03-02T10:07")
    written(here, "in/deep/c.csv", "2026-03-02T10:07")
    written(here, "elsewhere.csv", "2026-03-02T10:07")
    here.looks("2026-03-02T10:09:59")
    assert started_for(here) == [], "it looks every five minutes"
    here.looks("2026-03-02T10:10")
    assert started_for(here) == [("in/a.csv",), ("in/b.csv",)]
    assert {run.request.parameters["data"].path for run in here.runs()} == {"in/a.csv", "in/b.csv"}

    written(here, "in/old.csv", "2026-03-02T10:11", "again")
    (here.folder / "in/a.csv").unlink()
    here.looks("2026-03-02T10:15")
    here.looks("2026-03-02T10:20")
    assert started_for(here) == [("in/a.csv",), ("in/b.csv",), ("in/old.csv",)]


def test_a_file_that_comes_with_an_old_time_is_new_all_the_same(here):
    here.schedule(changes())
    written(here, "in/copied.csv", "2019-01-01T00:00")
    here.looks("2026-03-02T10:05")
    assert started_for(here) == [("in/copied.csv",)]


def test_all_changes_start_one_run_once_it_is_quiet(here):
    batch = here.schedule(changes(parameter="data", batch=True, quiet_minutes=10, polling_minutes=1, subfolders=True))
    written(here, "in/a.csv", "2026-03-02T10:01")
    written(here, "in/deep/b.csv", "2026-03-02T10:04")
    for at in ("2026-03-02T10:05", "2026-03-02T10:13"):
        here.looks(at)
        assert started_for(here) == []
    here.looks("2026-03-02T10:14")
    assert started_for(here) == [("in/a.csv", "in/deep/b.csv")]
    (run,) = here.runs(schedule=batch.id)
    assert run.request.parameters["data"] == DataPathValue(datastore="store", path="in")
    here.looks("2026-03-02T11:00")
    assert len(here.runs()) == 1


def test_a_file_that_may_still_be_being_written_waits_for_the_next_look(here):
    here.schedule(changes(polling_minutes=1))
    written(here, "in/a.csv", "2026-03-02T10:00:59")
    here.looks("2026-03-02T10:01")
    assert started_for(here) == []
    here.looks("2026-03-02T10:02")
    assert started_for(here) == [("in/a.csv",)]


def test_a_flood_of_files_is_worked_off_look_by_look_and_none_is_lost(here):
    here.schedule(changes(polling_minutes=1))
    for number in range(130):
        written(here, f"in/{number:03}.csv", "2026-03-02T10:00:30")
    here.looks("2026-03-02T10:01")
    assert len(started_for(here)) == 100
    here.looks("2026-03-02T10:02")
    assert started_for(here) == [(f"in/{number:03}.csv",) for number in range(130)]


def test_two_who_look_at_the_same_moment_start_one_run_for_each_change(here):
    here.schedule(changes())
    written(here, "in/a.csv", "2026-03-02T10:01")
    here.clock.at = seconds("2026-03-02T10:05")
    for port, method in (("documents", "put"), ("stores", "open"), ("blobs", "put_if_absent")):
        here.other(port, method, here.keeper.look).look()
    assert started_for(here) == [("in/a.csv",)]


def test_only_one_picture_of_the_folder_is_kept(here):
    watching = here.schedule(changes(polling_minutes=1))
    for minute in range(1, 6):
        written(here, f"in/{minute}.csv", f"2026-03-02T10:0{minute}")
        here.looks(f"2026-03-02T10:0{minute}:30")
    assert len(started_for(here)) == 5
    assert len(list(here.ports.blobs.list(f"schedules/{watching.id}/"))) == 1
