"""Pipelines that are published, and started by others."""

from __future__ import annotations

import pytest

from canalis.contract.errors import ParameterError
from canalis.data import PipelineParameter
from canalis.exceptions import ErrorResponseException
from canalis.experiment import Experiment
from canalis.pipeline import Pipeline
from canalis.pipeline_run import PipelineRun
from canalis.published import PublishedPipeline
from tests.scenes.conftest import log_of


@pytest.fixture
def published(author):
    """A pipeline of one step that prints its parameter, published."""
    step = author.step("echo", "import sys\nprint(sys.argv[1:])", arguments=["--n", PipelineParameter("n", 3)])
    pipeline = Pipeline(author.ws, steps=[step], description="echoes")
    return pipeline.publish(name="echo", version="1.0")


def test_a_published_pipeline_runs_long_after_its_script_is_gone(author, published):
    (author.folder / "echo.py").unlink()
    again = PublishedPipeline.get(author.ws, published.id)
    assert (again.name, again.description, again.version) == ("echo", "echoes", "1.0")
    assert (again.status, again.total_run_steps, again.get_step_names()) == ("Active", 1, ["echo"])

    run = again.submit(author.ws, "published", pipeline_parameters={"n": 20})

    assert run.wait_for_completion(show_output=False) == "Finished"
    assert log_of(run, "echo").strip() == "['--n', '20']"
    assert [found.id for found in PipelineRun.get_pipeline_runs(author.ws, published.id)] == [run.id]


def test_an_experiment_submits_a_published_pipeline_like_any_other(author, published):
    run = Experiment(author.ws, "published").submit(published, pipeline_parameters={"n": 4}, tags={"k": "v"})
    run.wait_for_completion(show_output=False)
    assert run.tags == {"k": "v"} and log_of(run, "echo").strip() == "['--n', '4']"
    with pytest.raises(ParameterError, match="'m' is not a parameter"):
        published.submit(author.ws, "published", pipeline_parameters={"m": 1})


def test_a_run_is_published_as_it_ran(author):
    step = author.step("echo", "import sys\nprint(sys.argv[1])", arguments=[PipelineParameter("n", 3)])
    run = author.runs(step, pipeline_parameters={"n": 8})
    frozen = run.publish_pipeline("frozen", "as it ran", "2")
    author.writes("echo.py", "print('other')")

    again = frozen.submit(author.ws, "published")

    again.wait_for_completion(show_output=False)
    assert log_of(again, "echo").strip() == "8"


def test_a_disabled_pipeline_is_listed_only_when_asked_for_and_not_started(author, published):
    published.disable()
    assert published.status == "Disabled"
    assert published.id not in [found.id for found in PublishedPipeline.list(author.ws)]
    assert published.id in [found.id for found in PublishedPipeline.list(author.ws, active_only=False)]
    with pytest.raises(ErrorResponseException, match="is disabled: enable it"):
        published.submit(author.ws, "published")
    published.activate()
    published.submit(author.ws, "published").wait_for_completion(show_output=False)


def test_one_can_ask_whether_a_published_pipeline_is_there_and_delete_it(author, published):
    assert PublishedPipeline.exists(author.ws, published.id)
    published.delete()
    assert not PublishedPipeline.exists(author.ws, published.id)
    with pytest.raises(ErrorResponseException, match="no published pipeline") as caught:
        PublishedPipeline.get(author.ws, published.id)
    assert (caught.value.status_code, caught.value.code) == (404, "not_found")


def test_a_key_makes_a_call_that_comes_again_the_same_run(author, published, project):
    key = f"nightly-{project.name}"
    first = published.submit(author.ws, "published", pipeline_parameters={"n": 1}, idempotency_key=key)
    assert published.submit(author.ws, "published", {"n": 1}, idempotency_key=key).id == first.id
    with pytest.raises(ErrorResponseException, match="of another request") as caught:
        published.submit(author.ws, "published", {"n": 2}, idempotency_key=key)
    assert caught.value.code == "key_reused"
    step = author.step("own")
    runs = [author.submits(step, idempotency_key=f"{key}-own") for _ in range(2)]
    assert runs[0].id == runs[1].id != first.id
