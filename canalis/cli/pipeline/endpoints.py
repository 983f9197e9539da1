"""Pipeline endpoints, which az never had: a name and an address that stay while the pipelines behind them change."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

import typer

from canalis.cli import output
from canalis.cli.pipeline.published import print_difference
from canalis.cli.pipeline.submit import Given, experiment_of
from canalis.cli.pipeline.verbs import Call, verb
from canalis.cli.pipeline.words import (
    ENDPOINTS,
    All,
    DataPaths,
    Description,
    Experiment,
    Key,
    OneParameter,
    Parameters,
    PipelineId,
    Wait,
    endpoint,
)
from canalis.contract.errors import NotFound
from canalis.exceptions import UserErrorException
from canalis.telling import aligned

Which = Annotated[str, typer.Argument(metavar="ENDPOINT", help="Name or id of an endpoint.")]


def _print_list(answer: Any) -> None:
    rows = [
        (one["Name"], one["EntityStatus"], one["DefaultVersion"], str(len(one["PipelineVersionList"])), one["Id"])
        for one in answer
    ]
    if rows:
        output.table(("endpoint", "status", "default", "versions", "id"), rows)
    else:
        print("No endpoints yet. `canalis pipeline endpoint create NAME -i PIPELINE_ID` makes one.")


def _print_one(answer: Any) -> None:
    print(f"Endpoint '{answer['Name']}' ({answer['Id']}) is {answer['EntityStatus'].lower()}")
    rows = [
        (f"  {one['Version']}", one["PipelineId"], "(default)" if one["Version"] == answer["DefaultVersion"] else "")
        for one in answer["PipelineVersionList"]
    ]
    print("\n".join(aligned(rows)))
    print(f"POST to {answer['Url']} starts it, and `canalis pipeline endpoint submit` does")


@verb(endpoint, "list", ENDPOINTS, people=_print_list)
def list_endpoints(call: Call, everything: All = False) -> Any:
    """List the endpoints, newest first."""
    return call.v1("/PipelineEndpoints", activeOnly=not everything)


@verb(endpoint, "show", ENDPOINTS, people=_print_one)
def show(call: Call, which: Which) -> Any:
    """Show an endpoint with its versions and its address."""
    return _entity(call, find(call, which)["id"])


@verb(endpoint, "create", ENDPOINTS, people=_print_one)
def create(
    call: Call,
    name: Annotated[str, typer.Argument(help="Its name, which no other endpoint has.")],
    pipeline_id: PipelineId,
    description: Description = None,
) -> Any:
    """Make an endpoint, whose version 0 is a published pipeline."""
    body = {"name": name, "description": description or "", "pipeline": pipeline_id}
    return _entity(call, call.client.post("/endpoints", body)["id"])


@verb(endpoint, "add-version", ENDPOINTS, people=_print_one)
def add_version(
    call: Call,
    which: Which,
    pipeline_id: PipelineId,
    default: Annotated[bool, typer.Option("--default", help="Let it run when nobody names a version.")] = False,
) -> Any:
    """Put a published pipeline behind an endpoint, as its next version. One that is there already stays as it is."""
    found = find(call, which)
    call.client.get(f"/pipelines/{pipeline_id}")
    call.client.put(f"/endpoints/{found['id']}/versions/{pipeline_id}", default=default)
    return _entity(call, found["id"])


@verb(endpoint, "set-default", ENDPOINTS, people=_print_one)
def set_default(
    call: Call, which: Which, version: Annotated[str, typer.Argument(help="A version that it has.")]
) -> Any:
    """Let a version of an endpoint run when nobody names one."""
    return _changed(call, which, default_version=version)


@verb(endpoint, "enable", ENDPOINTS, people=_print_one)
def enable(
    call: Call,
    which: Which,
    new_name: Annotated[str | None, typer.Option("--name", "-n", help="For one that was archived: its name.")] = None,
) -> Any:
    """Let an endpoint be started."""
    return _changed(call, which, status="Active", **({"name": new_name} if new_name else {}))


@verb(endpoint, "disable", ENDPOINTS, people=_print_one)
def disable(call: Call, which: Which) -> Any:
    """Let an endpoint not be started until it is enabled again. Runs under way go on."""
    return _changed(call, which, status="Disabled")


def _print_archived(answer: Any) -> None:
    print(f"The endpoint is archived, and its name is free. `canalis pipeline endpoint enable {answer['Id']} -n NAME`")
    print("brings it back")


@verb(endpoint, "archive", ENDPOINTS, people=_print_archived)
def archive(call: Call, which: Which) -> Any:
    """Disable an endpoint, and set its name free for another."""
    return _changed(call, which, status="Disabled", name=str(uuid.uuid4()))


@verb(endpoint, "diff", ENDPOINTS, people=print_difference)
def diff(
    call: Call,
    which: Which,
    before: Annotated[str | None, typer.Argument(help="A version; the one before AFTER when not given.")] = None,
    after: Annotated[str | None, typer.Argument(help="Another; the newest when not given.")] = None,
) -> Any:
    """Show all that is other in one version of an endpoint than in another: steps, parameters, source files."""
    found = find(call, which)
    versions = [one["version"] for one in found["versions"]]
    after = after or versions[-1]
    if before is None:
        if len(versions) == 1:
            raise UserErrorException(f"Endpoint '{found['name']}' has one version, {after}: nothing to compare it with")
        before = versions[max(0, versions.index(after) - 1)] if after in versions else versions[0]
    return call.client.get(f"/endpoints/{found['id']}/diff", before=before, after=after)


def _print_run(answer: Any) -> None:
    code = answer["Status"]["StatusCode"]
    print(f"Run {answer['Id']} of {answer['RunHistoryExperimentName']}: {code}")


@verb(endpoint, "submit", ENDPOINTS, people=_print_run)
def submit(
    call: Call,
    which: Which,
    experiment_name: Experiment = None,
    parameters: Parameters = None,
    parameter: OneParameter = None,
    datapaths: DataPaths = None,
    version: Annotated[
        str | None, typer.Option("--pipeline-version", help="A version of it; the default one when not given.")
    ] = None,
    wait: Wait = False,
    idempotency_key: Key = None,
) -> Any:
    """Start a run of what is behind an endpoint. With --json its id is the answer's Id."""
    from canalis.published import start

    given = Given(parameters, parameter, datapaths)
    found = find(call, which)
    values = given.fit(call.client.get(f"/pipelines/{behind(found, version)}/graph")) if given else {}
    path = f"/endpoints/{found['id']}/runs"
    experiment = experiment_name or experiment_of(found["name"], found["id"])
    started = start(call.workspace, path, experiment, values, version=version, idempotency_key=idempotency_key)
    return call.followed(started, wait)


def find(call: Call, which: str) -> dict[str, Any]:
    """The endpoint of that name or id. Raises NotFound."""
    named: list[dict[str, Any]] = call.client.get("/endpoints", name=which)
    found = named or [one for one in call.client.get("/endpoints") if one["id"] == which]
    if not found:
        raise NotFound(f"There is no pipeline endpoint '{which}'", kind="endpoint", name=which)
    return found[0]


def behind(found: dict[str, Any], version: str | None) -> str:
    """The id of the published pipeline behind a version."""
    wanted = version or found["default_version"]
    behind = {one["version"]: str(one["pipeline"]) for one in found["versions"]}
    if wanted not in behind:
        raise NotFound(f"Endpoint '{found['name']}' has no version '{wanted}' (it has {', '.join(behind)})")
    return behind[wanted]


def _changed(call: Call, which: str, **said: Any) -> Any:
    found = find(call, which)
    call.client.patch(f"/endpoints/{found['id']}", said)
    return _entity(call, found["id"])


def _entity(call: Call, identity: str) -> Any:
    return call.v1(f"/PipelineEndpoints/{identity}")
