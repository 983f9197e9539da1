"""Who changed what: one line of JSON in the log, and one among what is kept, for each change that succeeded.

    {"event": "audit", "who": "ann@example.com", "ids": {"oid": "..."}, "role": "submitter", "method": "POST",
     "route": "/runs/{name}/cancel", "name": "7f3c...", "client": "203.0.113.7", "status": 202}

What came as query, header or body is not in it: secrets can stand there.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.callers import Caller
from canalis.contract.errors import CanalisError
from canalis.contract.ports import Ports
from orchestrator.audit import keep

_log = logging.getLogger("canalis.audit")
_READS = ("GET", "HEAD", "OPTIONS")
_READS_TOLD = ("/secrets/{name}", "/datastores/{name}/credentials")  # who has read a secret must be known
_ONLY_LOGGED = (
    # Source files change nothing until somebody runs them.
    "/content/{sha256}",
    "/snapshots",
    # Who signs in has asked for the code, which is written down.
    "/sessions",
    # These ask with a body, and change nothing.
    "/schedules/preview",
    "/runs/{name}/links",
    "/models/{name}/links",
    "/mlflow/logged-models/search",
    "/PipelineRuns/{name}/Graph/AllNodes/Status",
    "/PipelineRuns/{name}/Graph/Node/StatusCode",
    "/PipelineRuns/{name}/Graph/Shareable/{log}",
    "/PipelineRuns/{name}/Outputs",
)
_TEXT_MAX = 256


async def note(request: Request, caller: Caller, route: str, response: Response) -> None:
    """Write down a change that succeeded, or that a secret was read; what an error ended has changed nothing.

    route   its path as it was declared, with the names of its parts in the place of their values
    """
    is_read = request.method in _READS and route not in _READS_TOLD
    if is_read or response.status_code >= 400:
        return
    made = response.headers.get("location", "").rpartition("/")[2]
    line: dict[str, Any] = {
        **caller.as_logged(),
        "method": request.method,
        "route": route,
        "name": _named(request),
        "client": client_address(request),
        "status": response.status_code,
    }
    line |= {"made": made[:_TEXT_MAX]} if made else {}
    # JSON in ASCII: no name of anybody's choosing can begin a line of its own.
    _log.info(json.dumps({"event": "audit"} | line))
    # What a script says of its own run stands there.
    if caller.run is None and route not in _ONLY_LOGGED:
        await run_in_threadpool(_keep, request.app.state.service.ports, line)


def _keep(ports: Ports, line: dict[str, Any]) -> None:
    try:
        keep(ports, line)
    except CanalisError as error:  # the change has been made: who made it must not be told otherwise
        _log.error("who made a change is in this log alone: %s", error.message)


def _named(request: Request) -> str:
    """What the change was made to, as the path names it; "" when it names nothing."""
    named = (request.path_params.get(part) for part in ("name", "identity", "pipeline"))
    return str(next(filter(None, named), ""))[:_TEXT_MAX]


def client_address(request: Request) -> str:
    """Where a request came from: the other end of the connection, or what the front end in Azure says it was.

    Of X-Forwarded-For only the last part is the front end's own; what stands before it came with the request.
    """
    if request.client is not None:
        return request.client.host
    return request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()[:64]
