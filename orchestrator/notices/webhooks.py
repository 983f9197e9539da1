"""Webhooks: made, changed, found, and what became of what was sent to each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from canalis.contract.errors import (
    AlreadyExists,
    CanalisError,
    Conflict,
    NotFound,
    SecretUnreadable,
    TooMany,
    Unreachable,
)
from canalis.contract.logs import masked, one_line
from canalis.contract.ports import Document, DocumentStore, Ports
from canalis.contract.published import check_id
from canalis.contract.run import new_run_id
from canalis.contract.webhook_signature import headers, new_secret
from canalis.contract.webhooks import (
    DELIVERIES,
    DELIVERIES_KEPT,
    FAILING_AFTER,
    WEBHOOKS,
    WEBHOOKS_MAX,
    Deliveries,
    Delivery,
    Webhook,
    WebhookChange,
    WebhookRequest,
)
from orchestrator.kept import changed
from orchestrator.notices.event import CONTENT_TYPE, TEST, Event, event

_WHY_MAX = 500
_REST_S_MAX = 300.0


def create(ports: Ports, asked: WebhookRequest, by: str = "") -> tuple[Webhook, str | None]:
    """Make a webhook; with its secret, which nobody is told again. Asked again under the same id it is the same one.

    Raises   AddressRefused, TooMany, AlreadyExists for an id that is another's
    """
    url, now = ports.web.check(asked.url), ports.clock.now()
    given = asked.model_dump(exclude={"id", "url"})
    made = Webhook(**given, id=asked.id or new_run_id(), url=url, created_at=now, created_by=by, updated_at=now)
    there = {one.id: one for one in all_webhooks(ports.documents)}
    if made.id in there:
        if there[made.id].url == url:
            return there[made.id], None  # the request came twice
        raise AlreadyExists(f"There is another webhook {made.id} already", kind="webhook", name=made.id)
    if len(there) >= WEBHOOKS_MAX:
        raise TooMany(f"There are {WEBHOOKS_MAX} webhooks: delete one first")
    secret = new_secret()
    ports.vault.keep(_secret_of(made.id), secret)  # first: a webhook without its secret could send nothing
    ports.documents.put(WEBHOOKS, made.id, made.model_dump(mode="json"), if_absent=True)
    return made, secret


def webhook(documents: DocumentStore, identity: str) -> Webhook:
    """The webhook of that id. Raises NotFound."""
    stored = documents.get(WEBHOOKS, check_id("webhook", identity))
    if stored is None:
        raise NotFound(f"There is no webhook '{identity}'", kind="webhook", name=identity)
    return Webhook.model_validate(stored.body)


def all_webhooks(documents: DocumentStore) -> list[Webhook]:
    """All of them, newest first."""
    found = [Webhook.model_validate(stored.body) for stored in documents.list(WEBHOOKS)]
    return sorted(found, key=lambda one: (-one.created_at, one.id))


def wanting(
    documents: DocumentStore, experiment: str, pipeline: str | None, status: str | None = None
) -> list[Webhook]:
    """Those that want to hear of a run; without a `status`, of one that may still end in any way."""
    return [one for one in all_webhooks(documents) if one.wants(experiment, pipeline, status)]


def change(ports: Ports, identity: str, said: WebhookChange) -> Webhook:
    """Send elsewhere, hear of other runs, or switch on and off. Raises NotFound, AddressRefused."""
    news = said.model_dump(mode="json", exclude_unset=True)
    for name in ("name", "url", "status", "enabled"):
        if news.get(name, "") is None:
            del news[name]  # only a filter can be taken away
    if "url" in news:
        news["url"] = ports.web.check(news["url"])

    def edit(body: Document) -> Document:
        is_news = any(body.get(name) != value for name, value in news.items())
        return body | news | {"updated_at": ports.clock.now()} if is_news else body

    webhook(ports.documents, identity)
    return Webhook.model_validate(changed(ports.documents, WEBHOOKS, identity, edit).body)


def delete(ports: Ports, identity: str) -> None:
    """Forget a webhook and its secret, or find that it is gone. What was still to be sent to it no longer is."""
    ports.documents.delete(WEBHOOKS, check_id("webhook", identity))
    ports.vault.forget(_secret_of(identity))
    ports.documents.delete(DELIVERIES, identity)


def deliveries_of(documents: DocumentStore, identity: str) -> Deliveries:
    """What became of what was sent to a webhook."""
    stored = documents.get(DELIVERIES, identity)
    return Deliveries.model_validate(stored.body) if stored is not None else Deliveries()


def attention(found: Deliveries) -> str:
    """Why somebody has to look after a webhook, in words; "" when nobody has."""
    if found.failures < FAILING_AFTER or found.failing_since is None or not found.last:
        return ""
    since = datetime.fromtimestamp(found.failing_since, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"Nothing has reached it since {since}, in {found.failures} tries: {found.last[0].why}"


def send(ports: Ports, hook: Webhook, told: Event, run_id: str = "") -> Delivery:
    """Send an event to a webhook once, whatever comes of it, and write that down."""
    began_at, began = ports.clock.now(), ports.clock.monotonic()
    status, why, is_silent = _posted(ports, hook, told, began_at)
    took_s = round(ports.clock.monotonic() - began, 3)
    made = Delivery(at=began_at, run=run_id, ok=not why, status=status, why=why, took_s=took_s)
    _note(ports, hook.id, made, is_silent)
    return made


def send_test(ports: Ports, hook: Webhook) -> Delivery:
    """Send an event of a kind of its own, so that somebody can see that it arrives."""
    now = ports.clock.now()
    with suppress(SecretUnreadable):
        if (secret := ports.vault.read(_secret_of(hook.id))) is not None:
            ports.vault.keep(_secret_of(hook.id), secret)  # from now on under the vault's first key, if that is new
    told = event(ports, TEST, f"{hook.id}-test-{int(now * 1000)}", hook.id, now, {"webhook": hook.id}, {})
    return send(ports, hook, told)


def _posted(ports: Ports, hook: Webhook, told: Event, now: float) -> tuple[int | None, str, bool]:
    """The status, why it failed, and whether that was since nobody has answered."""
    try:
        secret = ports.vault.read(_secret_of(hook.id))
    except SecretUnreadable as error:  # while the storage itself does not answer it is not the webhook's fault
        return None, error.message, False
    if secret is None:
        return None, "Its secret is gone: delete it and make it anew", False
    signed = headers(secret, told.id, int(now), told.body)
    try:
        answer = ports.web.post(hook.url, told.body, {"Content-Type": CONTENT_TYPE, **signed})
    except CanalisError as error:
        return None, one_line(masked(error.message))[:_WHY_MAX], isinstance(error, Unreachable)
    if 200 <= answer.status < 300:
        return answer.status, "", False
    return answer.status, f"It answered {answer.status}", False


def _note(ports: Ports, identity: str, made: Delivery, is_silent: bool) -> None:
    """Write down what became of a try. For people, and to save time: when others write as well it may be left out."""

    def after(before: Deliveries) -> Deliveries:
        last = (made, *before.last)[:DELIVERIES_KEPT]
        if made.ok:
            return Deliveries(last=last)
        failures = before.failures + 1
        rest_s = min(10.0 * 2.0 ** min(before.failures, 10), _REST_S_MAX) if is_silent else 0.0
        return Deliveries(
            last=last,
            failures=failures,
            failing_since=before.failing_since or made.at,
            rests_until=max(before.rests_until, made.at + rest_s) if is_silent else before.rests_until,
        )

    with suppress(CanalisError):
        _changed_or_made(ports.documents, identity, after)


def _changed_or_made(documents: DocumentStore, identity: str, after: Callable[[Deliveries], Deliveries]) -> None:
    stored = documents.get(DELIVERIES, identity)
    known = Deliveries.model_validate(stored.body) if stored is not None else Deliveries()
    body = after(known).model_dump(mode="json")
    etag = stored.etag if stored is not None else None
    with suppress(Conflict):
        documents.put(DELIVERIES, identity, body, etag=etag, if_absent=stored is None)


def _secret_of(identity: str) -> str:
    return f"webhook {identity}"
