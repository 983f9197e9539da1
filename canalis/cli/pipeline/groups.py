"""All verbs, in their groups: `canalis ml` has the words of `az ml`, so that a CI file changes the program's name."""

from __future__ import annotations

from canalis.cli.pipeline import drafts, endpoints, published, schedules, submit  # noqa: F401  each brings its verbs
from canalis.cli.pipeline.words import ENDPOINTS, endpoint, ml, pipeline, run

pipeline.add_typer(endpoint, name="endpoint", rich_help_panel=ENDPOINTS)
ml.add_typer(pipeline, name="pipeline", help="Published pipelines, their endpoints, schedules, drafts and runs.")
ml.add_typer(run, name="run")

__all__ = ["ml", "pipeline"]
