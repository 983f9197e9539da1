"""What a step was asked to do and what data it reads and writes, in the shape of v1's get_details().

Source   reference sections 13 and 14
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from canalis.abstract_dataset import AbstractDataset
from canalis.contract.graph import (
    Argument,
    CommandWork,
    DatasetValue,
    FromFiles,
    FromParameter,
    FromStep,
    Graph,
    Input,
    InputPath,
    Node,
    Output,
    ParameterText,
    ParameterValue,
    PythonWork,
    Registered,
)
from canalis.contract.parameters import compute_in, text_of
from canalis.contract.places import Place, input_places, output_place
from canalis.contract.run import RunRequest, StepRunId
from canalis.contract.tables import Table
from canalis.within import Within

_MECHANISM = {"mount": "Mount", "download": "Download", "direct": "Direct", "upload": "Upload"}
_REFERENCE = "$AZUREML_DATAREFERENCE_"


class Asked:
    """A step of a run with the values of the run's parameters. `view` is the service's of that step."""

    def __init__(
        self, workspace: Within, graph: Graph, values: dict[str, ParameterValue], view: Mapping[str, Any]
    ) -> None:
        maker = StepRunId.parse(view["kept_from"] or view["id"])
        assert maker is not None, view["id"]
        self._workspace = workspace
        self._graph = graph
        self._node: Node = graph.node(view["node"])
        self._run_id = str(view["run_id"])
        self._maker = maker
        self._request = RunRequest(
            experiment="",
            graph="",
            parameters=values,
            default_datastore=graph.default_datastore or "workspaceblobstore",
        )

    def details(self) -> dict[str, Any]:
        """The parts of its details that say what was asked of it."""
        return {
            "inputDatasets": [self._read(port) for port in self._node.inputs if port.style == "dataset"],
            "outputDatasets": [self._written(port) for port in self._node.outputs if port.style == "dataset"],
            "runDefinition": self._definition(),
        }

    def environment(self) -> dict[str, Any] | None:
        """The environment that it was to run in, as it is recorded; None for none."""
        return self._graph.environments.get(self._node.environment or "")

    def _definition(self) -> dict[str, Any]:
        node, work = self._node, self._node.work
        environment = self.environment()
        return {
            "script": work.script if isinstance(work, PythonWork) else None,
            "command": self._text(work.line) if isinstance(work, CommandWork) else "",
            "useAbsolutePath": False,
            "arguments": [self._text(argument) for argument in node.arguments],
            "framework": "Python",
            "communicator": "None",
            "target": compute_in(node, self._request.parameters) or "local",
            "dataReferences": {port.name: self._reference(port) for port in node.inputs if port.style == "reference"},
            "data": {port.name: self._data(port) for port in node.inputs if port.style == "dataset"},
            "outputData": {port.name: self._output(port) for port in node.outputs},
            "maxRunDurationSeconds": node.settings.timeout_s,
            "nodeCount": int(self._text(node.sizing["node_count"])) if "node_count" in node.sizing else 1,
            "environmentVariables": {name: self._text(value) for name, value in node.environment_variables.items()},
            "environment": _camel(environment) if environment is not None else None,
        }

    def _text(self, argument: Argument) -> str:
        """An argument as v1 shows it: values of parameters, and words that stand for paths."""
        return "".join(self._piece(piece) for piece in argument)

    def _piece(self, piece: Any) -> str:
        if isinstance(piece, str):
            return piece
        if isinstance(piece, ParameterText):
            return text_of(self._request.parameters[piece.name])
        is_input = isinstance(piece, InputPath)
        ports: Sequence[Input | Output] = self._node.inputs if is_input else self._node.outputs
        style = next(port.style for port in ports if port.name == piece.name)
        if style == "reference":
            return f"{_REFERENCE}{piece.name}"
        return f"{'DatasetConsumptionConfig' if is_input else 'DatasetOutputConfig'}:{piece.name}"

    def _places(self, port: Input) -> list[Place]:
        source = port.source
        if not isinstance(source, FromStep):
            return [*input_places(self._request, source)]
        made = self._workspace._client.get(f"/runs/{quote(self._run_id)}.{quote(source.node)}/outputs")
        return [Place(one["datastore"], one["path"]) for one in made if one["name"] == source.output]

    def _dataset(self, port: Input) -> AbstractDataset | None:
        source, table = port.source, port.table
        registered: Registered | None = source.registered if isinstance(source, FromFiles) else None
        if isinstance(source, FromParameter):
            value = self._request.parameters[source.parameter]
            if isinstance(value, DatasetValue):
                registered, table = value.registered, value.table
        return self._made_of(self._places(port), registered, table)

    def _made_of(
        self, places: Sequence[Place], registered: Registered | None = None, table: Table | None = None
    ) -> AbstractDataset | None:
        """The dataset of these places; None when a datastore of theirs is there no more."""
        said = registered.model_dump(include={"name", "version", "id"}) if registered is not None else {}
        shown = [{"datastore": place.datastore, "path": place.path} for place in places]
        rows = table.model_dump(mode="json") if table is not None else None
        try:
            return AbstractDataset._of_view(self._workspace, {**said, "places": shown, "table": rows})
        except KeyError:
            return None

    def _read(self, port: Input) -> dict[str, Any]:
        how = {"type": "RunInput", "inputName": port.name, "mechanism": _MECHANISM[port.mode]}
        return {"dataset": self._dataset(port), "consumptionDetails": how}

    def _written(self, port: Output) -> dict[str, Any]:
        place = output_place(self._request, port, self._maker)
        return {
            "dataset": self._made_of([place]),
            "outputType": "RunOutput",
            "outputDetails": {"outputName": port.name},
        }

    def _reference(self, port: Input) -> dict[str, Any]:
        place = next(iter(self._places(port)), None)
        return {
            "dataStoreName": place.datastore if place else None,
            "pathOnDataStore": place.path if place else None,
            "mode": _MECHANISM[port.mode],
            "overwrite": port.overwrite,
            "pathOnCompute": port.path_on_compute,
        }

    def _data(self, port: Input) -> dict[str, Any]:
        found = self._dataset(port)
        named = {"id": found.id, "name": found.name, "version": str(found.version or "")} if found else None
        return {
            "dataLocation": {"dataset": named},
            "mechanism": _MECHANISM[port.mode],
            "environmentVariableName": port.name,
            "pathOnCompute": port.path_on_compute,
            "overwrite": port.overwrite,
        }

    def _output(self, port: Output) -> dict[str, Any]:
        place = output_place(self._request, port, self._maker)
        return {
            "outputLocation": {"dataPath": {"datastoreName": place.datastore, "relativePath": place.path}},
            "mechanism": _MECHANISM[port.mode],
        }


def _camel(value: Any, is_outermost: bool = True) -> Any:
    """A recorded environment with v1's names: of its own fields, not of variables and packages."""
    found = {}
    for key, part in value.items():
        head, *rest = key.split("_")
        inner = _camel(part, False) if is_outermost and key in ("python", "docker") else part
        found[head + "".join(map(str.capitalize, rest))] = inner
    return found
