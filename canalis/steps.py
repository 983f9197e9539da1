"""Steps of a pipeline, by their v1 names.

Source   reference section 10
"""

from __future__ import annotations

import shlex
import sys
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from canalis.absent import V1
from canalis.compute import name_of
from canalis.contract.graph import Argument, CommandWork, PythonWork, Settings, Work
from canalis.parameter import PipelineParameter
from canalis.runconfig import DURATION_DEFAULT_S, RunConfiguration, ScriptRunConfig
from canalis.wiring import Wiring

RUNCONFIG_PARAMETERS = (
    "NodeCount",
    "MpiProcessCountPerNode",
    "TensorflowWorkerCount",
    "TensorflowParameterServerCount",
)


class PipelineStep(V1):
    """What all steps have: a name, ports, an order.

    compute_target   an object, a name, (name, type), or a PipelineParameter that holds a name
    retries        tries after the first one, when the script fails or runs out of time
    retry_rest_s   rest before the first retry; doubles with each further one
    timeout_s      longest time one attempt may work; None takes the run configuration's limit, if it has one
    These three are new; v1 had no way to say them.
    """

    def __init__(
        self,
        name: str,
        inputs: Iterable[Any] | None = None,
        outputs: Iterable[Any] | None = None,
        arguments: Iterable[Any] | None = None,
        params: dict[str, Any] | None = None,
        compute_target: Any = None,
        runconfig: RunConfiguration | None = None,
        runconfig_pipeline_params: dict[str, Any] | None = None,
        source_directory: str | Path | None = None,
        allow_reuse: bool = True,
        version: str | None = None,
        retries: int = 0,
        retry_rest_s: float = 0.0,
        timeout_s: float | None = None,
    ) -> None:
        if not isinstance(name, str) or not name:
            raise ValueError(f"The name of a step must be text, not {name!r}")
        wrong = [key for key in runconfig_pipeline_params or {} if key not in RUNCONFIG_PARAMETERS]
        if wrong:
            raise ValueError(
                f"runconfig_pipeline_params of step '{name}' cannot set {', '.join(wrong)} "
                f"(it can: {', '.join(RUNCONFIG_PARAMETERS)})"
            )
        for what, listed in (("arguments", arguments), ("inputs", inputs), ("outputs", outputs)):
            if isinstance(listed, str):
                raise ValueError(f"The {what} of step '{name}' must be a list, not the text {listed!r}")
        self.name = name
        self.allow_reuse = allow_reuse
        self.version = version
        self._compute = compute_target
        self._runconfig = runconfig or RunConfiguration()
        self._source_directory = str(source_directory) if source_directory is not None else None
        self._after: list[PipelineStep] = []
        limit: float | None = self._runconfig.max_run_duration_seconds
        if limit == DURATION_DEFAULT_S:
            limit = None  # nobody has asked for it, and where a step may work for less it would be refused
        self._settings = Settings(
            retries=retries,
            retry_rest_s=retry_rest_s,
            timeout_s=timeout_s if timeout_s is not None else limit,
            reuse=allow_reuse,
            reuse_by_content="azureml" not in sys.modules,  # a script in v1's names counts on what v1 did
        )
        target = self._target()
        if isinstance(target, PipelineParameter) and not isinstance(target.default_value, str):
            raise ValueError(
                f"Parameter '{target.name}' is the compute target of step '{name}', so its default must be the name of "
                f"one, not {target.default_value!r}"
            )
        self._wiring = Wiring(name, inputs, outputs)
        self._sizing = {key: self._wiring.argument(value) for key, value in (runconfig_pipeline_params or {}).items()}
        self._arguments = [self._wiring.argument(given, params) for given in arguments or []]
        self._params = {key: self._wiring.argument(value) for key, value in (params or {}).items()}
        self._variables = {
            key: self._wiring.argument(value)
            for key, value in {
                **self._runconfig.environment.environment_variables,
                **self._runconfig.environment_variables,
            }.items()
        }

    def run_after(self, step: PipelineStep) -> None:
        """Start only when that step has succeeded, although no data passes between them."""
        if not isinstance(step, PipelineStep):
            raise TypeError(f"'{self.name}' can run after a step, not after {step!r}")
        if step not in self._after:
            self._after.append(step)

    @property
    def reuse_by_content(self) -> bool:
        """Whether the step runs again when files have changed at the places that it reads. Not in v1.

        Where nobody sets it, it is on, and off in a script that imports anything from azureml and in YAML: as in v1,
        only the names of places count there.
        """
        return self._settings.reuse_by_content

    @reuse_by_content.setter
    def reuse_by_content(self, counts: bool) -> None:
        self._settings = self._settings.model_copy(update={"reuse_by_content": bool(counts)})

    @property
    def runconfig(self) -> RunConfiguration:
        """How its script is to be run."""
        return self._runconfig

    def _claim_outputs(self) -> None:
        """Make this step the writer of its outputs. Raises ValueError when another one is already."""
        for port in self._wiring.outputs:
            port.what._set_producer(self)

    def _target(self) -> str | PipelineParameter | None:
        """Name of its compute target, or the parameter that names it; None for none, which is this machine."""
        if isinstance(self._compute, PipelineParameter):
            return self._compute
        target = name_of(self._compute) or self._runconfig.target
        return None if target == "local" else target

    def _work(self) -> Work:
        """What it does, as the graph says it."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it does")

    def _script(self) -> str | None:
        """The file that must be in its source directory, if there is one."""
        return None

    def _has_files(self) -> bool:
        """Whether it needs its source directory."""
        return True

    def _runs_here(self) -> bool:
        """Whether it is a script in an environment, and not work for another service."""
        return True

    def _script_faults(self, script: Path) -> list[str]:
        """What is wrong with the text of that file, which is there; said only where it can be known."""
        return []

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"


class PythonScriptStep(PipelineStep):
    """Runs a Python script."""

    def __init__(
        self,
        script_name: str,
        name: str | None = None,
        arguments: list[Any] | None = None,
        compute_target: Any = None,
        runconfig: RunConfiguration | None = None,
        runconfig_pipeline_params: dict[str, Any] | None = None,
        inputs: list[Any] | None = None,
        outputs: list[Any] | None = None,
        params: dict[str, Any] | None = None,
        source_directory: str | Path | None = None,
        allow_reuse: bool = True,
        version: str | None = None,
        hash_paths: list[str] | None = None,
        *,
        target: Any = None,
        retries: int = 0,
        retry_rest_s: float = 0.0,
        timeout_s: float | None = None,
    ) -> None:
        if not isinstance(script_name, str) or not script_name:
            raise ValueError(f"script_name must be text, not {script_name!r}")
        if target is not None:
            warnings.warn("`target` was never a parameter of v1; use compute_target", UserWarning, stacklevel=2)
        if hash_paths is not None:
            warnings.warn("`hash_paths` has had no effect since v1's release 1.0.48", DeprecationWarning, stacklevel=2)
        self.script_name = script_name
        super().__init__(
            name or script_name,
            inputs,
            outputs,
            arguments,
            params,
            compute_target if compute_target is not None else target,
            _plain(runconfig),
            runconfig_pipeline_params,
            source_directory,
            allow_reuse,
            version,
            retries,
            retry_rest_s,
            timeout_s,
        )
        self._claim_outputs()

    def _work(self) -> Work:
        return PythonWork(script=self.script_name.removeprefix("./"))

    def _script(self) -> str | None:
        return self.script_name


class CommandStep(PipelineStep):
    """Runs a command line in its source directory.

    command   text as it would be typed, or a list whose first item is such text and whose others are arguments
    """

    def __init__(
        self,
        command: str | list[Any] | None = None,
        name: str | None = None,
        compute_target: Any = None,
        runconfig: RunConfiguration | ScriptRunConfig | None = None,
        runconfig_pipeline_params: dict[str, Any] | None = None,
        inputs: list[Any] | None = None,
        outputs: list[Any] | None = None,
        params: dict[str, Any] | None = None,
        source_directory: str | Path | None = None,
        allow_reuse: bool = True,
        version: str | None = None,
        *,
        retries: int = 0,
        retry_rest_s: float = 0.0,
        timeout_s: float | None = None,
    ) -> None:
        script_config = runconfig if isinstance(runconfig, ScriptRunConfig) else None
        command = command or _command_of(runconfig)
        if not command:
            raise ValueError("A CommandStep needs a command, or a runconfig that has one")
        head, *rest = command if isinstance(command, list) else [command]
        words = shlex.split(head) if isinstance(head, str) else []
        if source_directory is None and script_config is not None:
            source_directory = script_config.source_directory
        super().__init__(
            name or f"CommandStep_{words[0] if words else 'command'}",
            inputs,
            outputs,
            rest,
            params,
            compute_target,
            _plain(runconfig),
            runconfig_pipeline_params,
            source_directory,
            allow_reuse,
            version,
            retries,
            retry_rest_s,
            timeout_s,
        )
        if self._source_directory is not None and not Path(self._source_directory).is_dir():
            raise ValueError(f"The source directory '{self._source_directory}' of step '{self.name}' is not there")
        self._line: Argument = self._wiring.argument(head)
        self._claim_outputs()

    def _work(self) -> Work:
        return CommandWork(line=self._line)


class StepSequence:
    """Steps one after the other. An element that is a list is a group of steps side by side."""

    def __init__(self, steps: Iterable[Any] | None = None) -> None:
        self.steps = list(steps or [])

    def __iter__(self) -> Iterator[Any]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)


def _plain(runconfig: RunConfiguration | ScriptRunConfig | None) -> RunConfiguration | None:
    return runconfig.run_config if isinstance(runconfig, ScriptRunConfig) else runconfig


def _command_of(runconfig: RunConfiguration | ScriptRunConfig | None) -> str | list[Any] | None:
    """The command that a configuration holds, or the script that it names, as a command."""
    if runconfig is None:
        return None
    if runconfig.command:
        return runconfig.command
    if runconfig.script:
        return ["python", runconfig.script, *runconfig.arguments]
    return None
