"""The values that a caller of v1's contract assigns to parameters, each as its parameter's type wants it."""

from __future__ import annotations

from math import isfinite

from api.service import Service
from api.v1.shapes import SubmitRequest
from canalis.contract.errors import ParameterError
from canalis.contract.graph import DataPathValue, Graph, ParameterValue
from canalis.contract.parameters import value_from


def values_of(here: Service, graph: Graph, asked: SubmitRequest) -> tuple[dict[str, ParameterValue], list[str]]:
    """Values by name, and what is to be warned of: names that the pipeline does not have. Raises ParameterError."""
    types = {parameter.name: parameter.type for parameter in graph.parameters}
    values: dict[str, ParameterValue] = {}
    warnings = []
    for name, value in {**(asked.parameter_assignments or {}), **(asked.data_path_assignments or {})}.items():
        if name not in types:
            warnings.append(f"The pipeline has no parameter '{name}'")
        elif isinstance(value, dict):
            values[name] = DataPathValue(datastore=str(value.get("DataStoreName")), path=str(value.get("RelativePath")))
        elif isinstance(value, float) and not isfinite(value):
            raise ParameterError(f"Parameter '{name}' cannot be {value!r}", names=[name])
        elif isinstance(value, (str, int, float, bool)):
            values[name] = value_from(name, types[name], str(value))
        else:
            raise ParameterError(f"Parameter '{name}' cannot be {value!r}", names=[name])
    return values, warnings
