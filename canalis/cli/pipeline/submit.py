"""Runs are started: `canalis pipeline submit`, which is `az ml run submit-pipeline`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from canalis.cli.pipeline.pairs import pairs_of, single_pairs, typed
from canalis.cli.pipeline.verbs import Call, verb
from canalis.cli.pipeline.words import RUNS, DataPaths, Experiment, Key, OneParameter, Parameters, Wait, pipeline, run
from canalis.contract.published import check_id
from canalis.exceptions import UserErrorException

_NO_NAME = re.compile(r"[^a-zA-Z0-9_-]+")


def submit(
    call: Call,
    pipeline_id: Annotated[
        str | None, typer.Option("--pipeline-id", "-i", help="Id of the published pipeline to run.")
    ] = None,
    pipeline_yaml: Annotated[
        Path | None, typer.Option("--pipeline-yaml", "-y", help="YAML file of the pipeline to run; needs -n.")
    ] = None,
    experiment_name: Experiment = None,
    parameters: Parameters = None,
    parameter: OneParameter = None,
    datapaths: DataPaths = None,
    wait: Wait = False,
    idempotency_key: Key = None,
) -> Any:
    """Start a run of a published pipeline, or of a YAML file. Its id is the answer's Id.

    The exit code is 0 once it is started; with --wait it says how the run has ended: 0 completed, 1 failed,
    3 cancelled. What happens meanwhile is told on stderr.
    """
    given = Given(parameters, parameter, datapaths)
    if pipeline_id is not None and pipeline_yaml is None:
        started = run_published(call, pipeline_id, experiment_name, given, idempotency_key)
    elif pipeline_yaml is not None and pipeline_id is None:
        started = _run_yaml(call, pipeline_yaml, experiment_name, given, idempotency_key)
    else:
        raise UserErrorException("Name one pipeline: -i ID of a published one, or -y FILE (`canalis pipeline list`)")
    return call.followed(started, wait)


verb(pipeline, "submit", RUNS, makes=True)(submit)
verb(run, "submit-pipeline", RUNS, makes=True)(submit)


class Given:
    """Values of parameters as they were typed."""

    def __init__(self, several: list[str] | None, single: list[str] | None, paths: list[str] | None) -> None:
        self._texts = single_pairs(single or (), "--parameter", pairs_of(several or (), "-p"))
        self._paths = pairs_of(paths or (), "-d")

    def __bool__(self) -> bool:
        return bool(self._texts or self._paths)

    def fit(self, graph: Any) -> dict[str, Any]:
        """The values as the parameters of a graph, which is a document, have them. Raises ParameterError."""
        return typed(graph["parameters"], self._texts, self._paths)


def run_published(call: Call, identity: str, experiment: str | None, given: Given, key: str | None) -> Any:
    """A run of a published pipeline that was started."""
    from canalis.published import start

    path = f"/pipelines/{check_id('published pipeline', identity)}"
    found = call.client.get(path)
    values = given.fit(call.client.get(f"{path}/graph")) if given else {}
    name = experiment or experiment_of(found["name"], identity)
    return start(call.workspace, f"{path}/runs", name, values, idempotency_key=key)


def experiment_of(name: str, identity: str) -> str:
    """The name of an experiment for runs of what is called so, which may have no name at all.

    >>> experiment_of("Train (nightly)!", "7f3c"), experiment_of("", "7f3c")
    ('Train-nightly', '7f3c')
    """
    return _NO_NAME.sub("-", name).strip("-_")[:255] or identity


def _run_yaml(call: Call, file: Path, experiment: str | None, given: Given, key: str | None) -> Any:
    from canalis.pipeline import Pipeline

    if experiment is None:
        raise UserErrorException("A pipeline from a YAML file needs -n, the name of an experiment for its run")
    loaded = Pipeline.load_yaml(call.workspace, file)
    values = given.fit(loaded.graph.model_dump(mode="json", include={"parameters"})) if given else {}
    return loaded.submit(experiment, pipeline_parameters=values, idempotency_key=key)
