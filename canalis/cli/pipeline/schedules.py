"""Schedules: made from v1's YAML files or a cron expression, looked at before and after, switched on and off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from canalis.cli import output
from canalis.cli.pipeline.endpoints import behind, find
from canalis.cli.pipeline.published import path_of
from canalis.cli.pipeline.submit import Given
from canalis.cli.pipeline.timetable import moment_here, rule_words, timetable, when
from canalis.cli.pipeline.verbs import Call, verb
from canalis.cli.pipeline.words import SCHEDULES, All, OneParameter, Parameters, ScheduleId, pipeline
from canalis.contract.errors import CanalisError, ScheduleInvalid
from canalis.contract.published import check_id
from canalis.exceptions import UserErrorException

StartedPipeline = Annotated[str | None, typer.Option("--pipeline-id", "-i", help="Id of the pipeline that it starts.")]
Endpoint = Annotated[
    str | None, typer.Option("--endpoint", help="Name or id of the endpoint that it starts, in its default version.")
]
Yaml = Annotated[Path | None, typer.Option("--schedule-yaml", "-y", help="YAML file of a schedule.")]
Cron = Annotated[
    str | None, typer.Option("--cron", metavar="EXPRESSION", help="In the place of a file: '0 7 * * 1-5'.")
]
Zone = Annotated[str, typer.Option("--time-zone", help="Of the cron expression: a Windows or an IANA name.")]


@verb(pipeline, "create-schedule", SCHEDULES)
def create_schedule(
    call: Call,
    name: Annotated[str, typer.Option("--name", "-n", help="Its name.")],
    experiment_name: Annotated[
        str, typer.Option("--experiment-name", "-e", help="The experiment that its runs belong to.")
    ],
    pipeline_id: StartedPipeline = None,
    endpoint: Endpoint = None,
    schedule_yaml: Yaml = None,
    cron: Cron = None,
    time_zone: Zone = "UTC",
    parameters: Parameters = None,
    parameter: OneParameter = None,
) -> Any:
    """Make a schedule of a published pipeline or of an endpoint. A recurrence without a start time runs at once.

    `canalis pipeline preview-schedule` takes the same and makes nothing.
    """
    from canalis.schedule import Schedule

    which, started = _started(call, pipeline_id, endpoint)
    given = Given(parameters, parameter, None)
    arguments = _rule(call, schedule_yaml, cron, time_zone)
    values = given.fit(call.client.get(f"/pipelines/{started}/graph")) if given else {}
    arguments["pipeline_parameters"] = {**(arguments.get("pipeline_parameters") or {}), **values}
    make = Schedule.create if pipeline_id is not None else Schedule.create_for_pipeline_endpoint
    made = _mendable(lambda: make(call.workspace, name, which, experiment_name, **arguments))
    return _entity(call, made.id)


def _print_preview(answer: Any) -> None:
    rows = [(one["local"].replace("T", " "), one["utc"].replace("T", " ")) for one in answer["next"]]
    if rows:
        output.table((answer["time_zone"], "UTC"), rows)
    else:
        print("It would never fire, or only when data changes")
    for warning in answer["warnings"]:
        print(warning)


@verb(pipeline, "preview-schedule", SCHEDULES, people=_print_preview)
def preview_schedule(
    call: Call,
    pipeline_id: StartedPipeline = None,
    endpoint: Endpoint = None,
    schedule_yaml: Yaml = None,
    cron: Cron = None,
    time_zone: Zone = "UTC",
    count: Annotated[int, typer.Option("--count", min=1, max=500, help="How many.")] = 20,
) -> Any:
    """Show when a schedule would fire if it were made now, by the clocks of its zone and in UTC. Makes nothing."""
    from canalis.scheduling import Watch, terms_of, trigger_of

    which, _ = _started(call, pipeline_id, endpoint)
    arguments = _rule(call, schedule_yaml, cron, time_zone)
    watch = Watch(
        arguments.get("datastore"),
        arguments.get("polling_interval"),
        arguments.get("data_path_parameter_name"),
        arguments.get("path_on_datastore"),
    )
    body = {
        **terms_of("", None, "preview", arguments.get("pipeline_parameters"), None, {}),
        "pipeline" if pipeline_id is not None else "endpoint": which,
        "trigger": _mendable(lambda: trigger_of(arguments["recurrence"], watch, {})),
    }
    return timetable(body["trigger"], call.client.post("/schedules/preview", body, count=count))


@verb(pipeline, "update-schedule", SCHEDULES)
def update_schedule(
    call: Call,
    schedule_id: ScheduleId,
    name: Annotated[str | None, typer.Option("--name", "-n", help="Another name.")] = None,
    status: Annotated[str | None, typer.Option("--status", "-t", help="Active or Disabled.")] = None,
    schedule_yaml: Yaml = None,
) -> Any:
    """Change a schedule; what is not given stays. With another recurrence it counts from now on."""
    from canalis.schedule import Schedule

    if status is not None and status.capitalize() not in ("Active", "Disabled"):
        raise UserErrorException(f"--status is Active or Disabled, not '{status}'")
    found = Schedule(call.workspace, call.client.get(_path(schedule_id)))
    arguments = _rule(call, schedule_yaml, None, "UTC") if schedule_yaml is not None else {}
    if arguments.get("datastore") is None:
        arguments.pop("polling_interval", None)  # it is always there: v1's default
    said = {key: value for key, value in arguments.items() if value not in (None, {})}
    word = status.capitalize() if status else None
    _mendable(lambda: found.update(name=name, status=word, **said))
    return _entity(call, schedule_id)


@verb(pipeline, "show-schedule", SCHEDULES)
def show_schedule(call: Call, schedule_id: ScheduleId) -> Any:
    """Show a schedule."""
    call.client.get(_path(schedule_id))
    return _entity(call, schedule_id)


@verb(pipeline, "enable-schedule", SCHEDULES)
def enable_schedule(call: Call, schedule_id: ScheduleId) -> Any:
    """Let a schedule start runs, from its next tick on."""
    call.client.patch(_path(schedule_id), {"status": "Active"})
    return _entity(call, schedule_id)


@verb(pipeline, "disable-schedule", SCHEDULES)
def disable_schedule(call: Call, schedule_id: ScheduleId) -> Any:
    """Let a schedule start nothing until it is enabled again. Runs under way go on."""
    call.client.patch(_path(schedule_id), {"status": "Disabled"})
    return _entity(call, schedule_id)


@verb(pipeline, "last-pipeline-run", SCHEDULES)
def last_pipeline_run(call: Call, schedule_id: ScheduleId) -> Any:
    """Show the run that a schedule has started last; null when it has started none."""
    found = call.client.get(_path(schedule_id))
    last = call.v1(f"/PipelineRuns/Schedule/{schedule_id}/Last")
    if last is None:
        print(f"Schedule '{found['name']}' has started no run yet")
    return last


@verb(pipeline, "pipeline-runs-list", SCHEDULES)
def pipeline_runs_list(call: Call, schedule_id: ScheduleId) -> Any:
    """List the last 100 runs that a schedule has started, newest first."""
    call.client.get(_path(schedule_id))
    return call.v1(f"/PipelineRuns/Schedule/{schedule_id}")


def _print_list(answer: Any) -> None:
    rows = [
        (
            one["Name"],
            one["EntityStatus"],
            rule_words(one),
            when(one["NextRunTimes"]),
            one["PipelineId"] or f"endpoint {one['PipelineEndpointId']}",
            one["Id"],
        )
        for one in answer
    ]
    if rows:
        output.table(("schedule", "status", "fires", "next", "starts", "id"), rows)
    else:
        print("No schedules. `canalis pipeline create-schedule` makes one; --all lists those that are disabled too.")


@verb(pipeline, "list-schedules", SCHEDULES, people=_print_list)
def list_schedules(
    call: Call, pipeline_id: StartedPipeline = None, endpoint: Endpoint = None, everything: All = False
) -> Any:
    """List the schedules, newest first; those of a published pipeline or of an endpoint when one is named."""
    column, wanted = ("PipelineId", pipeline_id) if endpoint is None else ("PipelineEndpointId", None)
    if endpoint is not None:
        wanted = find(call, endpoint)["id"]
    elif pipeline_id is not None:
        call.client.get(path_of(pipeline_id))
    found = call.v1("/Schedules", activeOnly=not everything)
    return [one for one in found if wanted in (None, one[column])]


def _print_firings(answer: Any) -> None:
    rows = [(moment_here(one["at"]), one["outcome"], one["run"] or "", _why(one)) for one in answer]
    if rows:
        output.table(("tick", "outcome", "run", ""), rows)
    else:
        print("It has not fired yet")


def _why(firing: dict[str, Any]) -> str:
    several = f"{firing['count']} until {moment_here(firing['until'])} " if firing["until"] else ""
    changed = f"({', '.join(firing['changed'][:3])})" if firing["changed"] else ""
    return " ".join(part for part in (several.strip(), firing["why"], changed) if part)


@verb(pipeline, "firings", SCHEDULES, people=_print_firings)
def firings(
    call: Call,
    schedule_id: ScheduleId,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="How many.")] = 50,
) -> Any:
    """List what became of a schedule's last ticks, newest first: runs that it started, what was missed, and why."""
    return call.client.get(f"{_path(schedule_id)}/firings", limit=limit)


