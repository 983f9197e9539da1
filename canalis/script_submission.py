"""A script or a command is submitted alone: as the only step of a pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from canalis.contract.run import ALONE
from canalis.dataset import DatasetConsumptionConfig, OutputFileDatasetConfig
from canalis.exceptions import UserErrorException
from canalis.pipeline import Pipeline
from canalis.runconfig import ScriptRunConfig
from canalis.script_run import ScriptRun
from canalis.steps import CommandStep, PipelineStep, PythonScriptStep
from canalis.submission import submit_draft
from canalis.within import Within


def submit_script(
    workspace: Within, experiment_name: str, config: ScriptRunConfig, tags: dict[str, Any] | None = None
) -> ScriptRun:
    """Start a run of what a ScriptRunConfig says. Raises UserErrorException when it says nothing that can run."""
    step = _step_of(config)
    pipeline = Pipeline(workspace, steps=[step])
    (node,) = pipeline.graph.nodes
    run: ScriptRun = submit_draft(pipeline._draft, experiment_name, tags=tags, properties={ALONE: node.key})
    if tags:
        run.set_tags(tags)
    return run


def _step_of(config: ScriptRunConfig) -> PipelineStep:
    if (config.script is None) == (not config.command):
        raise UserErrorException("A ScriptRunConfig that is submitted has a script, or a command, and not both")
    given = config.command if isinstance(config.command, list) else config.arguments
    parts: dict[str, Any] = {
        "inputs": [one for one in given if isinstance(one, DatasetConsumptionConfig)],
        "outputs": [one for one in given if isinstance(one, OutputFileDatasetConfig)],
        "compute_target": config.run_config.target,
        "runconfig": config.run_config,
        "source_directory": config.source_directory or ".",
        "allow_reuse": False,  # v1 reuses steps of pipelines and nothing else
    }
    if config.script is None:
        return CommandStep(command=_line(config), name="command", **parts)
    return PythonScriptStep(config.script, name=Path(config.script).stem, arguments=config.arguments, **parts)


def _line(config: ScriptRunConfig) -> str | list[Any]:
    """The command, whose arguments may stand beside it."""
    command = config.command or ""
    if not config.arguments:
        return command
    return [*(command if isinstance(command, list) else [command]), *config.arguments]
