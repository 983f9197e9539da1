"""Metrics and files of a run, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from canalis.data import PipelineData
from tests.scenes.chain import goes_on
from tests.scenes.conftest import canalis, cells

TRAINS = """
    import pathlib, sys
    from azureml.core import Run
    run = Run.get_context()
    for loss in (0.5, 0.25):
        run.log("loss", loss)
    run.log("kind", "forest")
    run.log_table("confusion", {"yes": [1, 2], "no": [3, 4]})
    run.parent.log("best", 0.125)
    pathlib.Path("outputs/model.pkl").write_bytes(b"x" * 2048)
    pathlib.Path(sys.argv[1]).write_text("written")
"""


def trained(author):
    made = PipelineData("made")
    return author.runs(author.step("train", TRAINS, arguments=[made], outputs=[made]), author.step("quiet"))


def test_show_tells_what_was_logged_by_its_last_values_and_shapes(author):
    run = trained(author)
    shown = canalis("show", run.id).stdout
    lines = shown[shown.index("Metrics\n") :].splitlines()[1:]
    assert [cells(line) for line in lines] == [
        ["the run", "best 0.125"],
        ["train", "loss 0.25 (last of 2), kind forest, confusion (table of 2 columns, 2 rows)"],
    ]
    assert "loss 0.25" in canalis("show", f"{run.id}.train").stdout
    assert "Metrics" not in canalis("show", f"{run.id}.quiet").stdout
    found = json.loads(canalis("show", run.id, "--json").stdout)["metrics"]
    assert found == {
        run.id: {"best": 0.125},
        f"{run.id}.train": {"loss": [0.5, 0.25], "kind": "forest", "confusion": {"yes": [1, 2], "no": [3, 4]}},
    }


@pytest.mark.laptop("about files on this machine")
def test_files_lie_where_it_is_said(author):
    run = trained(author)
    lines = canalis("files", run.id).stdout.splitlines()
    folder = Path(next(line for line in lines if line.startswith("train: ")).removeprefix("train: "))
    assert (folder / "outputs" / "model.pkl").stat().st_size == 2048
    assert ["outputs/model.pkl", "2 KiB"] in map(cells, lines)
    written = next(line for line in lines if line.startswith("train wrote made: ")).removeprefix("train wrote made: ")
    assert Path(written).read_text() == "written"

    (found,) = json.loads(canalis("files", f"{run.id}.train", "--json").stdout)
    assert found["folder"] == str(folder) and found["outputs"] == [{"name": "made", "folder": written}]
    assert {file["path"] for file in found["files"]} == {"outputs/model.pkl", "user_logs/std_log.txt"}


@pytest.mark.laptop("about files on this machine")
def test_files_of_a_step_that_was_kept_lie_with_the_run_that_made_them(author, project):
    run = author.runs(author.step("made", TRAINS, arguments=["x"]), author.step("bad", "raise SystemExit(1)"))
    resumed = goes_on(run)
    (found,) = json.loads(canalis("files", f"{resumed.id}.made", "--json").stdout)
    assert f"/{run.id}/" in found["folder"] and (Path(found["folder"]) / "outputs" / "model.pkl").is_file()


def test_files_are_copied_here(author, project):
    run = trained(author)
    assert canalis("download", f"{run.id}.train", "outputs/").stdout == "outputs/model.pkl\n"
    assert Path("outputs/model.pkl").stat().st_size == 2048
    canalis("download", run.id, "-o", "all")
    assert (project / "all" / "train" / "outputs" / "model.pkl").is_file()
    assert (project / "all" / "quiet" / "user_logs" / "std_log.txt").is_file()
    assert "has no file that begins with 'nothing'" in canalis("download", run.id, "nothing", check=1).stderr
