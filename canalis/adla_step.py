"""A step of U-SQL, which Data Lake Analytics ran until it was retired on 2024-02-29, and DuckDB runs here.

Source   reference section 10
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from canalis.adla_compute import TYPE
from canalis.compute import ComputeTarget
from canalis.contract.graph import Argument, CommandWork, InputPath, OutputPath, Work
from canalis.parameter import PipelineParameter
from canalis.steps import PipelineStep

LINE = "python -m canalis.usql"  # the program that runs a script, in the interpreter of the step


class AdlaStep(PipelineStep):
    """Runs a U-SQL script. In it `@@name@@` is the path of an input or output, or the value of a parameter.

    script_name             its file, below source_directory
    params                  values by name; a PipelineParameter among them is the value that a run gives it
    degree_of_parallelism   how many cores it may use; None for all
    priority, runtime_version   what the service was told; they change nothing
    Raises ValueError for a compute target of another kind. What is wrong with the script is told by Pipeline(...),
    where `canalis[usql]` is installed, and by the step before it does anything
    """

    def __init__(
        self,
        script_name: str,
        name: str | None = None,
        inputs: list[Any] | None = None,
        outputs: list[Any] | None = None,
        params: dict[str, Any] | None = None,
        degree_of_parallelism: int | None = None,
        priority: int | None = None,
        runtime_version: str | None = None,
        compute_target: Any = None,
        source_directory: str | Path | None = None,
        allow_reuse: bool = True,
        version: str | None = None,
        hash_paths: list[str] | None = None,
        *,
        retries: int = 0,
        retry_rest_s: float = 0.0,
        timeout_s: float | None = None,
    ) -> None:
        if not isinstance(script_name, str) or not script_name:
            raise ValueError(f"script_name must be text, not {script_name!r}")
        if degree_of_parallelism is not None and not _is_count(degree_of_parallelism):
            raise ValueError(f"degree_of_parallelism must be a whole number from 1, not {degree_of_parallelism!r}")
        if isinstance(compute_target, ComputeTarget) and compute_target.type != TYPE:
            raise ValueError(f"'{compute_target.name}' is a {compute_target.type}; an AdlaStep runs on an AdlaCompute")
        if hash_paths is not None:
            warnings.warn("`hash_paths` has had no effect since v1's release 1.0.48", DeprecationWarning, stacklevel=2)
        self.script_name = script_name
        super().__init__(
            name or script_name,
            inputs,
            outputs,
            compute_target=compute_target,
            source_directory=source_directory,
            allow_reuse=allow_reuse,
            version=version,
            retries=retries,
            retry_rest_s=retry_rest_s,
            timeout_s=timeout_s,
        )
        self._given = dict(params or {})
        self._arguments = usql_arguments(
            script_name,
            [port.name for port in self._wiring.inputs],
            [port.name for port in self._wiring.outputs],
            {key: self._wiring.argument(value) for key, value in self._given.items()},
            degree_of_parallelism,
        )
        self._claim_outputs()

    def _work(self) -> Work:
        return CommandWork(line=(LINE,))

    def _script(self) -> str | None:
        return self.script_name

    def _script_faults(self, script: Path) -> list[str]:
        """What is wrong with the text of the script, as far as the engine is here to say so."""
        try:
            from canalis.usql.faults import ScriptInvalid
            from canalis.usql.running import Engine
        except ImportError:  # it may be there where the step runs, which tells all of it as well
            return []
        ports = [port.name for port in self._wiring.inputs] + [port.name for port in self._wiring.outputs]
        values = {name: f"/{name}" for name in ports} | {key: _text(value) for key, value in self._given.items()}
        try:
            with Engine(threads=1) as engine:
                engine.plan(script.read_text(encoding="utf-8-sig"), values)
        except ScriptInvalid as error:
            return [f"Script '{self.script_name}' of step '{self.name}': {fault}" for fault in error.faults]
        except UnicodeDecodeError:
            return [f"Script '{self.script_name}' of step '{self.name}' is no text in UTF-8"]
        except ModuleNotFoundError:  # DuckDB
            return []
        return []


def usql_arguments(
    script: str, inputs: Iterable[str], outputs: Iterable[str], params: Mapping[str, Argument], threads: int | None
) -> list[Argument]:
    """What the program of LINE is told: the script, what `@@name@@` is in it, and how many cores it may use."""
    values: dict[str, Argument] = {
        **{name: (InputPath(name=name),) for name in inputs},
        **{name: (OutputPath(name=name),) for name in outputs},
        **params,
    }
    found: list[Argument] = [(script.replace("\\", "/").removeprefix("./"),)]
    for name, value in values.items():
        found += [("--put",), (name,), value or ("",)]
    return found + ([("--threads",), (str(threads),)] if threads is not None else [])


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _text(value: Any) -> str:
    return str(value.default_value if isinstance(value, PipelineParameter) else value)
