"""Runs a notebook, a script or a jar in a Databricks workspace.

Source   reference section 10; Databricks REST API, clusters and one-time runs
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from canalis.contract.graph import ServiceWork, Work
from canalis.contract.works import DATABRICKS
from canalis.databricks_libraries import documents, of_environment
from canalis.parameter import PipelineParameter
from canalis.runconfig import RunConfiguration
from canalis.steps import PipelineStep

_SPARK = "10.4.x-scala2.12"
_NODE = "Standard_D3_v2"
# Who has what to run, and who its parameters: of these four, one is given.
_TASKS = {
    "notebook": ("notebook_path", "notebook_params"),
    "dbfs_script": ("python_script_path", "python_script_params"),
    "local_script": ("python_script_name", "python_script_params"),
    "jar": ("main_class_name", "jar_params"),
}
_TYPES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("existing_cluster_id", "spark_version", "node_type", "instance_pool_id", "run_name"), str),
    **dict.fromkeys(("notebook_path", "python_script_path", "python_script_name", "main_class_name"), str),
    **dict.fromkeys(("num_workers", "min_workers", "max_workers", "timeout_seconds"), int),
    **dict.fromkeys(("spark_env_variables", "spark_conf", "notebook_params"), dict),
    **dict.fromkeys(("python_script_params", "jar_params"), (list, tuple, set, frozenset)),
    "init_scripts": list,
    "cluster_log_dbfs_path": str,
    "permit_cluster_restart": bool,
}
_OF_NEW_CLUSTERS = (
    *("spark_version", "node_type", "instance_pool_id", "num_workers", "min_workers", "max_workers"),
    *("spark_env_variables", "spark_conf", "init_scripts", "cluster_log_dbfs_path"),
)


class DatabricksStep(PipelineStep):
    """Runs a notebook, a Python script or a jar once, on a cluster of its own or on one that is there.

    Its inputs and outputs are given by their addresses in storage: a notebook has them as widgets, a script and a jar
    as arguments -<name> <address>.
    """

    def __init__(
        self,
        name: str,
        inputs: list[Any] | None = None,
        outputs: list[Any] | None = None,
        existing_cluster_id: str | None = None,
        spark_version: str | None = None,
        node_type: str | None = None,
        instance_pool_id: str | None = None,
        num_workers: int | None = None,
        min_workers: int | None = None,
        max_workers: int | None = None,
        spark_env_variables: dict[str, str] | None = None,
        spark_conf: dict[str, str] | None = None,
        init_scripts: list[str] | None = None,
        cluster_log_dbfs_path: str | None = None,
        notebook_path: str | None = None,
        notebook_params: dict[str, Any] | None = None,
        python_script_path: str | None = None,
        python_script_params: list[Any] | None = None,
        main_class_name: str | None = None,
        jar_params: list[Any] | None = None,
        python_script_name: str | None = None,
        source_directory: str | Path | None = None,
        hash_paths: list[str] | None = None,
        run_name: str | None = None,
        timeout_seconds: int | None = None,
        runconfig: RunConfiguration | None = None,
        maven_libraries: list[Any] | None = None,
        pypi_libraries: list[Any] | None = None,
        egg_libraries: list[Any] | None = None,
        jar_libraries: list[Any] | None = None,
        rcran_libraries: list[Any] | None = None,
        compute_target: Any = None,
        allow_reuse: bool = True,
        version: str | None = None,
        permit_cluster_restart: bool | None = None,
        *,
        retries: int = 0,
        retry_rest_s: float = 0.0,
        timeout_s: float | None = None,
    ) -> None:
        given = {key: value for key, value in locals().items() if key in _TYPES and value is not None}
        libraries: dict[str, list[Any] | None] = {
            "maven_libraries": maven_libraries,
            "pypi_libraries": pypi_libraries,
            "egg_libraries": egg_libraries,
            "jar_libraries": jar_libraries,
            "rcran_libraries": rcran_libraries,
        }
        _check_types(name, given)
        task = _task(name, given, source_directory)
        parameters = given.get(_TASKS[task][1])
        if hash_paths is not None:
            warnings.warn("`hash_paths` has had no effect since v1's release 1.0.48", DeprecationWarning, stacklevel=2)
        super().__init__(
            name,
            inputs,
            outputs,
            None if isinstance(parameters, dict) else _in_order(name, parameters),
            parameters if isinstance(parameters, dict) else None,
            compute_target,
            runconfig,
            None,
            source_directory,
            allow_reuse,
            version,
            retries,
            retry_rest_s,
            timeout_s,
        )
        if self._target() is None:
            raise ValueError(f"Step '{name}' needs a compute_target: an attached Databricks workspace")
        data = [port.name for port in self._wiring.inputs] + [port.name for port in self._wiring.outputs]
        taken = set(data) & set(self._params)
        if taken:
            raise ValueError(
                f"notebook_params of step '{name}' has {', '.join(sorted(taken))}, names of its data as well: "
                "a notebook has one widget of a name"
            )
        self._script_name = given.get("python_script_name")
        self._asked: dict[str, Any] = {
            "task": "script" if task.endswith("script") else task,
            "libraries": _libraries(name, libraries, runconfig),
            **_cluster(name, given),
            **({"path": given[_TASKS[task][0]]} if task != "local_script" else {}),
            **{key: given[key] for key in ("run_name", "timeout_seconds", "permit_cluster_restart") if key in given},
        }
        self._claim_outputs()

    def _work(self) -> Work:
        script = self._script_name
        asked = {key: value for key, value in self._asked.items() if value not in ([], {})}
        if script is None:
            return ServiceWork(service=DATABRICKS, asked=asked)
        return ServiceWork(service=DATABRICKS, asked=asked, script=script.removeprefix("./"))

    def _script(self) -> str | None:
        return self._script_name

    def _has_files(self) -> bool:
        return self._script_name is not None

    def _runs_here(self) -> bool:
        return False


def _check_types(step: str, given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        wanted = _TYPES[name]
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            kinds = wanted if isinstance(wanted, tuple) else (wanted,)
            raise ValueError(f"{name} of step '{step}' must be a {kinds[0].__name__}, not {value!r}")


def _task(step: str, given: Mapping[str, Any], source_directory: Any) -> str:
    """Which of the four is to be run. Raises ValueError unless it is one."""
    found = [task for task, (what, _) in _TASKS.items() if what in given]
    if len(found) != 1:
        raise ValueError(
            f"Step '{step}' must have one of notebook_path, python_script_path, python_script_name and "
            f"main_class_name, and has {' and '.join(_TASKS[task][0] for task in found) or 'none'}"
        )
    if found[0] == "local_script" and source_directory is None:
        raise ValueError(f"python_script_name of step '{step}' wants the source_directory in which that file is")
    others = {_TASKS[task][1] for task in _TASKS} - {_TASKS[found[0]][1]}
    if odd := sorted(others & set(given)):
        raise ValueError(f"Step '{step}' has {_TASKS[found[0]][0]}, which takes no {' and no '.join(odd)}")
    return found[0]


def _in_order(step: str, parameters: Any) -> list[Any]:
    if isinstance(parameters, (set, frozenset)):
        warnings.warn(
            f"The parameters of step '{step}' are a set, which has no order: they are passed sorted. Give a list",
            UserWarning,
            stacklevel=4,
        )
        return sorted(parameters, key=lambda one: one.name if isinstance(one, PipelineParameter) else str(one))
    return list(parameters or [])


def _cluster(step: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Which cluster it runs on, as Databricks is told. Raises ValueError."""
    if "existing_cluster_id" in given:
        if odd := [name for name in _OF_NEW_CLUSTERS if name in given]:
            warnings.warn(
                f"Step '{step}' runs on an existing cluster: {', '.join(odd)} has no effect there",
                UserWarning,
                stacklevel=4,
            )
        return {"existing_cluster_id": given["existing_cluster_id"]}
    is_scaled = {"min_workers", "max_workers"} & set(given)
    if ("num_workers" in given) == bool(is_scaled) or len(is_scaled) == 1:
        raise ValueError(f"A new cluster of step '{step}' needs num_workers, or min_workers and max_workers")
    if "node_type" in given and "instance_pool_id" in given:
        raise ValueError(f"Step '{step}' has node_type and instance_pool_id: a pool says itself of which type it is")
    cluster: dict[str, Any] = {"spark_version": given.get("spark_version", _SPARK)}
    if "instance_pool_id" in given:
        cluster["instance_pool_id"] = given["instance_pool_id"]
    else:
        cluster["node_type_id"] = given.get("node_type", _NODE)
    if "num_workers" in given:
        cluster["num_workers"] = given["num_workers"]
    else:
        cluster["autoscale"] = {"min_workers": given["min_workers"], "max_workers": given["max_workers"]}
    for ours, theirs in (("spark_env_variables", "spark_env_vars"), ("spark_conf", "spark_conf")):
        if ours in given:
            cluster[theirs] = {str(key): str(value) for key, value in given[ours].items()}
    if "init_scripts" in given:
        cluster["init_scripts"] = [_file(path) for path in given["init_scripts"]]
    if "cluster_log_dbfs_path" in given:
        cluster["cluster_log_conf"] = _file(given["cluster_log_dbfs_path"])
    return {"new_cluster": cluster}


def _file(path: str) -> dict[str, Any]:
    """A file or folder as clusters are told of it, by where it lies."""
    places = (("abfss", ("abfss:",)), ("volumes", ("/Volumes/",)), ("workspace", ("/Workspace/", "/Users/", "/Repos/")))
    for kind, beginnings in places:
        if path.startswith(beginnings):
            return {kind: {"destination": path}}
    return {"dbfs": {"destination": path}}


def _libraries(
    step: str, given: dict[str, list[Any] | None], runconfig: RunConfiguration | None
) -> list[dict[str, Any]]:
    found = documents(given, step)
    if runconfig is not None and found:
        raise ValueError(f"Step '{step}' has a runconfig and lists of libraries: give one of the two")
    return of_environment(runconfig.environment) if runconfig is not None else found
