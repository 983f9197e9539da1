"""The words of the command line. Each says what it does; how it looks is in canalis.cli.output."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from canalis import host, local
from canalis.cli import (  # each brings its commands
    audit,  # noqa: F401
    deploy,  # noqa: F401
    environments,  # noqa: F401
    figures,
    here,  # noqa: F401
    kept,
    models,  # noqa: F401
    output,
    portal,
    reasons,  # noqa: F401
    secrets,  # noqa: F401
    where,
)
from canalis.cli import retention as _retention  # noqa: F401
from canalis.cli.later import later
from canalis.cli.words import EXIT_CODES, Json, RunId, WorkspaceName, app
from canalis.contract.version import VERSION
from canalis.exceptions import UserErrorException

if TYPE_CHECKING:
    from canalis.workspace import Workspace

compute = typer.Typer(help="Compute targets: here, how many steps run at once under a name.", no_args_is_help=True)
app.add_typer(compute, name="compute")
later(
    app, "pipeline", "canalis.cli.pipeline.groups", "Published pipelines, their endpoints, schedules, drafts and runs."
)
later(
    app,
    "ml",
    "canalis.cli.pipeline.groups",
    "What `az ml` had for pipelines: the verbs of `canalis pipeline`, by its words.",
)


@app.callback(invoke_without_command=True)
def version_option(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """Runs machine-learning pipelines written for Azure ML v1, unchanged."""
    if version:
        print(VERSION)
        raise typer.Exit


@app.command(context_settings={"allow_extra_args": True, "allow_interspersed_args": False})
def run(
    context: typer.Context,
    script: Annotated[Path, typer.Argument(help="A Python script that builds and submits a pipeline.")],
    wait: Annotated[bool, typer.Option(help="Wait for the runs that the script has submitted.")] = True,
    trace: Annotated[bool, typer.Option("--traceback", help="Show errors with all frames, ours too.")] = False,
    as_json: Json = False,
) -> None:
    """Run a v1 script as it is. What follows the script's name is the script's own; our options come before it.

    The exit code says how its runs ended: 0 completed, 1 failed (or the script did), 3 cancelled; what the script
    says by sys.exit counts for the runs that it has waited for itself. Ctrl-C leaves the runs to themselves.
    """
    from canalis.cli.scripts import run_script, says_what_goes_on

    with says_what_goes_on():
        ran = run_script(script, context.args, quiet=as_json, with_trace=trace)
        judged = [submitted for submitted in ran.runs if not (ran.has_left and submitted._was_waited_for)]
        views = {run.id: _followed(run, show=wait and not as_json, wait=wait) for run in ran.runs}
    if as_json:
        output.print_json([*views.values()])
    raise typer.Exit(max((EXIT_CODES.get(views[run.id]["run_status_v1"], 0) for run in judged), default=0))


@app.command()
def demo(as_json: Json = False) -> None:
    """Run the example pipeline: prepare real data, train two models side by side, compare them."""
    from canalis.cli.scripts import demo_script, run_script, says_what_goes_on

    with says_what_goes_on():
        runs = run_script(demo_script(), [], quiet=as_json).runs
        view = _followed(runs[-1], show=not as_json, wait=True)
    workspace = runs[-1].experiment.workspace
    steps = workspace._client.get(f"/runs/{quote(view['id'])}/steps")
    metrics = {step["name"]: runs[-1].find_step_run(step["name"])[0].get_metrics() for step in steps}
    if as_json:
        output.print_json({"run": view, "steps": steps, "metrics": metrics})
    else:
        output.print_demo(workspace, view, steps, metrics, portal.portal_link(workspace, f"/runs/{view['id']}"))
    raise typer.Exit(EXIT_CODES.get(view["run_status_v1"], 1))


@app.command()
def serve(
    port: Annotated[int | None, typer.Option(help="The port; the last one used, or any, when not given.")] = None,
    workspace: WorkspaceName = None,
) -> None:
    """Serve the folder's workspace until Ctrl-C. Usually not needed: a script starts the service by itself."""
    chosen = where.workspace_or_new(workspace)
    root = chosen._root
    if root is None:
        raise UserErrorException(
            f"There is nothing to serve here: workspace '{chosen.name}' is served at {chosen._host}"
        )
    found = local.running(root)
    if found is not None:
        print(f"Canalis serves workspace '{root.name}' already, at {found.url} (process {local.process_id(root)})")
        return
    command = [sys.executable, "-P", str(local._DOOR), "--root", str(root)]
    os.execve(command[0], [*command, *(["--port", str(port)] if port else [])], local._service_environment())


