"""The values of parameters in v1's JSON: read as each parameter's type wants it, and shown as v1 shows them."""

from __future__ import annotations

from typing import Any

from api.service import Service
from api.v1.shapes import StoredPath, SubmitRequest
from canalis.contract.assignments import Assigned, assigned_v1
from canalis.contract.graph import DataPathValue, DatasetValue, Graph
from canalis.contract.parameters import Values, identity_of, text_of
from orchestrator import datasets


def values_of(here: Service, graph: Graph, asked: SubmitRequest) -> Assigned:
    """The values that a caller assigns, and what he is to be warned of. Raises ParameterError, naming all."""

    def find(name: str, version: str) -> DatasetValue:
        return datasets.find(here.ports.documents, name, version).value()

    return assigned_v1(
        graph.parameters,
        asked.parameter_assignments,
        asked.data_path_assignments,
        asked.data_set_definition_value_assignments,
        find,
    )


def shown(values: Values) -> dict[str, Any]:
    """The three fields of an entity that hold values. Files without a name are shown by their id, as v1 kept them."""
    paths = {name: value for name, value in values.items() if isinstance(value, DataPathValue)}
    files = {name: value for name, value in values.items() if isinstance(value, DatasetValue)}
    return {
        "parameter_assignments": {
            name: text_of(value) for name, value in values.items() if name not in paths and name not in files
        },
        "data_path_assignments": {name: _place(value) for name, value in paths.items()},
        "data_set_definition_value_assignments": {
            name: {"LiteralValue": _place(value.places[0])}
            if value.registered is None and len(value.places) == 1
            else {"SavedDataSetReference": {"Id": identity_of(value)}}
            for name, value in files.items()
        },
    }


def _place(value: DataPathValue) -> StoredPath:
    return StoredPath(data_store_name=value.datastore, relative_path=value.path)
