"""Webhooks: addresses to which the ends of runs are sent, as they are kept and shown. Secrets lie in the vault."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool

from canalis.contract.graph import Part
from canalis.contract.published import Id, Name

WEBHOOKS = "webhooks"  # kind of the documents with webhooks
DELIVERIES = "webhook-deliveries"  # kind of those with what became of what was sent to each
WEBHOOKS_MAX = 50
DELIVERIES_KEPT = 20
FAILING_AFTER = 10  # tries in a row that failed, after which a webhook says so
_URL_MAX = 2_048

# In a run's own words.
Ending = Literal["completed", "failed", "cancelled"]
Url = Annotated[str, Field(min_length=1, max_length=_URL_MAX)]
Endings = Annotated[tuple[Ending, ...], Field(max_length=3)]
Experiment = Annotated[str, Field(max_length=255)]


class WebhookRequest(Part):
    """A new webhook.

    id                   chosen by the caller to make a repeated request the same webhook; else a new one
    experiment, pipeline, status   only runs of that experiment, of that published pipeline, that ended so
    """

    id: Id | None = None
    name: Name = ""
    url: Url
    experiment: Experiment | None = None
    pipeline: Id | None = None
    status: Endings = ()
    enabled: StrictBool = True


class Webhook(Part):
    """A webhook as it is kept."""

    id: str
    name: str = ""
    url: str
    experiment: str | None = None
    pipeline: str | None = None
    status: tuple[Ending, ...] = ()
    enabled: StrictBool = True
    created_at: float
    created_by: str = ""
    updated_at: float

    def wants(self, experiment: str, pipeline: str | None, status: str | None) -> bool:
        """Whether it is to hear of a run; `status` None for one that has not ended, and may end in any way."""
        return (
            self.enabled
            and self.experiment in (None, experiment)
            and self.pipeline in (None, pipeline)
            and (status is None or not self.status or status in self.status)
        )


class Delivery(Part):
    """One try to send something to a webhook. What was answered is not kept: it may be what only we can reach.

    run      whose end it was about; "" for a test
    status   of HTTP; None when nobody answered
    why      it failed, in words; "" when it did not
    """

    at: float
    run: str = ""
    ok: bool
    status: int | None = None
    why: str = ""
    took_s: float = 0.0


class Deliveries(Part):
    """What became of what was sent to a webhook, the last first.

    failures       in a row, up to now
    failing_since  when the first of those was
    rests_until    nothing is sent before that: nobody has answered, and each try takes its time
    """

    last: tuple[Delivery, ...] = ()
    failures: int = 0
    failing_since: float | None = None
    rests_until: float = 0.0


class WebhookView(Webhook):
    """A webhook as it is shown.

    attention   why somebody has to look after it; "" when nobody has
    last        what became of what was sent to it, the last first
    """

    attention: str = ""
    last: tuple[Delivery, ...] = ()


class WebhookMade(WebhookView):
    """A webhook that was just made. Its `secret` is shown this once; None when the same request came before."""

    secret: str | None = None


class WebhookChange(Part):
    """What shall be other than it is; what is not given stays, and a filter that is null goes."""

    name: Name | None = None
    url: Url | None = None
    experiment: Experiment | None = None
    pipeline: Id | None = None
    status: Endings | None = None
    enabled: StrictBool | None = None