@app.command()
def stop(workspace: WorkspaceName = None, as_json: Json = False) -> None:
    """End the folder's service. Steps that run go on, and are found again when it is next started."""
    root = local.home() / local.DEFAULT_NAME
    process, still = None, 0
    configured = host.configured()
    is_elsewhere = configured is not None and configured.folder is None
    # Without any of these nothing runs here, and nothing is to be made.
    if workspace is not None or local.workspaces(local.home()) or is_elsewhere:
        found = where.workspace(workspace)
        if found._root is None:
            raise UserErrorException(
                f"There is nothing to stop here: workspace '{found.name}' is served at {found._host}"
            )
        root = found._root
        if local.running(root) is not None:
            still = len(found._client.get("/runs", status=["running", "failing", "cancelling"], limit=500))
        process = local.stop(root)
    if as_json:
        output.print_json({"workspace": root.name, "stopped": process is not None, "open_runs": still})
        return
    print("Canalis is not running here" if process is None else f"Canalis has stopped (process {process})")
    if still:
        what = "1 run is" if still == 1 else f"{still} runs are"
        print(f"{what} still open, and will go on with the next `canalis serve` or script")


@app.command()
def runs(
    experiment: Annotated[str | None, typer.Option("--experiment", "-e", help="Only runs of this one.")] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(help="Only runs that stand so, in the table's words or ours: Running, Failed, cancelled..."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="How many.")] = 20,
    workspace: WorkspaceName = None,
    as_json: Json = False,
) -> None:
    """List runs, newest first."""
    found = where.workspace(workspace)._client.get("/runs", experiment=experiment, status=status, limit=limit)
    if as_json:
        output.print_json(found)
    else:
        output.print_runs(found, is_filtered=bool(experiment or status))


@app.command()
def show(
    run: RunId,
    watch: Annotated[bool, typer.Option("--watch", "-f", help="Keep showing it until it has ended.")] = False,
    times: Annotated[bool, typer.Option("--times", help="Where the time of each step went, and of the run.")] = False,
    cost: Annotated[bool, typer.Option("--cost", help="Its storage operations and messages, counted.")] = False,
    workspace: WorkspaceName = None,
    as_json: Json = False,
) -> None:
    """Show a run, its steps and what they logged, or one step and where its time went."""
    client = where.holding(workspace, run)._client
    shown = output.Shown(client, run)
    if watch and not as_json:
        output.watch(shown)
        return
    found = shown.read()
    found["children"] = client.get(f"/runs/{quote(found['run']['id'])}/children")
    found["metrics"] = kept.metrics_of(client, found["run"], found["steps"])
    asked = [noun for noun, wanted in (("times", times), ("cost", cost)) if wanted]
    found |= {noun: shown.figures(noun, found["run"]) for noun in asked}
    if as_json:
        output.print_json(found)
    else:
        figures.print_shown(found)
        kept.print_metrics(found["metrics"], found["run"], found["steps"])
        kept.print_parameters(found["run"], found["steps"])
        kept.print_children(found["children"])


@app.command()
def logs(
    run: RunId,
    step: Annotated[str | None, typer.Option("--step", "-s", help="Only this step.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing until the run has ended.")] = False,
    workspace: WorkspaceName = None,
    as_json: Json = False,
) -> None:
    """Print what the steps of a run have printed."""
    from canalis.pipeline_run import StepRun
    from canalis.progress import Follower, PlainDisplay
    from canalis.run import Run
    from canalis.telling import label

    found = Run.get(where.holding(workspace, run), run)
    steps = [found] if isinstance(found, StepRun) else [*found.get_children()]
    chosen = [one for one in steps if step is None or step in (one.name, one._node_id)]  # type: ignore[attr-defined]
    if step is not None and not chosen:
        names = ", ".join(label(one._view(allow_old=True)) for one in steps)
        raise UserErrorException(f"Run {found.id} has no step '{step}' (it has: {names})")
    if as_json:
        output.print_json({one.id: one.get_stdout_log() for one in chosen})  # type: ignore[attr-defined]
    elif follow:
        Follower(chosen[0] if step is not None else found, PlainDisplay()).wait()
    else:
        output.print_logs([(label(one._view(allow_old=True)), one.get_stdout_log()) for one in chosen])  # type: ignore[attr-defined]


