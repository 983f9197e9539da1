"""Requests that start something, and come again: the same key with the same request is the same run.

The run's id is made of the key and of who sent it, and a run is created only if there is none of that id. So nothing
else needs to be kept: the run itself says what it was asked for.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request

from api.access import Caller
from api.bodies import read_json
from api.service import Asking
from canalis.contract.errors import BadRequest

CHARACTERS_MAX = 255
_KEY = re.compile(rf"[\x21-\x7e]{{1,{CHARACTERS_MAX}}}")
_RUNS = uuid.UUID("6f0f4d3e-0a53-5f0e-9d0f-6a1b8f6a7c11")  # of ids of runs that are made of keys


@dataclass(frozen=True, slots=True)
class Once:
    """Which run a request with an idempotency key starts; without one, `run_id` is None.

    fingerprint   of all that was asked for: method, path, query and body
    """

    run_id: str | None = None
    fingerprint: str = ""


async def _once(
    request: Request,
    who: Asking,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Sent again with the same request, it starts nothing further: the answer is the same run.",
            pattern=f"^{_KEY.pattern}$",
        ),
    ] = None,
) -> Once:
    if key is None:
        return Once()
    if not _KEY.fullmatch(key):
        raise BadRequest(f"An Idempotency-Key has 1 to {CHARACTERS_MAX} visible ASCII characters")
    body = await request.body()
    return Once(run_id_of(who, key), fingerprint_of(request, read_json(body) if body else None))


def run_id_of(who: Caller, key: str) -> str:
    """The run that belongs to a caller's key. Keys of different callers never meet."""
    identity = who.ids.get("oid") or who.ids.get("appid") or (str(who.run) if who.run else who.name)
    return str(uuid.uuid5(_RUNS, json.dumps([identity, key])))


def fingerprint_of(request: Request, body: Any) -> str:
    """What tells one request from another, however it spells its JSON."""
    asked = [request.method, request.url.path, sorted(request.query_params.multi_items()), body]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


OnlyOnce = Annotated[Once, Depends(_once)]
