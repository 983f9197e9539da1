"""The command line itself, to which the other files of this folder add commands, and the options that they share."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    name="canalis",
    help="Runs machine-learning pipelines written for Azure ML v1, unchanged.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["--help", "-h"]},
    add_completion=False,
    pretty_exceptions_enable=False,
)

# By how a run stands, as Run.status has it; nothing is wrong with one that has not ended.
EXIT_CODES = {"Completed": 0, "Failed": 1, "Canceled": 3}

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or four characters or more of it.")]
WorkspaceName = Annotated[
    str | None, typer.Option("--workspace", "-w", help="Which of the folder's workspaces.", envvar="CANALIS_WORKSPACE")
]