@app.command()
def cancel(
    run: RunId,
    wait: Annotated[bool, typer.Option(help="Wait until everything has stopped.")] = True,
    workspace: WorkspaceName = None,
    as_json: Json = False,
) -> None:
    """Stop a run and everything that runs for it."""
    client = where.holding(workspace, run)._client
    view = client.post(f"/runs/{quote(run)}/cancel")
    while wait and view["run_status_v1"] not in EXIT_CODES:
        time.sleep(0.1)
        view = client.get(f"/runs/{quote(view['id'])}")
    if as_json:
        output.print_json(view)
    else:
        print(f"Run {view['id']} is {view['status']}")


@app.command()
def resume(
    run: RunId,
    from_steps: Annotated[
        list[str] | None, typer.Option("--from", metavar="STEP", help="Run this step again, and all after it.")
    ] = None,
    only_failed: Annotated[
        bool, typer.Option("--only-failed", help="Keep what succeeded even after a step that runs again.")
    ] = False,
    parameters: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="Another value than before.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the new run.")] = True,
    workspace: WorkspaceName = None,
    as_json: Json = False,
) -> None:
    """Go on from a run that has ended: a new run keeps what succeeded and is still valid, and runs the rest.

    The new run has the graph and the files of the old one: after a change to a script, submit the pipeline anew.
    """
    from canalis.cli.scripts import says_what_goes_on
    from canalis.submission import resume_run

    found = where.holding(workspace, run)
    values = _typed(found, run, parameters or [])
    with says_what_goes_on():
        with output.prints_aside(as_json):
            resumed = resume_run(found, run, from_steps or (), only_failed, values)
        view = _followed(resumed, show=wait and not as_json, wait=wait)
    if as_json:
        output.print_json(view)
    raise typer.Exit(EXIT_CODES.get(view["run_status_v1"], 0))


@compute.command("list")
def compute_list(workspace: WorkspaceName = None, as_json: Json = False) -> None:
    """List the compute targets."""
    found = where.workspace(workspace)._client.get("/computes")
    if as_json:
        output.print_json(found)
    else:
        output.print_computes(found)


@compute.command("create")
def compute_create(
    name: Annotated[str, typer.Argument(help="Its name, as scripts use it.")],
    max_nodes: Annotated[int, typer.Option(min=1, help="How many steps it runs at once.")] = 1,
    workspace: WorkspaceName = None,
    as_json: Json = False,
) -> None:
    """Create or change a compute target, for scripts that expect one to be there."""
    from canalis.compute import AmlCompute, ComputeTarget

    chosen = where.workspace_or_new(workspace)
    made = ComputeTarget.create(chosen, name, AmlCompute.provisioning_configuration(max_nodes=max_nodes))
    if as_json:
        output.print_json(made._document)
    else:
        print(
            f"Compute target '{made.name}' runs {max_nodes} steps at once{' on this machine' if chosen._root else ''}"
        )


def _followed(submitted: Any, show: bool, wait: bool) -> dict[str, Any]:
    """A run's view, at its end when it is waited for. What the script has waited for itself is not shown again."""
    from canalis.progress import follow

    if not wait or submitted._was_waited_for:
        view: dict[str, Any] = submitted._view()
        return view
    view = follow(submitted, show)
    submitted._was_waited_for = True
    return view


def _typed(workspace: Workspace, run: str, given: list[str]) -> dict[str, Any]:
    """Parameters as they were typed, each read as a value of the type that it has in the run's graph."""
    from canalis.contract.parameters import value_from

    wrong = [text for text in given if "=" not in text]
    if wrong:
        raise UserErrorException(f"'{wrong[0]}' is not NAME=VALUE")
    graph = workspace._client.get(f"/runs/{quote(run)}/graph") if given else {"parameters": []}
    types = {parameter["name"]: parameter["type"] for parameter in graph["parameters"]}
    pairs = (text.partition("=") for text in given)
    # One that is not there is told by the service, which names those that are.
    return {name: value_from(name, types.get(name, "string"), value) for name, _, value in pairs}
