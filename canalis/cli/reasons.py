"""Why steps run, or need not: before a script submits anything, and of runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from canalis.cli import output, where
from canalis.cli.words import Json, RunId, WorkspaceName, app
from canalis.planning import planned_step, planning, tell_plan


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def plan(
    context: typer.Context,
    script: Annotated[Path, typer.Argument(help="A Python script that builds and submits a pipeline.")],
    trace: Annotated[bool, typer.Option("--traceback", help="Show errors with all frames, ours too.")] = False,
    as_json: Json = False,
) -> None:
    """Say which steps a script would run, and why, without running them.

    The script itself is run, up to the place where it submits its pipeline, and ends there: what it registers before
    that stays registered, and what comes after that is not planned, as is said at the end. Of each step that would
    run, exactly the ingredients that have changed are named, with both values.
    """
    from canalis.cli.scripts import run_script

    with planning() as found:
        run_script(script, context.args, quiet=as_json, with_trace=trace)
    if as_json:
        output.print_json([[asdict(step) for step in one] for one in found.plans])
        return
    if not found.plans:
        print(f"{script} has submitted no pipeline")
    for one in found.plans:
        tell_plan(one)
    if left_out := found.left_out(str(script)):
        print(left_out)


@app.command()
def why(run: RunId, workspace: WorkspaceName = None, as_json: Json = False) -> None:
    """Say why the steps of a run ran, or did not; or one step of it."""
    client = where.holding(workspace, run)._client
    identity = client.get(f"/runs/{quote(run)}")["id"]
    found = client.get(f"/runs/{quote(identity)}/reasons")
    if as_json:
        output.print_json(found)
    else:
        tell_plan([planned_step(view) for view in found], is_over=True)
