"""Every error as one JSON shape with a stable code: {"error": {"code", "message", "details"}}.

At v1's routes `details` is a list, as v1 had it, and there is an `innerError`. At MLflow's routes there are
`error_code` and `message` beside it, which is where MLflow's client looks.
"""

from __future__ import annotations

import logging
import uuid
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from api.mlflow.base import error_of, is_mlflow, no_route
from api.v1.base import is_v1
from canalis.contract.errors import BadRequest, CanalisError, NotAllowed
from canalis.contract.trace import continued
from canalis.contract.unreadable import in_words

_log = logging.getLogger("canalis.api")
_FAULTS_MAX = 100  # of a body that cannot be read; a graph's own faults are all told


def install(app: FastAPI) -> None:
    """Make the app answer every error in that shape."""
    app.add_exception_handler(CanalisError, _ours)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(ValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _plain)
    app.add_exception_handler(Exception, _internal)


def body_of(request: Request, code: str, message: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
    """The JSON body of an error, as the routes have it that was asked for."""
    if is_mlflow(request.url.path):
        return error_of(code, message, details or {})
    if not is_v1(request.url.path):
        return {"error": {"code": code, "message": message, "details": details or {}}}
    faults = (details or {}).get("faults")
    several = faults if isinstance(faults, list) else [{"code": code, "message": message}]
    listed = [
        {"code": fault["code"], "message": fault["message"], "target": str(fault.get("step", ""))} for fault in several
    ]
    inner = {"code": code, **details} if details else None
    return {"error": {"code": code, "message": message, "details": listed, "innerError": inner}}


async def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CanalisError), error
    # RFC 6750, section 3: says how to ask, and not what was wrong with a token.
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, NotAllowed) else None
    return JSONResponse(body_of(request, error.code, error.message, error.details), error.http_status, headers)


async def _unreadable(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, (RequestValidationError, ValidationError)), error
    found = [in_words(fault) for fault in error.errors()[:_FAULTS_MAX]]
    return JSONResponse(body_of(request, BadRequest.code, "; ".join(found)), BadRequest.http_status)


async def _plain(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException), error
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    said = f"{request.method} {request.url.path}: {error.detail}"
    if is_mlflow(request.url.path) and error.status_code in (404, 405):
        code, said = "no_route", no_route(said)
    return JSONResponse(body_of(request, code, said), error.status_code)


async def _internal(request: Request, error: Exception) -> JSONResponse:
    # The caller gets a number, the log gets the reason: an error's text may hold what is not the caller's.
    number = uuid.uuid4().hex[:12]
    with continued(getattr(request.state, "trace", "")):
        _log.error("error %s at %s %s", number, request.method, request.url.path, exc_info=error)
    said = f"Something is wrong here, not with you. Error {number} in the log"
    return JSONResponse(body_of(request, "internal", said), 500)
