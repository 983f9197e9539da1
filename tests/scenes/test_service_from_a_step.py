"""A service that a step has started, since the one that started the step was gone."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from canalis import local
from canalis.workspace import Workspace
from tests.scenes.conftest import Author, is_alive, process_of, until


def test_a_service_that_a_step_has_started_outlives_the_step(own_home, project):
    own = Author(Workspace.create("own", show_output=False), project)
    gate = project / "gate"
    run = own.submits(
        own.step(
            "long",
            f"""
            import pathlib, time
            from azureml.core import Run
            while not pathlib.Path({str(gate)!r}).exists():
                time.sleep(0.01)
            print(Run.get_context().parent.get_status())
            """,
        )
    )
    until(lambda: run.find_step_run("long")[0].get_status() == "Running")
    own.ws._client.close()
    first = process_of(own.ws._root)
    os.kill(first, signal.SIGKILL)
    until(lambda: not is_alive(first))
    gate.touch()
    until(lambda: local.process_id(own.ws._root) is not None)
    started = process_of(own.ws._root) if local.running(own.ws._root) else until(lambda: _started(own, first))

    environment = Path(f"/proc/{started}/environ").read_bytes().split(b"\0")
    assert not [one for one in environment if one.startswith((b"CANALIS_", b"AZUREML_"))]
    until(lambda: run.get_status() == "Finished")
    assert process_of(own.ws._root) == started and is_alive(started)
    own.ws._client.close()


def _started(own: Author, first: int) -> int | None:
    found = process_of(own.ws._root)
    return found if found != first else None
