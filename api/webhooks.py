"""Webhooks: addresses that hear of runs that have ended."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.access import GuardedRoute, Role, needs
from api.service import PREFIX, Asking, Here, Service
from canalis.contract.webhooks import Delivery, Webhook, WebhookChange, WebhookMade, WebhookRequest, WebhookView
from orchestrator.notices import webhooks as kept

router = APIRouter(prefix="/webhooks", route_class=GuardedRoute, tags=["webhooks"])


@router.post("", dependencies=[needs(Role.OPERATOR)], status_code=201)
def create_webhook(here: Here, who: Asking, asked: WebhookRequest, response: Response) -> WebhookMade:
    """Have the ends of runs that are submitted from now on sent to an address. The answer alone has its secret."""
    made, secret = kept.create(here.ports, asked, by=who.name)
    response.headers["Location"] = f"{PREFIX}/webhooks/{made.id}"
    return WebhookMade(**dict(shown(here, made)), secret=secret)


@router.get("", dependencies=[needs(Role.OPERATOR)])
def list_webhooks(here: Here) -> list[WebhookView]:
    """All webhooks, newest first, with what became of what was sent to them lately."""
    return [shown(here, found) for found in kept.all_webhooks(here.ports.documents)]


@router.get("/{identity}", dependencies=[needs(Role.OPERATOR)])
def get_webhook(here: Here, identity: str) -> WebhookView:
    """One webhook, with what became of what was sent to it lately."""
    return shown(here, kept.webhook(here.ports.documents, identity))


@router.patch("/{identity}", dependencies=[needs(Role.OPERATOR)])
def change_webhook(here: Here, identity: str, said: WebhookChange) -> WebhookView:
    """Send elsewhere, hear of other runs, switch on or off. A filter that is null goes."""
    return shown(here, kept.change(here.ports, identity, said))


@router.delete("/{identity}", dependencies=[needs(Role.OPERATOR)], status_code=204)
def delete_webhook(here: Here, identity: str) -> None:
    """Forget a webhook and its secret, or find that it is gone. What was still to be sent to it no longer is."""
    kept.delete(here.ports, identity)


@router.post("/{identity}/test", dependencies=[needs(Role.OPERATOR)])
def try_webhook(here: Here, identity: str) -> Delivery:
    """Send a webhook an event of a kind of its own, and say what became of it."""
    return kept.send_test(here.ports, kept.webhook(here.ports.documents, identity))


def shown(here: Service, found: Webhook) -> WebhookView:
    """A webhook with what became of what was sent to it."""
    known = kept.deliveries_of(here.ports.documents, found.id)
    return WebhookView(**dict(found), attention=kept.attention(known), last=known.last)
