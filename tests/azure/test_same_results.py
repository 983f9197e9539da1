"""One pipeline on the laptop and in Azure: what the service tells of the run is the same, event for event."""

from __future__ import annotations

import pytest

from tests.azure.conftest import needs_stack

needs_stack()

from canalis.authentication import TokenAuthentication  # noqa: E402
from canalis.data import PipelineData, PipelineParameter  # noqa: E402
from canalis.workspace import Workspace  # noqa: E402
from tests.azure.door import AzureDoor  # noqa: E402
from tests.azure.history import history  # noqa: E402
from tests.scenes.conftest import Author, stop_services, until  # noqa: E402

PREPARE = """
    import os, sys
    os.makedirs(sys.argv[1])
    for number in range(int(sys.argv[2])):
        open(os.path.join(sys.argv[1], f"{number}.txt"), "w").write(str(number))
    print("prepared", sys.argv[2])
"""
TRAIN = """
    import os, pathlib, sys
    from azureml.core import Run
    run = Run.get_context()
    data, model, once, rate = sys.argv[1:]
    names = sorted(os.listdir(data))
    run.log("files", len(names))
    run.log_list("sizes", [os.path.getsize(os.path.join(data, name)) for name in names])
    if not os.path.exists(once):
        open(once, "w").close()
        raise ValueError("not at the first try")
    run.parent.log("rate", float(rate))
    pathlib.Path("outputs/note.txt").write_text("noted")
    pathlib.Path(model).write_text(" ".join(names))
    print("trained with", rate, os.environ["AML_PARAMETER_rate"])
"""
SCORE = """
    import sys
    print("scored", open(sys.argv[1]).read())
"""


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    with AzureDoor(tmp_path_factory.mktemp("door")) as door:
        yield door


@pytest.fixture
def authors(door, tmp_path, monkeypatch):
    """Who writes the same on both doors: by the name of the door."""
    home = tmp_path / ".canalis"
    monkeypatch.setenv("CANALIS_HOME", str(home))
    places = {
        "laptop": Workspace.create("scenes", show_output=False),
        "azure": Workspace.get("scenes", auth=TokenAuthentication(lambda _: door.token()), canalis_url=door.url),
    }
    authors = {}
    for name, workspace in places.items():
        (tmp_path / name).mkdir()
        authors[name] = Author(workspace, tmp_path / name)
    yield authors
    for workspace in places.values():
        workspace._client.close()
    stop_services(home)


def everything(author: Author):
    """Data, parameters, metrics, a retry, and a step that fails beside what goes on."""
    data, model = PipelineData("data", is_directory=True), PipelineData("model")
    rate, count = PipelineParameter("rate", 0.5), PipelineParameter("count", 3)
    prepare = author.step("prepare", PREPARE, arguments=[data, count], outputs=[data])
    arguments = [data, model, author.folder.parent / "once", rate]
    train = author.step("train", TRAIN, arguments=arguments, inputs=[data], outputs=[model], retries=1)
    score = author.step("score", SCORE, arguments=[model], inputs=[model])
    bad = author.step("bad", "import sys\nprint('to no avail')\nsys.exit(7)")
    after_bad = author.step("after_bad", SCORE)
    after_bad.run_after(bad)
    asked = {"continue_on_step_failure": True, "pipeline_parameters": {"rate": 0.25}}
    return author.runs(prepare, train, score, after_bad, **asked)


def cancelled(author: Author):
    """A run that is stopped while its second step works."""
    begun = author.folder.parent / "begun"
    first = author.step("first", "print('first')")
    long = author.step("long", f"import time\nprint('here')\nopen({str(begun)!r}, 'w').close()\ntime.sleep(40)")
    last = author.step("last")
    long.run_after(first)
    last.run_after(long)
    run = author.submits(last)
    until(begun.exists)
    run.cancel()
    run.wait_for_completion(show_output=False, raise_on_error=False)
    return run


@pytest.mark.parametrize("story", [everything, cancelled])
def test_a_run_has_the_same_history_on_the_laptop_and_in_azure(authors, story):
    laptop, azure = (history(story(authors[name])) for name in ("laptop", "azure"))
    assert laptop == azure
    told = {event[0] for event in azure}
    assert told == {"run", "step", "attempt", "log", "metrics", "files", "after", "tags"}
    if story is everything:
        assert [event[2] for event in azure if event[:2] == ("attempt", "train")] == [1, 2]
        assert ("log", "train", 2, "trained with 0.25 0.25\n") in azure
