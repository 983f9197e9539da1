"""Published pipelines: published from a file, looked at, switched on and off, brought back as a file, compared."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer

from canalis.cli.pipeline.pairs import flag_of
from canalis.cli.pipeline.verbs import Call, verb
from canalis.cli.pipeline.words import PUBLISHED, RUNS, All, Continue, Description, PipelineId, Yaml, pipeline
from canalis.contract.published import check_id
from canalis.exceptions import UserErrorException


@verb(pipeline, "create", PUBLISHED, makes=True)
def create(
    call: Call,
    name: Annotated[str, typer.Option("--name", "-n", help="The name that it is published under.")],
    pipeline_yaml: Yaml,
    description: Description = None,
    version: Annotated[str | None, typer.Option("--version", "-v", help="A version of your own counting.")] = None,
    continues: Continue = None,
) -> Any:
    """Publish a pipeline from a YAML file: from then on others start it by its id or its address."""
    from canalis.pipeline import Pipeline

    flag = flag_of(continues, "--continue")
    loaded = Pipeline.load_yaml(call.workspace, pipeline_yaml)
    made = loaded.publish(name, description, version, continue_on_step_failure=flag)
    return call.v1(f"/Pipelines/{made.id}")


@verb(pipeline, "list", PUBLISHED)
def list_pipelines(call: Call, everything: All = False) -> Any:
    """List the published pipelines, newest first, each with its schedules."""
    return _with_schedules(call, call.v1("/Pipelines", activeOnly=not everything))


@verb(pipeline, "show", PUBLISHED)
def show(call: Call, pipeline_id: PipelineId) -> Any:
    """Show a published pipeline and its schedules."""
    (shown,) = _with_schedules(call, [entity(call, pipeline_id)])
    return shown


@verb(pipeline, "enable", PUBLISHED)
def enable(call: Call, pipeline_id: PipelineId) -> Any:
    """Let a published pipeline be started."""
    return _switched(call, pipeline_id, "Active")


@verb(pipeline, "disable", PUBLISHED)
def disable(call: Call, pipeline_id: PipelineId) -> Any:
    """Let a published pipeline not be started until it is enabled again. Runs under way go on."""
    return _switched(call, pipeline_id, "Disabled")


Target = Annotated[str, typer.Option("--path", "-p", help="The file to write, or a folder; its files go beside it.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]


@verb(pipeline, "get", PUBLISHED)
def get(
    call: Call,
    path: Target,
    pipeline_id: Annotated[str | None, typer.Option("--pipeline-id", "-i", help="Id of a published pipeline.")] = None,
    pipeline_draft_id: Annotated[str | None, typer.Option("--pipeline-draft-id", "-d", help="Id of a draft.")] = None,
    overwrite: Overwrite = False,
) -> Any:
    """Write a published pipeline, or a draft, as a YAML file with its source files beside it."""
    from canalis.draft import PipelineDraft
    from canalis.published import PublishedPipeline

    if (pipeline_id is None) == (pipeline_draft_id is None):
        raise UserErrorException("Name what to write: -i ID of a published pipeline, or -d ID of a draft")
    if pipeline_id is not None:
        check_id("published pipeline", pipeline_id)
        return {"Path": PublishedPipeline.get(call.workspace, pipeline_id).save(path, overwrite)}
    assert pipeline_draft_id is not None
    check_id("draft", pipeline_draft_id)
    return {"Path": PipelineDraft.get(call.workspace, pipeline_draft_id).save(path, overwrite)}


@verb(pipeline, "clone", PUBLISHED)
def clone(
    call: Call,
    pipeline_run_id: Annotated[str, typer.Option("--pipeline-run-id", "-i", help="Id of a run of a pipeline.")],
    path: Target,
    overwrite: Overwrite = False,
) -> Any:
    """Write what a run has run as a YAML file, with the values that it ran with and its source files."""
    from canalis.pipeline_run import PipelineRun

    return {"Path": PipelineRun.get(call.workspace, pipeline_run_id).save(path, overwrite)}


def _deleted(answer: Any) -> None:
    print(f"Published pipeline {answer['Id']} is deleted; its runs stay")


@verb(pipeline, "delete", PUBLISHED, people=_deleted)
def delete(call: Call, pipeline_id: PipelineId) -> Any:
    """Delete a published pipeline; its runs stay. Refused while an endpoint or a schedule starts it."""
    entity(call, pipeline_id)  # what was never there is not deleted
    call.client.delete(path_of(pipeline_id))
    return {"Id": pipeline_id, "Deleted": True}


def print_difference(answer: Any) -> None:
    """What is other, a line for each."""
    from canalis.differing import Change

    print("\n".join(str(Change(**change)) for change in answer["changes"]) or "They run the same")


@verb(pipeline, "diff", PUBLISHED, people=print_difference)
def diff(
    call: Call,
    before: Annotated[str, typer.Argument(help="Id of a published pipeline.")],
    after: Annotated[str, typer.Argument(help="Id of another.")],
) -> Any:
    """Show all that is other in one published pipeline than in another: steps, parameters, source files."""
    check_id("published pipeline", after)
    return call.client.get(f"{path_of(before)}/diff/{after}")


@verb(pipeline, "list-steps", RUNS)
def list_steps(
    call: Call,
    run_id: Annotated[
        str,
        typer.Option("--run-id", "--pipeline-run-id", "--run", "--pipeline-id", "-r", "-i", help="Id of a run."),
    ],
) -> Any:
    """List the steps of a run, and how each stands."""
    return [_step(view) for view in call.client.get(f"/runs/{quote(run_id, safe='')}/steps")]


def entity(call: Call, identity: str) -> Any:
    """A published pipeline as v1 shows it. Raises NotFound."""
    call.client.get(path_of(identity))
    return call.v1(f"/Pipelines/{identity}")


def path_of(identity: str) -> str:
    """Where a published pipeline is in our own API. Raises NotFound for what cannot be an id."""
    return f"/pipelines/{check_id('published pipeline', identity)}"


def _switched(call: Call, identity: str, status: str) -> Any:
    call.client.patch(path_of(identity), {"status": status})
    return call.v1(f"/Pipelines/{identity}")


def _with_schedules(call: Call, entities: list[Any]) -> list[Any]:
    """The pipelines, each with the schedules that start it."""
    found: dict[str, list[Any]] = defaultdict(list)
    for one in call.v1("/Schedules", activeOnly=False) if entities else ():
        found[one["PipelineId"]].append(one)
    return [one | {"Schedules": found[one["Id"]]} for one in entities]


def _step(view: dict[str, Any]) -> dict[str, Any]:
    """A step of a run as v1 would have shown it, which had no JSON for it."""
    error = view["error"] or {}
    return {
        "Id": view["id"],
        "Name": view["name"],
        "NodeId": view["node"],
        "RunId": view["run_id"],
        "StatusCode": view["status_v1"],
        "StatusDetail": error.get("message"),
        "Attempt": view["attempt"],
        "ExitCode": view["exit_code"],
        "StartTime": _moment(view["started_at"]),
        "EndTime": _moment(view["ended_at"]),
    }


def _moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
