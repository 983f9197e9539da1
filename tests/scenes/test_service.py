"""The service itself: it starts by itself, once, and what it was doing outlives it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from canalis import local
from canalis.data import PipelineData
from canalis.workspace import Workspace
from tests.scenes.conftest import Author, canalis, is_alive, log_of, process_of, switch_off, until


@pytest.fixture
def own(own_home, project) -> Author:
    """An author with a workspace of their own."""
    author = Author(Workspace.create("own", show_output=False), project)
    yield author
    author.ws._client.close()


def kill_service(author: Author) -> None:
    process = process_of(author.ws._root)
    os.kill(process, signal.SIGKILL)
    until(lambda: not is_alive(process))


def test_however_many_scripts_start_at_once_one_service_is_started(own, project):
    script = (
        "from canalis import Workspace\n"
        "ws = Workspace.create('own', exist_ok=True, show_output=False)\n"
        "print(ws._client.get('/health')['instance'])"
    )
    several = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    said = [process.communicate(timeout=60) for process in several]

    assert len({out.strip() for out, _ in said}) == 1, said
    started = [err for _, err in said if "Canalis serves workspace 'own' at http://127.0.0.1:" in err]
    assert len(started) == 1, "one of them started it and said where it is"


def test_a_second_service_on_the_same_workspace_joins(own):
    own.ws._client.get("/health")
    done = canalis("serve", "--workspace", "own")
    assert "serves workspace 'own' already, at http://127.0.0.1:" in done.stdout

    door = subprocess.run(
        [sys.executable, "-P", str(local._DOOR), "--root", str(own.ws._root)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert door.returncode == 3 and "Another service serves" in door.stderr


def test_a_service_writes_down_what_it_has_taken_up(own, project):
    gate = project / "gate"
    text = "import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists():\n    time.sleep(0.02)"
    run = own.submits(own.step("waits", text, arguments=[gate]), own.step("beside", text, arguments=[gate]))
    until(lambda: [step.status for step in run.get_steps()] == ["Running", "Running"])
    kill_service(own)

    gate.touch()
    run.wait_for_completion(show_output=False)

    log = (own.ws._root / "service.log").read_text()
    assert log.count("took up") == 1
    assert "took up 1 open runs; 2 steps had begun, 2 messages sent again" in log


def test_what_was_killed_goes_on_where_it_was(own, project):
    """A chain of steps; the service dies in the middle of one, and comes back."""
    gate, counts = project / "gate", project / "counts"
    text = f"""
        import pathlib, sys, time
        with open({str(counts)!r}, "a") as file:
            file.write(sys.argv[1] + "\\n")
        while sys.argv[1] == "2" and not pathlib.Path({str(gate)!r}).exists():
            time.sleep(0.01)
        open(sys.argv[2], "w").write(sys.argv[1])
    """
    steps, before = [], None
    for number in range(5):
        made = PipelineData(f"made{number}")
        step = own.step(f"s{number}", text, arguments=[number, made], inputs=[before] if before else [], outputs=[made])
        steps.append(step)
        before = made
    run = own.submits(*steps)
    until(lambda: counts.exists() and counts.read_text().split() == ["0", "1", "2"])
    port = json.loads((own.ws._root / "service.json").read_text())["endpoint"]

    kill_service(own)
    gate.touch()  # the step ends while no service is there to see it
    until(lambda: (own.ws._root / "blobs" / "records" / run.id / "s2" / "exit").exists())
    run.wait_for_completion(show_output=False)  # asking starts the service again

    assert run.get_status() == "Finished"
    assert counts.read_text().split() == ["0", "1", "2", "3", "4"], "no step ran twice"
    assert {step.name: step._view()["attempt"] for step in run.get_steps()} == {f"s{n}": 1 for n in range(5)}
    assert json.loads((own.ws._root / "service.json").read_text())["endpoint"] == port, "others still know the way"


def test_a_step_that_still_runs_is_found_again(own, project):
    gate = project / "gate"
    text = f"""
        import pathlib, time
        print("begun", flush=True)
        while not pathlib.Path({str(gate)!r}).exists():
            time.sleep(0.01)
        from azureml.core import Run
        Run.get_context().parent.log("seen", 1)
    """
    run = own.submits(own.step("long", text))
    until(lambda: "begun" in run.find_step_run("long")[0].get_stdout_log())
    kill_service(own)

    (step,) = run.get_steps()
    until(lambda: step.get_status() == "Running")
    gate.touch()
    run.wait_for_completion(show_output=False)
    assert log_of(run, "long") == "begun\n"
    assert run.get_metrics() == {"seen": 1}, "the step found the new service"


def test_a_cancel_reaches_a_step_that_an_earlier_service_started(own, project):
    pid = project / "pid"
    run = own.submits(
        own.step("long", f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)")
    )
    until(lambda: pid.exists() and pid.read_text())
    kill_service(own)
    run.cancel()
    assert run.wait_for_completion(show_output=False) == "Canceled"
    assert not is_alive(int(pid.read_text()))


def test_a_step_whose_process_went_away_with_the_machine_is_started_again(own, project):
    count = project / "count"
    text = f"""
        import os, pathlib, sys, time
        count = pathlib.Path({str(count)!r})
        count.write_text((count.read_text() if count.exists() else "") + f"{{os.getpid()}} ")
        time.sleep(600 if len(count.read_text().split()) == 1 else 0)
    """
    run = own.submits(own.step("lost", text))
    until(lambda: count.exists() and count.read_text().strip())
    group = int((own.ws._root / "blobs" / "records" / run.id / "lost" / "pid").read_text().split()[0])
    kill_service(own)
    switch_off(group)
    run.wait_for_completion(show_output=False)
    assert run.get_status() == "Finished"
    (step,) = run.get_steps()
    assert step._view()["attempt"] == 2


def test_a_stopped_service_comes_back_when_it_is_needed(own):
    run = own.runs(own.step("a"))
    done = canalis("stop", "--workspace", "own")
    assert "Canalis has stopped" in done.stdout
    assert local.running(own.ws._root) is None
    assert "is not running here" in canalis("stop", "--workspace", "own").stdout

    assert run.get_status() == "Finished"


def test_only_who_knows_the_token_is_let_in(own):
    own.ws._client.get("/health")
    root = own.ws._root
    assert stat.S_IMODE((root.parent / "token").stat().st_mode) == 0o600
    endpoint = json.loads((root / "service.json").read_text())["endpoint"]
    assert endpoint.startswith("http://127.0.0.1:")

    def code(path: str, token: str | None) -> int:
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        try:
            return urllib.request.urlopen(urllib.request.Request(endpoint + path, headers=headers), timeout=5).status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    token = (root.parent / "token").read_text().strip()
    assert code("/api/v1/runs", token) == 200
    for wrong in (None, "", "x", token[:-1], token + "x"):
        assert code("/api/v1/runs", wrong) == 401, wrong
    assert code("/api/v1/health", None) == 200


def test_a_service_that_has_nothing_to_do_leaves_by_itself(own_home, project):
    root = own_home / "idle"
    local.create(root, {"name": "idle", "subscription_id": "s", "resource_group": "r", "location": "l"})
    door = subprocess.Popen(
        [sys.executable, "-P", str(local._DOOR), "--root", str(root), "--idle-exit-s", "1"], stderr=subprocess.PIPE
    )
    until(lambda: (root / "service.json").exists())
    before = time.monotonic()
    assert door.wait(timeout=60) == 0
    door.stderr.close()
    assert time.monotonic() - before < 60
    assert not (root / "service.json").exists()


def test_a_workspace_of_a_newer_version_is_left_alone(own, own_home):
    own.ws._client.get("/health")
    own.ws._client.close()
    canalis("stop", "--workspace", "own")
    import sqlite3

    database = sqlite3.connect(own.ws._root / "canalis.db")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(Exception, match="was written by a newer Canalis"):
        local.endpoint(own.ws._root)


def test_a_service_of_another_version_is_started_anew_and_what_runs_goes_on(own, project, capfd):
    gate = project / "gate"
    run = own.submits(
        own.step("long", f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)")
    )
    until(lambda: run.find_step_run("long")[0].get_status() == "Running")
    service = own.ws._root / "service.json"
    first = process_of(own.ws._root)
    service.write_text(json.dumps({**json.loads(service.read_text()), "version": "0.0.1"}))

    again = Workspace.get("own")
    gate.touch()
    assert again.get_run(run.id).wait_for_completion(show_output=False) == "Finished"
    assert not is_alive(first) and process_of(own.ws._root) != first
    assert "Canalis has changed since its service was started" in capfd.readouterr().err
    again._client.close()


def test_a_header_can_be_had_before_there_is_any_workspace(own_home):
    from canalis.authentication import InteractiveLoginAuthentication

    header = InteractiveLoginAuthentication().get_authentication_header()
    ws = Workspace.create("later", show_output=False)
    request = urllib.request.Request(f"{ws._client.endpoint.url}/api/v1/workspace", headers=header)
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert json.load(answer)["name"] == "later"
    ws._client.close()


def test_a_service_clears_up_after_one_that_died(own, project):
    own.runs(own.step("a"))
    work = own.ws._root / "work"
    left = work / "00000000-0000-0000-0000-000000000000.train"
    (left / "deep").mkdir(parents=True)
    kill_service(own)
    own.runs(own.step("b"))
    until(lambda: list(work.iterdir()) == [])
