"""What becomes of environments that ask for packages: a setting of the workspace."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from canalis.cli import output, where
from canalis.cli.words import Json, WorkspaceName, app
from canalis.contract.environments import MODES
from canalis.exceptions import UserErrorException

_SAID = {
    "build": "Environments are built: a step that asks for packages runs in a virtual environment of its own",
    "record": "Environments are recorded: all steps run in the interpreter that has submitted them",
}


@app.command("environments")
def environments(
    mode: Annotated[str | None, typer.Argument(metavar="[build|record]", help="What to do from now on.")] = None,
    workspace: WorkspaceName = None,
    as_json: Json = False,
) -> None:
    """Say whether environments are built or only recorded, or change it."""
    if mode is not None and mode not in MODES:
        raise UserErrorException(f"'{mode}' is neither `build` nor `record`", code="bad_request")
    if mode is None:
        found: dict[str, Any] = where.workspace(workspace)._client.get("/workspace/environments")
    else:
        found = where.workspace_or_new(workspace)._client.put(f"/workspace/environments/{mode}")
    if as_json:
        output.print_json(found)
    else:
        print(_SAID[found["mode"]])
