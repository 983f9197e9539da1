"""Drafts: pipelines that somebody still works on, kept until they are run or published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from canalis.cli.pipeline.pairs import flag_of, pairs_of
from canalis.cli.pipeline.published import path_of
from canalis.cli.pipeline.submit import Given, experiment_of
from canalis.cli.pipeline.verbs import Call, verb
from canalis.cli.pipeline.words import (
    DRAFTS,
    Continue,
    Description,
    DraftId,
    Key,
    OneParameter,
    Parameters,
    Wait,
    Yaml,
    pipeline,
)
from canalis.contract.published import check_id
from canalis.contract.run import new_run_id
from canalis.exceptions import UserErrorException
from canalis.submission import values_in

Tags = Annotated[
    list[str] | None, typer.Option("--tags", "-t", metavar="A=1,B=2", help="What its runs are tagged with.")
]
Experiment = Annotated[
    str, typer.Option("--experiment-name", "--experiment_name", "-e", help="The experiment that its runs belong to.")
]


@verb(pipeline, "create-draft", DRAFTS, makes=True)
def create_draft(
    call: Call,
    name: Annotated[str, typer.Option("--name", "-n", help="Its name.")],
    experiment_name: Experiment,
    pipeline_yaml: Yaml,
    description: Description = None,
    continues: Continue = None,
    parameters: Parameters = None,
    parameter: OneParameter = None,
    tags: Tags = None,
    properties: Annotated[
        list[str] | None, typer.Option("--properties", metavar="A=1,B=2", help="Written down about its runs for ever.")
    ] = None,
) -> Any:
    """Keep a draft of a pipeline from a YAML file."""
    from canalis.draft import PipelineDraft

    loaded, values = _loaded(call, pipeline_yaml, Given(parameters, parameter, None))
    made = PipelineDraft.create(
        call.workspace,
        loaded,
        name=name,
        description=description,
        experiment_name=experiment_name,
        pipeline_parameters=values,
        continue_on_step_failure=flag_of(continues, "--continue"),
        tags=pairs_of(tags or (), "-t"),
        properties=pairs_of(properties or (), "--properties"),
    )
    return _entity(call, made.id)


@verb(pipeline, "clone-draft", DRAFTS)
def clone_draft(
    call: Call,
    pipeline_id: Annotated[str | None, typer.Option("--pipeline-id", "-i", help="Id of a published pipeline.")] = None,
    pipeline_draft_id: Annotated[str | None, typer.Option("--pipeline-draft-id", "-d", help="Id of a draft.")] = None,
    pipeline_run_id: Annotated[str | None, typer.Option("--pipeline-run-id", "-r", help="Id of a run.")] = None,
    experiment_name: Annotated[
        str | None,
        typer.Option("--experiment-name", "--experiment_name", "-e", help="Another experiment than the original's."),
    ] = None,
) -> Any:
    """Keep a draft of a published pipeline, of what a run has run, or of another draft."""
    given = {"pipeline": pipeline_id, "draft": pipeline_draft_id, "run": pipeline_run_id}
    sources = {word: identity for word, identity in given.items() if identity is not None}
    if len(sources) != 1:
        raise UserErrorException("Name one original: -i ID of a published pipeline, -d ID of a draft or -r ID of a run")
    if pipeline_id is not None and experiment_name is None:
        found = call.client.get(path_of(pipeline_id))
        experiment_name = experiment_of(found["name"], pipeline_id)
    body = {**sources, "id": new_run_id()} | ({"experiment": experiment_name} if experiment_name else {})
    return _entity(call, call.client.post("/drafts", body)["id"])


@verb(pipeline, "update-draft", DRAFTS)
def update_draft(
    call: Call,
    draft_id: DraftId,
    name: Annotated[str | None, typer.Option("--name", "-n", help="Another name.")] = None,
    experiment_name: Annotated[
        str | None, typer.Option("--experiment-name", "--experiment_name", "-e", help="Another experiment.")
    ] = None,
    pipeline_yaml: Annotated[
        Path | None, typer.Option("--pipeline-yaml", "-y", help="YAML file of a pipeline that takes the place of its.")
    ] = None,
    description: Description = None,
    continues: Continue = None,
    parameters: Parameters = None,
    parameter: OneParameter = None,
    tags: Tags = None,
) -> Any:
    """Change a draft. What is not given stays as it is, other parameters too; tags are those that are given."""
    from canalis.draft import PipelineDraft

    draft = PipelineDraft(call.workspace, call.client.get(_path(draft_id)))
    given = Given(parameters, parameter, None)
    loaded, values = None, None
    if pipeline_yaml is not None:
        loaded, values = _loaded(call, pipeline_yaml, given)
    elif given:
        values = values_in(draft._view["parameters"]) | given.fit(call.client.get(f"{_path(draft_id)}/graph"))
    draft.update(
        name=name,
        description=description,
        experiment_name=experiment_name,
        tags=pairs_of(tags, "-t") if tags is not None else None,
        pipeline=loaded,
        pipeline_parameters=values,
        continue_on_step_failure=flag_of(continues, "--continue"),
    )
    return _entity(call, draft_id)


@verb(pipeline, "show-draft", DRAFTS)
def show_draft(call: Call, draft_id: DraftId) -> Any:
    """Show a draft."""
    call.client.get(_path(draft_id))
    return _entity(call, draft_id)


@verb(pipeline, "list-drafts", DRAFTS)
def list_drafts(
    call: Call,
    tags: Annotated[
        list[str] | None, typer.Option("--tags", "-t", metavar="A=1,B=2", help="Only those that are tagged so.")
    ] = None,
) -> Any:
    """List the drafts, newest first."""
    wanted = [f"{name}={value}" for name, value in pairs_of(tags or (), "-t").items()]
    fitting = {view["id"] for view in call.client.get("/drafts", tag=wanted or None)}
    return [one for one in call.v1("/PipelineDrafts") if one["Id"] in fitting]


@verb(pipeline, "delete-draft", DRAFTS)
def delete_draft(call: Call, draft_id: DraftId) -> Any:
    """Delete a draft. Its runs and what was published of it stay."""
    call.client.get(_path(draft_id))  # what was never there is not deleted
    call.client.delete(_path(draft_id))
    return {"Id": draft_id, "Deleted": True}


@verb(pipeline, "submit-draft", DRAFTS)
def submit_draft(call: Call, draft_id: DraftId, wait: Wait = False, idempotency_key: Key = None) -> Any:
    """Start a run of a draft as it is now."""
    from canalis.draft import PipelineDraft

    draft = PipelineDraft(call.workspace, call.client.get(_path(draft_id)))
    return call.followed(draft.submit_run(idempotency_key), wait)


@verb(pipeline, "publish-draft", DRAFTS)
def publish_draft(call: Call, draft_id: DraftId) -> Any:
    """Publish a draft as it is now."""
    from canalis.draft import PipelineDraft

    made = PipelineDraft(call.workspace, call.client.get(_path(draft_id))).publish()
    return call.v1(f"/Pipelines/{made.id}")


def _loaded(call: Call, file: Path, given: Given) -> tuple[Any, dict[str, Any]]:
    """The pipeline of a file, and the values that were typed, as its parameters have them."""
    from canalis.pipeline import Pipeline

    loaded = Pipeline.load_yaml(call.workspace, file)
    return loaded, given.fit(loaded.graph.model_dump(mode="json", include={"parameters"}))


def _path(identity: str) -> str:
    return f"/drafts/{check_id('draft', identity)}"


def _entity(call: Call, identity: str) -> Any:
    return call.v1(f"/PipelineDrafts/{identity}")