def _print_deleted(answer: Any) -> None:
    print(f"Schedule {answer['Id']} is deleted; its runs stay")


@verb(pipeline, "delete-schedule", SCHEDULES, people=_print_deleted)
def delete_schedule(call: Call, schedule_id: ScheduleId) -> Any:
    """Delete a schedule; its runs stay."""
    call.client.get(_path(schedule_id))  # what was never there is not deleted
    call.client.delete(_path(schedule_id))
    return {"Id": schedule_id, "Deleted": True}


def _rule(call: Call, file: Path | None, cron: str | None, time_zone: str) -> dict[str, Any]:
    """The arguments of Schedule.create that say when it fires."""
    from canalis.recurrence import Cron as Expression
    from canalis.schedule import Schedule

    if (file is None) == (cron is None):
        raise UserErrorException("Say when it fires: -y FILE with a recurrence or a datastore, or --cron '0 7 * * 1-5'")
    if cron is not None:
        return {"recurrence": _mendable(lambda: Expression(cron, time_zone))}
    found = Schedule.load_yaml(call.workspace, file)
    for name in ("wait_for_provisioning", "wait_timeout"):  # a schedule can be used as soon as it is made
        found.pop(name)
    return found


def _mendable(question: Callable[[], Any]) -> Any:
    """What the SDK answers. A ValueError of its is the author's to mend, and no error of ours."""
    try:
        return question()
    except CanalisError:
        raise
    except ValueError as error:
        raise ScheduleInvalid(str(error)) from error


def _started(call: Call, pipeline_id: str | None, endpoint: str | None) -> tuple[str, str]:
    """The id of what a schedule starts, and of the published pipeline that this is just now."""
    if (pipeline_id is None) == (endpoint is None):
        raise UserErrorException("Name what it starts: -i ID of a published pipeline, or --endpoint NAME")
    if pipeline_id is not None:
        call.client.get(path_of(pipeline_id))
        return pipeline_id, pipeline_id
    found = find(call, str(endpoint))
    return str(found["id"]), behind(found, None)


def _path(identity: str) -> str:
    return f"/schedules/{check_id('schedule', identity)}"


def _entity(call: Call, identity: str) -> Any:
    return call.v1(f"/Schedules/{identity}")
