"""Events as their receivers read them: by CloudEvents' own library."""

from __future__ import annotations

from typing import Any

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_http_event


def read_event(body: str | bytes, content_type: str = "application/cloudevents+json") -> BaseCloudEvent:
    """The event of an HTTP body, or of a message with the same. Raises what the library raises for one that is none."""
    assert content_type.startswith("application/cloudevents+json"), content_type
    data = body.encode() if isinstance(body, str) else body
    return from_http_event(HTTPMessage(headers={"content-type": content_type}, body=data))


def data_of(body: str | bytes) -> dict[str, Any]:
    """What an event says."""
    found = read_event(body).get_data()
    assert isinstance(found, dict), found
    return found
