"""Where MLflow's routes are, and its words for what goes wrong."""

from __future__ import annotations

from typing import Any

MLFLOW_PREFIX = "/api/2.0"
_BEGINS = ("/api/2.0/mlflow", "/api/3.0/mlflow")  # what we do not serve of it is answered in its words as well
# Its client acts on some of these; those of MLflow that have no like here never come from us.
_CODES = {
    "not_found": "RESOURCE_DOES_NOT_EXIST",
    "already_exists": "RESOURCE_ALREADY_EXISTS",
    "not_allowed": "UNAUTHENTICATED",
    "forbidden": "PERMISSION_DENIED",
    "not_supported": "NOT_IMPLEMENTED",
    "conflict": "RESOURCE_CONFLICT",
    "unavailable": "TEMPORARILY_UNAVAILABLE",
    "store_unavailable": "TEMPORARILY_UNAVAILABLE",
    "http_error": "BAD_REQUEST",
    "method_not_allowed": "ENDPOINT_NOT_FOUND",
    "no_route": "ENDPOINT_NOT_FOUND",
    "internal": "INTERNAL_ERROR",
}
_NO_ROUTE = (
    "Of MLflow's API this service has what scripts log with: runs, metrics, parameters, tags, artifacts and logged "
    "models. For the rest, point MLflow at a store of your own (docs/how-to/log-with-mlflow.md)"
)


def is_mlflow(path: str) -> bool:
    """Whether a path is one of MLflow's."""
    return path.startswith(_BEGINS)


def error_of(code: str, message: str, details: dict[str, Any]) -> dict[str, Any]:
    """What MLflow's client reads of an error, its own code and the message, and beside them what all others read."""
    word = _CODES.get(code, "INVALID_PARAMETER_VALUE")
    return {"error_code": word, "message": message, "error": {"code": code, "message": message, "details": details}}


def no_route(said: str) -> str:
    """What is said of a path of MLflow's that is not served."""
    return f"{said}. {_NO_ROUTE}"
