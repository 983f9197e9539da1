"""Who changed what: one line of JSON in the log for each change that succeeded.

    {"event": "audit", "who": "ann@example.com", "ids": {"oid": "..."}, "role": "submitter", "method": "POST",
     "route": "/runs/{name}/cancel", "name": "7f3c...", "client": "203.0.113.7", "status": 202}

What came as query, header or body is not in it: secrets can stand there.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from fastapi import Request
from starlette.responses import Response

_log = logging.getLogger("canalis.audit")
_READS = ("GET", "HEAD", "OPTIONS")
_TEXT_MAX = 256


def note(request: Request, who: dict[str, Any], route: str, response: Response) -> None:
    """Write down a change that succeeded; what an error ended has changed nothing.

    who     sent the request, as Caller.as_logged has it
    route   its path as it was declared, with the names of its parts in the place of their values
    """
    if request.method in _READS or response.status_code >= 400:
        return
    made = response.headers.get("location", "").rpartition("/")[2]
    line: dict[str, Any] = {
        "event": "audit",
        **who,
        "method": request.method,
        "route": route,
        "name": str(request.path_params.get("name") or request.path_params.get("identity", ""))[:_TEXT_MAX],
        "client": client_address(request),
        "status": response.status_code,
    }
    # JSON in ASCII: no name of anybody's choosing can begin a line of its own.
    _log.info(json.dumps(line | ({"made": made[:_TEXT_MAX]} if made else {})))


def client_address(request: Request) -> str:
    """Where a request came from: the other end of the connection, or what the front end in Azure says it was.

    Of X-Forwarded-For only the last part is the front end's own; what stands before it came with the request.
    """
    if request.client is not None:
        return request.client.host
    return request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()[:64]
