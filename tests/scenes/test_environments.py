"""A step that asks for packages has them: its environment is built once, shared, and seen in its times and its log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from canalis.conda import CondaDependencies
from canalis.contract.errors import GraphError
from canalis.environment import Environment
from canalis.exceptions import UserErrorException
from canalis.runconfig import RunConfiguration
from canalis.workspace import Workspace
from steps.uv import program
from tests.scenes.conftest import CANALIS, Author, log_of, statuses
from tests.scenes.packages import builds, source_of, wheel_of

pytestmark = pytest.mark.laptop("in Azure environments are recorded")

LOG = "azureml-logs/20_image_build_log.txt"
WHERE = "import sys; print(sys.prefix)\n"


def asking(*pip: str, conda: tuple[str, ...] = (), **parts: object) -> RunConfiguration:
    """A run configuration whose environment asks for these."""
    made = RunConfiguration()
    made.environment.name = "training"
    made.environment.python.conda_dependencies = CondaDependencies.create(
        pip_packages=list(pip), conda_packages=list(conda), **parts
    )
    return made


def log_of_build(run, step: str, folder: Path) -> str:
    run.find_step_run(step)[0].download_file(LOG, str(folder / "build.txt"))
    return (folder / "build.txt").read_text()


def error_of(run, step: str) -> dict[str, str]:
    return run.find_step_run(step)[0].get_details()["error"]["error"]


def wait_until(is_so, limit_s: float = 20.0) -> None:
    until = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < until, "in vain"
        time.sleep(0.02)


def test_a_step_finds_what_it_asks_for_and_ourselves_and_nothing_else(author, project):
    wheel = wheel_of(project, "greeting", "WORDS = 'hello'\n")
    script = """
        import sys
        import greeting
        import azureml.core, canalis
        from azureml.core import Run
        from importlib.metadata import version
        Run.get_context().log("words", greeting.WORDS)
        version("pydantic")
        try:
            import pandas
        except ImportError:
            print(sys.prefix)
    """
    configuration = asking("azureml-defaults", str(wheel))
    one = author.step("one", script, runconfig=configuration)
    two = author.step("two", script, runconfig=configuration)
    two.run_after(one)
    run = author.runs(one, two, author.step("plain", WHERE))

    assert set(statuses(run).values()) == {"Finished"}
    built = log_of(run, "one").strip()
    assert built == log_of(run, "two").strip() and "/.environments/built/" in built
    assert log_of(run, "plain").strip() == sys.prefix
    assert run.find_step_run("one")[0].get_metrics() == {"words": "hello"}
    said = log_of_build(run, "one", project)
    assert f"Environment 'training' asks for: {wheel}" in said and "greeting" in said and "is there after" in said


def test_an_environment_that_is_there_costs_a_step_nothing_to_speak_of(author, project):
    configuration = asking(str(wheel_of(project, "quick", "")))
    first = author.runs(author.step("a", "import quick", runconfig=configuration))
    again = author.runs(author.step("a", "import quick", runconfig=configuration), regenerate_outputs=True)

    spent = [run.find_step_run("a")[0]._view()["times"].get("environment", 0.0) for run in (first, again)]
    assert spent[0] > 0.1 and spent[1] < 0.05
    assert LOG in first.find_step_run("a")[0].get_file_names()
    assert LOG not in again.find_step_run("a")[0].get_file_names(), "nothing was built"


def test_steps_that_want_it_at_once_have_it_built_once(author, project):
    source = source_of(project, "slowly", "time.sleep(1)")
    configuration = asking(source)
    author.cluster("many", 4)
    steps = [
        author.step(f"s{n}", "import slowly; print(slowly.VALUE)", runconfig=configuration, compute_target="many")
        for n in range(4)
    ]
    run = author.runs(*steps)

    assert set(statuses(run).values()) == {"Finished"}
    assert len(builds(project)) == 1
    said = [log_of_build(run, step.name, project) for step in steps]
    assert sum("is there after" in log for log in said) == 1
    assert sum("waiting for it" in log for log in said) == 3


def test_two_services_build_it_once(own_home, project):
    configuration = asking(source_of(project, "between", "time.sleep(1)"))
    authors = []
    for name in ("left", "right"):
        (project / name).mkdir()
        authors.append(Author(Workspace.create(name, show_output=False), project / name))
    runs = [one.submits(one.step("a", "import between", runconfig=configuration)) for one in authors]
    for run in runs:
        run.wait_for_completion(show_output=False)
    assert len(builds(project)) == 1
    assert len(list((own_home / ".environments" / "built").iterdir())) == 1


def test_a_cancel_ends_the_build_and_the_next_who_wants_it_builds_it(author, project):
    flag = project / "go"
    source = source_of(project, "never", f"while not Path({str(flag)!r}).exists(): time.sleep(0.1)")
    run = author.submits(author.step("a", runconfig=asking(source)))
    wait_until(lambda: builds(project))
    (builder,) = builds(project)
    step = run.find_step_run("a")[0]
    wait_until(lambda: step._view()["waits_for"] == ["its environment to be built"])

    run.cancel()
    run.wait_for_completion(show_output=False, raise_on_error=False)
    assert run.get_status() == "Canceled"
    wait_until(lambda: not Path(f"/proc/{builder}").exists())

    flag.touch()
    assert author.runs(author.step("b", "import never", runconfig=asking(source))).get_status() == "Finished"


def test_what_a_crash_has_left_is_not_taken_for_whole(own_home, project):
    flag = project / "go"
    source = source_of(project, "halfway", f"while not Path({str(flag)!r}).exists(): time.sleep(0.1)")
    (project / "author").mkdir()
    ws = Workspace.create("crash", show_output=False)
    author = Author(ws, project / "author")
    run = author.submits(author.step("a", "import halfway; print(halfway.VALUE)", runconfig=asking(source)))
    wait_until(lambda: builds(project))
    service = int((own_home / "crash" / "service.lock").read_text())
    os.kill(service, signal.SIGKILL)
    os.kill(builds(project)[0], signal.SIGKILL)
    # As though its installer had died with it in the middle.
    for folder in (own_home / ".environments" / "built").glob("*"):
        assert not (folder / "canalis.json").exists()

    flag.touch()
    run.wait_for_completion(show_output=False)
    assert log_of(run, "a").strip() == "7"


def test_who_dies_while_it_is_built_leaves_the_lock_with_the_build(own_home, project):
    flag = project / "go"
    source = source_of(project, "orphan", f"while not Path({str(flag)!r}).exists(): time.sleep(0.1)")
    (project / "author").mkdir()
    author = Author(Workspace.create("orphans", show_output=False), project / "author")
    run = author.submits(author.step("a", "import orphan", runconfig=asking(source)))
    wait_until(lambda: builds(project))
    os.kill(int((own_home / "orphans" / "service.lock").read_text()), signal.SIGKILL)
    run.get_status()  # another service comes up, and takes the step up
    time.sleep(1)
    assert len(builds(project)) == 1, "the one that builds it goes on alone"
    flag.touch()
    run.wait_for_completion(show_output=False)
    assert run.get_status() == "Finished"


def test_what_cannot_be_resolved_is_told_in_the_resolvers_words(author, project):
    wheel_of(project, "known", "", "1.0")
    configuration = asking(f"--find-links {project}", "--no-index", "known==2.0")
    run = author.runs(author.step("a", runconfig=configuration))

    error = error_of(run, "a")
    assert error["code"] == "environment_unresolved"
    assert error["message"].startswith(
        "Environment 'training' cannot be resolved: Because there is no version of known==2.0"
    )
    assert LOG in error["message"] and "known==2.0" in log_of_build(run, "a", project)


def test_a_package_that_does_not_build_is_told_with_its_own_last_words(author, project):
    source = source_of(project, "broken", "raise ValueError('no compiler for this')")
    run = author.runs(author.step("a", runconfig=asking(source)))
    error = error_of(run, "a")
    assert error["code"] == "environment_not_built" and "ValueError: no compiler for this" in error["message"]


def test_a_full_disk_lets_the_step_wait_for_room(author, project):
    flag = project / "room"
    full = f"if not Path({str(flag)!r}).exists(): raise OSError(28, 'No space left on device')"
    run = author.submits(author.step("a", "import roomy", runconfig=asking(source_of(project, "roomy", full))))
    wait_until(lambda: len(builds(project)) > 1)
    flag.touch()
    run.wait_for_completion(show_output=False)
    assert run.get_status() == "Finished"


def test_conda_packages_without_a_wheel_are_told_before_anything_runs(author):
    configuration = asking(conda=("numpy", "r-base", "openjdk=8"))
    with pytest.raises(GraphError, match=r"Step 'a', environment 'training': conda packages .* r-base, openjdk"):
        author.submits(author.step("a", runconfig=configuration))


def test_another_python_is_asked_for_in_vain_and_that_is_told(author, project, capsys):
    configuration = asking(str(wheel_of(project, "olden", "")), python_version="3.6.2")
    configuration.environment.docker.base_image = "python:3.6"
    run = author.runs(author.step("a", "import olden, sys; print(sys.version_info[:2])", runconfig=configuration))
    assert log_of(run, "a").strip() == str(sys.version_info[:2])
    told = capsys.readouterr().err
    assert "environment 'training' asks for Python 3.6.2" in told and "asks for the image python:3.6" in told
    assert "Warning: Python 3.6.2 was asked for" in log_of_build(run, "a", project)


def test_a_workspace_that_records_environments_runs_all_in_the_authors_interpreter(own_home, project, capfd):
    (project / "author").mkdir()
    author = Author(Workspace.create("recorded", show_output=False), project / "author")
    assert os.spawnv(os.P_WAIT, CANALIS, ["canalis", "environments", "record", "-w", "recorded"]) == 0
    assert "Environments are recorded" in capfd.readouterr().out
    configuration = asking("cowsay==6.1", "numpy==1.16.2", "azureml-core", conda=("pytest", "r-base"))
    run = author.runs(author.step("a", WHERE, runconfig=configuration))

    assert log_of(run, "a").strip() == sys.prefix
    told = capfd.readouterr().err
    assert f"Note: steps run in {sys.executable}" in told
    assert "cowsay==6.1, numpy==1.16.2 (it has " in told and "canalis environments build" in told
    assert "azureml" not in told and "pytest" not in told
    assert not (own_home / ".environments").exists()

    assert os.spawnv(os.P_WAIT, CANALIS, ["canalis", "environments", "build", "-w", "recorded"]) == 0
    with pytest.raises(GraphError, match="r-base"):
        author.submits(author.step("b", WHERE, runconfig=configuration))


def test_the_password_of_an_index_is_not_shown(author, project):
    secret = "pa55word-of-ann"
    where = f"--index-url http://ann:{secret}@127.0.0.1:9/simple"
    run = author.runs(author.step("a", runconfig=asking(where, "anything")))
    assert error_of(run, "a")["code"] == "environment_unresolved"
    assert secret not in error_of(run, "a")["message"] + log_of_build(run, "a", project)


def test_a_package_comes_from_where_pip_is_configured_to_look(own_home, project, monkeypatch):
    (project / "wheels").mkdir()
    wheel_of(project / "wheels", "mirrored", "")
    (project / "pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {project / 'wheels'}\n")
    for name in ("PIP_FIND_LINKS", "PIP_NO_INDEX", "UV_FIND_LINKS"):  # variables come before files
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(project / "pip.conf"))
    (project / "author").mkdir()
    author = Author(Workspace.create("mirrors", show_output=False), project / "author")
    run = author.runs(author.step("a", "import mirrored", runconfig=asking("mirrored")))
    assert run.get_status() == "Finished"


def test_a_package_comes_from_the_index(author):
    run = author.runs(
        author.step("a", "import iniconfig; print(iniconfig.__file__)", runconfig=asking("iniconfig==2.0.0"))
    )
    assert "/.environments/built/" in log_of(run, "a")


def test_a_private_wheel_is_kept_with_the_workspace(author, project):
    wheel = wheel_of(project, "private", "VALUE = 1\n")
    kept = Environment.add_private_pip_wheel(author.ws, str(wheel), exist_ok=True)
    with pytest.raises(UserErrorException, match="already"):
        Environment.add_private_pip_wheel(author.ws, str(wheel))
    with pytest.raises(UserErrorException, match="is no wheel"):
        Environment.add_private_pip_wheel(author.ws, str(project))
    wheel.unlink()

    script = "import private; print(private.VALUE)"
    assert log_of(author.runs(author.step("a", script, runconfig=asking(kept))), "a").strip() == "1"

    Environment.add_private_pip_wheel(author.ws, str(wheel_of(project, "private", "VALUE = 22\n")), exist_ok=True)
    again = author.runs(author.step("a", script, runconfig=asking(kept)), regenerate_outputs=True)
    assert log_of(again, "a").strip() == "22", "another file of that name is another environment"


def other_python() -> str:
    """A version of Python on this machine that Canalis runs in, and that is not ours; "" when there is none."""
    for minor in range(11, 20):
        asked = f"3.{minor}"
        if minor != sys.version_info.minor:
            words = [program(), "python", "find", "--no-project", "--no-python-downloads", asked]
            if subprocess.run(words, capture_output=True).returncode == 0:
                return asked
    return ""


def test_another_python_that_is_on_this_machine_is_used(own_home, project):
    version = other_python()
    if not version:
        pytest.skip("there is one Python here")
    (project / "author").mkdir()
    author = Author(Workspace.create("pythons", show_output=False), project / "author")
    configuration = asking(str(wheel_of(project, "newer", "")), python_version=version)
    script = "import newer, sys; from azureml.core import Run; Run.get_context().log('minor', sys.version_info[1])"
    run = author.runs(author.step("a", script, runconfig=configuration))
    assert run.find_step_run("a")[0].get_metrics() == {"minor": int(version.partition(".")[2])}


def test_an_environment_whose_python_went_away_is_built_anew(author, project):
    configuration = asking(str(wheel_of(project, "lasting", "")))
    step = author.step("a", "import lasting, sys; print(sys.prefix)", runconfig=configuration)
    built = Path(log_of(author.runs(step), "a").strip())
    python = built / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python")
    assert log_of(author.runs(step, regenerate_outputs=True), "a").strip() == str(built)
    assert python.resolve().exists()
