"""The command line itself, to which the other files of this folder add commands, and the options that they share."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    name="canalis",
    help="Runs machine-learning pipelines written for Azure ML v1, unchanged.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or four characters or more of it.")]
WorkspaceName = Annotated[
    str | None, typer.Option("--workspace", "-w", help="Which of the folder's workspaces.", envvar="CANALIS_WORKSPACE")
]
