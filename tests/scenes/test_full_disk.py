"""The disk is full, or a folder cannot be written: what was acknowledged stays, and what is under way waits and goes on."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from canalis import local
from canalis.contract.errors import StoreFull, StoreUnavailable
from canalis.workspace import Workspace
from tests.scenes.conftest import Author, canalis, process_of, statuses, until

pytestmark = pytest.mark.laptop("about the disk of the service's machine")

_ROOM = 2**16  # how long a file may still get: less than the database has, more than the service's log
_PR_CAPBSET_DROP = 24
_WRITES_ANYWHERE = 1  # CAP_DAC_OVERRIDE, which root has

GATED = """
    import pathlib, sys, time
    with open(sys.argv[1] + ".executed", "a") as file:
        file.write(sys.argv[2] + "\\n")
    while not pathlib.Path(sys.argv[1]).exists():
        time.sleep(0.01)
"""


@pytest.fixture
def own(own_home, project) -> Iterator[Author]:
    """An author with a workspace of their own, whose service may write only where its rights allow it."""
    root = own_home / "own"
    local.create(root, {"name": "own", "subscription_id": "s", "resource_group": "r", "location": "l"})
    with (root / "service.log").open("ab") as log:
        service = subprocess.Popen(
            [sys.executable, "-P", str(local._DOOR), "--root", str(root)],
            cwd=root,
            stdout=log,
            stderr=log,
            preexec_fn=_give_up_roots_rights if os.getuid() == 0 else None,
        )
    until(lambda: local.running(root))
    author = Author(Workspace.get("own"), project)
    yield author
    author.ws._client.close()
    assert service.poll() is None, "it was never started anew"
    service.kill()
    service.wait()


def _give_up_roots_rights() -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_CAPBSET_DROP, _WRITES_ANYWHERE, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "this machine does not let go of rights")


@contextmanager
def no_room(author: Author) -> Iterator[None]:
    """Within, no file of the service can grow; those of its steps can."""
    process = process_of(author.ws._root)
    assert max(path.stat().st_size for path in author.ws._root.glob("canalis.db*")) > _ROOM
    before = resource.prlimit(process, resource.RLIMIT_FSIZE, (_ROOM, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, before)


@contextmanager
def not_writable(author: Author) -> Iterator[None]:
    """Within, nobody may make files in the folders of the workspace."""
    folders = [
        path
        for name in ("blobs", "work", "spare")
        for path in [*(author.ws._root / name).rglob("*"), author.ws._root / name]
    ]
    rights = {path: path.stat().st_mode for path in folders if path.is_dir() and not path.is_symlink()}
    for path, mode in rights.items():
        path.chmod(mode & ~0o222)
    try:
        yield
    finally:
        for path, mode in rights.items():
            with contextlib.suppress(FileNotFoundError):
                path.chmod(mode)


def code_of_a_write(author: Author, size: int) -> int:
    """The HTTP status that a client sees who writes so many bytes."""
    client = author.ws._client
    request = urllib.request.Request(
        f"{client.endpoint.url}/api/v1/datastores/workspaceblobstore/files/x",
        data=b"x" * size,
        method="PUT",
        headers={"Authorization": f"Bearer {client.endpoint.token}"},
    )
    try:
        return int(urllib.request.urlopen(request, timeout=30).status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def a_chain_under_way(own: Author, project: Path):
    """A run whose first step waits for a gate; one more that has ended, so that the workspace has something to lose."""
    ended = own.runs(own.step("earlier", "print('fine')"))
    first = own.step("first", GATED, arguments=[project / "gate", "first"])
    second = own.step("second", GATED, arguments=[project / "gate", "second"])
    second.run_after(first)
    run = own.submits(first, second)
    until(lambda: (project / "gate.executed").exists())
    return ended, run


def ends_as_if_nothing_had_been(own: Author, project: Path, ended, run) -> None:
    assert run.wait_for_completion(show_output=False, timeout_seconds=60) == "Finished"
    assert (project / "gate.executed").read_text().split() == ["first", "second"], "each step ran once"
    assert {one.name: one._view()["attempt"] for one in run.get_steps()} == {"first": 1, "second": 1}
    assert statuses(ended) == {"earlier": "Finished"}
    shown = canalis("show", run.id, "--workspace", "own").stdout
    assert "somebody's help" not in shown, "what was mended is no longer told"
    database = sqlite3.connect(own.ws._root / "canalis.db")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert database.execute("SELECT count(*) FROM messages WHERE queue LIKE '%/dead'").fetchone() == (0,)
    database.close()


def test_on_a_full_disk_nothing_is_lost_and_a_run_goes_on_by_itself_when_there_is_room_again(own, project):
    ended, run = a_chain_under_way(own, project)
    log = own.ws._root / "service.log"
    with no_room(own):
        with pytest.raises(StoreFull, match="free some disk space; nothing was lost"):
            own.submits(own.step("too-much"))
        assert (code_of_a_write(own, 2 * _ROOM), code_of_a_write(own, 2**22)) == (507, 507)
        (project / "gate").touch()  # a step ends, and its end cannot be stored
        until(lambda: "has ended, but that cannot be stored: No room is left" in log.read_text())
        shown = canalis("show", run.id, "--workspace", "own").stdout
        assert "Needs somebody's help: No room is left for" in shown and "free some disk space" in shown
        assert statuses(run)["second"] == "NotStarted"
    ends_as_if_nothing_had_been(own, project, ended, run)
    assert {found.id for found in own.ws.experiments["scene"].get_runs()} == {ended.id, run.id}, (
        "what was refused left nothing"
    )
    assert own.runs(own.step("too-much")).get_status() == "Finished"


def test_a_folder_that_cannot_be_written_delays_a_run_until_it_can(own, project):
    ended, run = a_chain_under_way(own, project)
    log = own.ws._root / "service.log"
    with not_writable(own):
        with pytest.raises(StoreUnavailable, match="check the folder's rights"):
            own.submits(own.step("refused", "print('new')"))
        (project / "gate").touch()  # the next step cannot be put in place
        until(lambda: f"step {run.id}.second waits: " in log.read_text())
        shown = canalis("show", run.id, "--workspace", "own").stdout
        assert (
            "Needs somebody's help: " in shown
            and "cannot be written (Permission denied): check the folder's rights" in shown
        )
        assert run.get_status() == "Running"
    ends_as_if_nothing_had_been(own, project, ended, run)
    assert own.runs(own.step("refused", "print('new')")).get_status() == "Finished"


def test_a_run_that_waits_for_room_can_be_cancelled(own, project):
    _, run = a_chain_under_way(own, project)
    with not_writable(own):
        (project / "gate").touch()
        until(lambda: f"step {run.id}.second waits: " in (own.ws._root / "service.log").read_text())
        run.cancel()
        assert run.wait_for_completion(show_output=False) == "Canceled"
