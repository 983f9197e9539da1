"""Scripts that behave badly: the step ends as it should, its log says why, and the pool stays healthy."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from canalis.contract.errors import StoreFull
from canalis.exceptions import WorkspaceException
from canalis.workspace import Workspace
from tests.scenes.conftest import Author, is_alive, log_of, statuses, until


def ends_badly(author, name: str, text: str, **parts: object):
    """The run of one bad script beside a good one that comes after it on the same slot."""
    pool = author.cluster("bad-pool", max_nodes=1)
    bad = author.step(name, text, compute_target=pool, **parts)
    run = author.runs(bad)
    assert author.runs(author.step("good", "print('fine')", compute_target=pool)).get_status() == "Finished"
    return run


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("exits", "import sys\nsys.exit(3)", "exits ended with exit code 3"),
        (
            "message",
            "import sys\nsys.exit('what went wrong')",
            "message ended with exit code 1; its last line was: what went wrong",
        ),
        ("killed", "import os\nos.kill(os.getpid(), 9)", "killed was killed by SIGKILL"),
        ("crashes", "import ctypes\nctypes.string_at(0)", "crashes was killed by SIGSEGV"),
        ("syntax", "def", "syntax ended with exit code 1: SyntaxError: invalid syntax"),
        ("imports", "import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_a_script_that_fails_is_told_with_its_last_words(author, name, text, said):
    run = ends_badly(author, name, text)
    assert statuses(run) == {name: "Failed"}
    assert said in log_of(run, name).splitlines()[-1]
    assert said in run._view()["error"]["message"]


def test_a_script_that_exits_with_0_by_itself_has_succeeded(author):
    assert author.runs(author.step("zero", "import sys\nsys.exit(0)")).get_status() == "Finished"


def test_a_hundred_megabytes_of_output_are_kept_and_read_by_the_piece(author):
    line = "x" * 999
    run = author.runs(author.step("loud", f"for _ in range(100_000): print('{line}')\nprint('the end')"))
    (step,) = run.get_steps()
    assert step.get_status() == "Finished"

    client = author.ws._client
    piece, size, is_complete = client.read_range(f"/runs/{step.id}/log", 100_000_000)
    assert (piece, size, is_complete) == (b"the end\n", 100_000_008, True)


def test_a_log_without_end_keeps_its_head_and_its_tail_and_the_script_does_not_notice(own_home, project, monkeypatch):
    monkeypatch.setenv("CANALIS_LOG_MAX_BYTES", str(2**20))
    author = Author(Workspace.create("loud", show_output=False), project)
    text = """
        import os, sys, time
        with open(sys.argv[1], "w") as file:
            for number in range(40):  # for two seconds
                os.write(1, b"".join(b"line %09d\\n" % (number * 20_000 + n) for n in range(20_000)))
                file.write(f"{os.fstat(1).st_size} ")
                time.sleep(0.05)
        subprocess = __import__("subprocess")
        subprocess.run(["echo", "the end, from a child"], check=True)
    """
    run = author.runs(author.step("endless", text, arguments=[project / "sizes"]))
    assert run.get_status() == "Finished"
    sizes = [int(size) for size in (project / "sizes").read_text().split()]
    assert any(after < before for before, after in pairwise(sizes)), "it is cut while the script writes"

    log = log_of(run, "endless")
    assert len(log) <= 2**20 and log.startswith("line 000000000\n")
    assert log.endswith("line 000799999\nthe end, from a child\n")
    (gone,) = re.findall(
        r"^canalis: (\d+) bytes were cut out here, since the log grew beyond 0+1048576 bytes", log, re.M
    )
    assert int(gone) == 800_000 * 15 + 22 - len(log) + len(re.search(r"\ncanalis: .*\n", log)[0])
    author.ws._client.close()


def test_a_service_refuses_a_limit_of_logs_that_is_none(own_home, project, monkeypatch):
    monkeypatch.setenv("CANALIS_LOG_MAX_BYTES", "1 GiB")
    with pytest.raises(WorkspaceException, match="CANALIS_LOG_MAX_BYTES is '1 GiB': it must be a number of bytes"):
        Workspace.create("loud", show_output=False)._client.get("/health")


def test_bytes_that_are_no_text_are_kept_as_they_are(author):
    noise = bytes(range(256))
    run = author.runs(author.step("noise", f"import sys\nsys.stdout.buffer.write({noise!r})"))
    (step,) = run.get_steps()
    assert step.get_status() == "Finished"
    step.download_file("user_logs/std_log.txt", "log.bin")
    assert Path("log.bin").read_bytes() == noise
    assert "�" in step.get_stdout_log()


def test_children_that_a_script_leaves_behind_are_ended(author, project):
    run = ends_badly(
        author,
        "forks",
        """
        import pathlib, subprocess, sys
        child = subprocess.Popen(["sleep", "600"])
        pathlib.Path(sys.argv[1]).write_text(str(child.pid))
        """,
        arguments=[project / "child"],
    )
    assert run.get_status() == "Finished", "a child that goes on does not hold its step up"
    assert not is_alive(int((project / "child").read_text()))


def test_children_that_hide_in_a_session_of_their_own_are_found(author, project):
    run = author.runs(
        author.step(
            "daemon",
            """
            import pathlib, subprocess, sys
            child = subprocess.Popen(["sleep", "600"], start_new_session=True)
            pathlib.Path(sys.argv[1]).write_text(str(child.pid))
            """,
            arguments=[project / "child"],
        )
    )
    assert run.get_status() == "Finished"
    child = int((project / "child").read_text())
    until(lambda: not is_alive(child), timeout_s=40)


def test_a_missing_output_folder_comes_with_the_usual_mend(author):
    from canalis.data import PipelineData

    made = PipelineData("made")
    run = author.runs(
        author.step("write", "import sys\nopen(sys.argv[1] + '/x', 'w')", arguments=[made], outputs=[made])
    )
    assert "os.makedirs(path, exist_ok=True)" in run._view()["error"]["message"]


@pytest.mark.laptop("in Azure steps run in the service's interpreter")
def test_an_interpreter_that_is_gone_is_told(author):
    from canalis.pipeline import Pipeline

    pipeline = Pipeline(author.ws, [author.step("a")])
    submitted = pipeline.submit("scene")
    document = author.ws._client.get(f"/runs/{submitted.id}/graph")
    body = {"graph": document, "experiment": "scene", "interpreter": "/no/such/python"}
    run = author.ws._run(author.ws._client.post("/runs", body))
    run.wait_for_completion(show_output=False, raise_on_error=False)
    assert "The interpreter /no/such/python, in which this run was submitted" in run._view()["error"]["message"]


@pytest.fixture
def small_disk(project: Path):
    """A disk of 24 MiB, mounted for this scene."""
    disk = project / "disk"
    disk.mkdir()
    if os.getuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk]).returncode:
        if os.environ.get("CI"):
            pytest.fail("a small disk cannot be mounted here, and CI must")
        pytest.skip("only root can mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.laptop("about the disk of the service's machine")
def test_a_script_that_fills_the_disk_fails_and_the_service_goes_on(small_disk, monkeypatch, project):
    from tests.scenes.conftest import stop_services

    home = small_disk / ".canalis"
    monkeypatch.setenv("CANALIS_HOME", str(home))
    author = Author(Workspace.create("full", show_output=False), project)
    try:
        run = author.runs(author.step("fills", "open('big', 'wb').write(b'x' * 2**28)"))
        assert statuses(run) == {"fills": "Failed"}
        assert "No space left on device" in run._view()["error"]["message"]
        assert author.runs(author.step("good")).get_status() == "Finished"

        # What does not fit is refused with the reason, and nothing of it stays behind.
        with pytest.raises(StoreFull, match="free some disk space"):
            (author.folder / "huge.bin").write_bytes(os.urandom(2**25))
            author.submits(author.step("huge"))
        (author.folder / "huge.bin").unlink()
        assert author.runs(author.step("good")).get_status() == "Finished"
        database = sqlite3.connect(home / "full" / "canalis.db")
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        database.close()
        author.ws._client.close()
    finally:
        stop_services(home)


@pytest.mark.laptop("about the folder of a workspace")
def test_a_folder_that_cannot_be_written_is_told(small_disk, monkeypatch):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    monkeypatch.setenv("CANALIS_HOME", str(small_disk / ".canalis"))
    with pytest.raises(WorkspaceException, match="cannot be made: Read-only file system"):
        Workspace.create("readonly")
    shutil.rmtree(small_disk, ignore_errors=True)
