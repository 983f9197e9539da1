"""The groups that the verbs belong to, and the options that several of them have, as `az ml` spelt them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from canalis.cli.later import AZ_SETTINGS

# What `--help` lists them under.
PUBLISHED, RUNS, SCHEDULES, DRAFTS, ENDPOINTS = "Published pipelines", "Runs", "Schedules", "Drafts", "Endpoints"
COMMON_PANEL = "Common options"

pipeline = typer.Typer(no_args_is_help=True, context_settings=AZ_SETTINGS)
endpoint = typer.Typer(no_args_is_help=True, help="Names and addresses that stay while the pipelines behind change.")
run = typer.Typer(no_args_is_help=True, help="Runs of pipelines.")
ml = typer.Typer(no_args_is_help=True, context_settings=AZ_SETTINGS)

PipelineId = Annotated[str, typer.Option("--pipeline-id", "-i", help="Id of a published pipeline.")]
DraftId = Annotated[str, typer.Option("--pipeline-draft-id", "-i", help="Id of a draft.")]
ScheduleId = Annotated[str, typer.Option("--schedule-id", "-s", help="Id of a schedule.")]
Yaml = Annotated[Path, typer.Option("--pipeline-yaml", "-y", help="YAML file of a pipeline.")]
Continue = Annotated[
    str | None,
    typer.Option("--continue", "-c", metavar="true|false", help="Whether other steps go on when one fails."),
]
Description = Annotated[str | None, typer.Option("--description", "-d", help="What it is for.")]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--parameters",
        "-p",
        metavar="A=1,B=2",
        help="Values of parameters. One with a comma in it stands in double quotes: -p 'a=\"x,y\",b=2'.",
    ),
]
OneParameter = Annotated[
    list[str] | None,
    typer.Option("--parameter", metavar="NAME=VALUE", help="Value of one parameter, as it is: commas and quotes too."),
]
DataPaths = Annotated[
    list[str] | None,
    typer.Option("--datapaths", "-d", metavar="P=STORE/PATH", help="Values of data path parameters."),
]
Experiment = Annotated[
    str | None,
    typer.Option(
        "--experiment-name",
        "--experiment_name",
        "-n",
        help="The experiment that the run belongs to; the pipeline's name when not given.",
    ),
]
Wait = Annotated[
    bool,
    typer.Option("--wait", help="Wait for the run, show what happens, and exit with 0, 1 (failed) or 3 (cancelled)."),
]
Key = Annotated[
    str | None,
    typer.Option("--idempotency-key", metavar="KEY", help="The same call with the same key is the same run."),
]
All = Annotated[bool, typer.Option("--all", help="Those that are disabled, too.")]
