"""Endpoints with versions of pipelines, and drafts, as v1's scripts use them."""

from __future__ import annotations

import uuid

import pytest

from canalis.data import PipelineParameter
from canalis.draft import PipelineDraft
from canalis.endpoint import PipelineEndpoint
from canalis.exceptions import ErrorResponseException
from canalis.experiment import Experiment
from canalis.pipeline import Pipeline
from canalis.published import PublishedPipeline
from tests.scenes.conftest import log_of


@pytest.fixture
def pipeline(author):
    def pipeline(word: str) -> Pipeline:
        text = f"import sys\nprint('{word}', sys.argv[1])"
        return Pipeline(author.ws, steps=[author.step("echo", text, arguments=[PipelineParameter("n", 3)])])

    return pipeline


@pytest.fixture
def name() -> str:
    return f"endpoint {uuid.uuid4().hex[:8]}"


def said(run) -> str:
    run.wait_for_completion(show_output=False)
    return log_of(run, "echo").strip()


def test_a_newer_version_takes_over_and_the_address_stays(author, pipeline, name):
    endpoint = PipelineEndpoint.publish(author.ws, name=name, description="d", pipeline=pipeline("one"))
    (first,) = endpoint.list_versions()
    assert (first.version, endpoint.default_version, endpoint.status) == ("0", "0", "Active")
    assert first.pipeline.name.startswith(f"{name}-") and first.pipeline.name.endswith("-Pipeline")
    assert said(endpoint.submit("endpoints")) == "one 3"

    address = endpoint.endpoint
    endpoint.add_default(pipeline("two").publish(name="second"))

    again = PipelineEndpoint.get(author.ws, name=name)
    assert (again.id, again.endpoint, again.default_version) == (endpoint.id, address, "1")
    assert said(Experiment(author.ws, "endpoints").submit(again, pipeline_parameters={"n": 5})) == "two 5"
    assert said(again.submit("endpoints", pipeline_version="0")) == "one 3"
    assert [change.what for change in again.diff("0", "1")] == ["source echo.py"]
    again.set_default(first.pipeline)
    assert again.get_default_version() == "0" and again.get_pipeline().id == first.pipeline.id


def test_a_name_that_is_taken_and_a_pipeline_that_is_in_already_are_value_errors(author, pipeline, name):
    before = len(PublishedPipeline.list(author.ws))
    endpoint = PipelineEndpoint.publish(author.ws, name, "d", pipeline("one"))
    with pytest.raises(ValueError, match="already"):
        PipelineEndpoint.publish(author.ws, name, "d", pipeline("two"))
    with pytest.raises(ValueError, match="is version 0 of endpoint"):
        endpoint.add(endpoint.get_pipeline())
    assert len(PublishedPipeline.list(author.ws)) == before + 1, "nothing was published for an endpoint that is not"


def test_an_endpoint_that_is_not_there_is_told_in_the_words_that_scripts_look_for(author, name):
    with pytest.raises(ErrorResponseException) as caught:
        PipelineEndpoint.get(workspace=author.ws, name=name)
    assert "not found in workspace" in caught.value.message
    assert not PipelineEndpoint.exists(author.ws, name)
    with pytest.raises(ErrorResponseException, match="not found in workspace"):
        PipelineEndpoint.get(author.ws, id="nothing-there")


def test_an_endpoint_is_archived_and_comes_back_under_its_name(author, pipeline, name):
    endpoint = PipelineEndpoint.publish(author.ws, name, "d", pipeline("one"))
    endpoint.archive()
    assert not PipelineEndpoint.exists(author.ws, name)
    assert endpoint.id not in [one.id for one in PipelineEndpoint.list(author.ws)]
    with pytest.raises(ValueError, match="is disabled"):
        endpoint.submit("endpoints")
    endpoint.reactivate(name)
    assert PipelineEndpoint.get(author.ws, name=name).id == endpoint.id
    endpoint.delete()
    assert not PipelineEndpoint.exists(author.ws, id=endpoint.id)


def test_a_draft_grows_into_a_published_pipeline(author, pipeline):
    draft = PipelineDraft.create(
        author.ws, pipeline("one"), name="draft", experiment_name="drafts", pipeline_parameters={"n": 7}, tags={"a": 1}
    )
    assert said(draft.submit_run()) == "one 7"

    draft.update(pipeline=pipeline("two"), pipeline_parameters={"n": 8}, description="better")

    assert said(PipelineDraft.get(author.ws, draft.id).submit_run()) == "two 8"
    published = draft.publish()
    assert said(published.submit(author.ws, "drafts")) == "two 8"
    copy = PipelineDraft.create(author.ws, published, experiment_name="drafts")
    assert copy.name == "draft" and copy.tags == {}
    assert draft.id in [one.id for one in PipelineDraft.list(author.ws, tags={"a": "1"})]
    for one in (draft, copy):
        one.delete()
        assert not PipelineDraft.exists(author.ws, one.id)
    with pytest.raises(ValueError, match="needs a name and an experiment_name"):
        PipelineDraft.create(author.ws, pipeline("three"))
