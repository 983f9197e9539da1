"""The description of the API, as OpenAPI: what the code says, and what holds for every route."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from api.mlflow.base import is_mlflow
from api.v1.base import is_v1

_TEXT = {"type": "string"}
_CODE = {"type": "string", "description": "Stable: what a program looks at."}
_MESSAGE = {"type": "string", "description": "What was wrong, where, and what to do."}
_ERROR = {
    "type": "object",
    "description": "Why a request was refused.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details"],
            "properties": {"code": _CODE, "message": _MESSAGE, "details": {"type": "object"}},
        }
    },
}
_MLFLOW_ERROR = {
    "type": "object",
    "description": "Why a request was refused, as MLflow's client reads it, and beside that as others do.",
    "required": ["error_code", "message", "error"],
    "properties": {
        "error_code": {"type": "string", "description": "One of MLflow's."},
        "message": _MESSAGE,
        "error": _ERROR["properties"]["error"],  # type: ignore[index]
    },
}
_V1_FAULT = {
    "type": "object",
    "required": ["code", "message", "target"],
    "properties": {"code": _CODE, "message": _MESSAGE, "target": _TEXT},
}
_V1_ERROR = {
    "type": "object",
    "description": "Why a request was refused, as v1's callers know it.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details", "innerError"],
            "properties": {
                "code": _CODE,
                "message": _MESSAGE,
                "details": {"type": "array", "items": _V1_FAULT},
                "innerError": {"type": ["object", "null"], "required": ["code"], "properties": {"code": _TEXT}},
            },
        }
    },
}
# What a framework says of errors is not what ours are.
_NOT_OURS = ("HTTPValidationError", "ValidationError")


def operation_id(route: APIRoute) -> str:
    """What a route is called in clients that are made from the description: as its function here, with a `v1_`
    before v1's and a `mlflow_` before MLflow's.
    """
    family = next((family for family in ("v1", "mlflow") if family in route.tags), None)
    return f"{family}_{route.name}" if family else route.name


def described(app: FastAPI) -> dict[str, Any]:
    """The description of every route of an app, made once."""
    if app.openapi_schema:
        return app.openapi_schema
    found = FastAPI.openapi(app)
    for path, operations in found["paths"].items():
        shape = "V1Error" if is_v1(path) else "MlflowError" if is_mlflow(path) else "Error"
        for operation in operations.values():
            answers = operation["responses"]
            answers.pop("422", None)
            answers["default"] = {
                "description": "It was refused, and nothing was done.",
                "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{shape}"}}},
            }
            operation["responses"] = dict(sorted(answers.items()))
    components = found.setdefault("components", {})
    schemas = {name: shape for name, shape in components.get("schemas", {}).items() if name not in _NOT_OURS}
    errors = {"Error": _ERROR, "V1Error": _V1_ERROR, "MlflowError": _MLFLOW_ERROR}
    components["schemas"] = dict(sorted((schemas | errors).items()))
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    found["security"] = [{"bearer": []}]
    return found
