"""Messages: those that ask for a run, and on a laptop those that others would get."""

from __future__ import annotations

import json
import uuid
from typing import Annotated

from fastapi import APIRouter, Query

from api.access import GuardedRoute, Role, needs
from api.bodies import AnyDocument
from api.service import Here
from canalis.contract.errors import NotSupported, TooLarge
from canalis.contract.messages import SET_ASIDE_QUEUE, SUBMISSIONS_QUEUE
from canalis.contract.submissions import BODY_BYTES_MAX, ForOthers, SetAside, SubmissionSent

router = APIRouter(route_class=GuardedRoute, tags=["submissions"])

_ELSEWHERE = "The bus of this service is one of its own: read the queue {} there, with any client of Service Bus"


@router.post("/submissions", dependencies=[needs(Role.SUBMITTER)], status_code=202)
def post_submission(here: Here, asked: AnyDocument) -> SubmissionSent:
    """Put a message on the queue `submissions`, as others do over the bus. What it asks for is looked at later: who
    wants to hear how that went names a queue in `reply_to`.
    """
    body = json.dumps(asked, ensure_ascii=False).encode()
    if len(body) > BODY_BYTES_MAX:
        raise TooLarge(
            f"The message has {len(body)} bytes: at most {BODY_BYTES_MAX} are sent", bytes_max=BODY_BYTES_MAX
        )
    sent = SubmissionSent(id=str(uuid.uuid4()))
    said = {"message_id": sent.id, "content_type": "application/json"}
    here.ports.bus.publish(SUBMISSIONS_QUEUE, body, said)
    return sent


@router.get("/submissions/dead", dependencies=[needs(Role.READER)])
def list_set_aside(here: Here) -> list[SetAside]:
    """Messages that started nothing, with the reason, the last first: at most 1,000. On a laptop; in Azure they are on
    the queue `dead-letters`.
    """
    if here.set_aside is None:
        raise NotSupported(_ELSEWHERE.format(SET_ASIDE_QUEUE))
    return here.set_aside()


@router.post("/queues/{name}/receive", dependencies=[needs(Role.SUBMITTER)])
def receive(here: Here, name: str, count: Annotated[int, Query(ge=1, le=100)] = 1) -> list[ForOthers]:
    """Take messages that were published to a queue or topic of others, as they would: who asks next gets later ones. On
    a laptop, where nobody else can; of each the last 1,000 are kept.
    """
    if here.receive is None:
        raise NotSupported(_ELSEWHERE.format(f"'{name[:80]}'"))
    return here.receive(name, count)
