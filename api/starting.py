"""Requests that start a run: as whose, and as which. The same key with the same request is the same run.

The run's id is made of the key and of who sent it, and a run is created only if there is none of that id. So nothing
else needs to be kept: the run itself says what it was asked for.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Request, Response

from api.access import Caller
from api.service import PREFIX, Asking, Service
from canalis.contract.errors import BadRequest, NotFound
from canalis.contract.json_text import read_json
from canalis.contract.ports import Run
from canalis.contract.run import StepRunId
from canalis.contract.views import RunView
from orchestrator import views
from orchestrator.submit import Asked

CHARACTERS_MAX = 255
Wish = TypeVar("Wish", bound=Asked)

_KEY = re.compile(rf"[\x21-\x7e]{{1,{CHARACTERS_MAX}}}")
_RUNS = uuid.UUID("6f0f4d3e-0a53-5f0e-9d0f-6a1b8f6a7c11")  # of ids of runs that are made of keys


@dataclass(frozen=True, slots=True)
class Once:
    """Which run a request with an idempotency key starts; without one, `run_id` is None.

    fingerprint   of all that was asked for: method, path, query and body
    response      to the request
    """

    response: Response
    run_id: str | None = None
    fingerprint: str = ""


async def _once(
    request: Request,
    response: Response,
    who: Asking,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Sent again with the same request, it does nothing further: the answer is the same.",
            pattern=f"^{_KEY.pattern}$",
        ),
    ] = None,
) -> Once:
    if key is None:
        return Once(response)
    if not _KEY.fullmatch(key):
        raise BadRequest(f"An Idempotency-Key has 1 to {CHARACTERS_MAX} visible ASCII characters")
    body = await request.body()
    return Once(response, run_id_of(who, key), fingerprint_of(request, read_json(body) if body else None))


def run_id_of(who: Caller, key: str) -> str:
    """The run that belongs to a caller's key. Keys of different callers never meet."""
    known = [who.ids.get("tid"), who.ids.get("oid") or who.ids.get("appid") or (str(who.run) if who.run else who.name)]
    return str(uuid.uuid5(_RUNS, json.dumps([*known, key])))


def fingerprint_of(request: Request, body: Any) -> str:
    """What tells one request from another, however it spells its JSON."""
    asked = [request.method, request.url.path, sorted(request.query_params.multi_items()), body]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


OnlyOnce = Annotated[Once, Depends(_once)]


def prepared(here: Service, asked: Wish, who: Caller, once: Once) -> Wish:
    """What a caller asks for: a script a run below its own step, and who brings a key the run that is the key's.

    Secrets are masked in what is said of the run; parameters stay what they are.
    """
    if mask := here.ports.vault.mask():
        said = asked.model_dump(include={"tags", "properties", "display_name", "description"})
        asked = asked.model_copy(update=mask.hidden_in(said))
    if who.run is not None:
        asked = _as_child(asked, who.run)
    return asked if once.run_id is None else asked.model_copy(update={"run_id": once.run_id})


def made(here: Service, run: Run, response: Response) -> RunView:
    """A run that was asked for, and where it is found from now on."""
    locate(run, response)
    return views.run_view(here.ports, run)


def locate(run: Run, response: Response) -> None:
    """Say in the headers where a run that was asked for is found, which the record of changes takes it from."""
    response.headers["Location"] = f"{PREFIX}/runs/{run.run_id}"


def _as_child(asked: Wish, mine: StepRunId) -> Wish:
    """What a script submits, as a run below its own step. Raises NotFound for another's."""
    if asked.parent not in (None, str(mine)):
        raise NotFound(f"There is no run {asked.parent}", kind="run", name=asked.parent)
    return asked.model_copy(update={"parent": str(mine)})
