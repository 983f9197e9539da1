"""What a function is given: messages, timers and requests as the host puts them on the wire.

Numbers travel as JSON: the runtime library's decoder has no case for the protocol's own integers.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from azure.servicebus import ServiceBusReceivedMessage

from tests.azure.host.protos import messages


def body_of(message: ServiceBusReceivedMessage) -> bytes:
    """The bytes of a message's body."""
    body = message.body
    if isinstance(body, str):
        return body.encode()
    return body if isinstance(body, bytes) else b"".join(body)


def metadata_of(message: ServiceBusReceivedMessage) -> dict[str, Any]:
    """A message's trigger metadata by the host's names, as values for JSON.

    The host counts deliveries from 1, the client library from 0.

    Source    Microsoft's page "Azure Service Bus trigger for Azure Functions", message metadata; the names that
              azure.functions.servicebus reads
    """
    properties = {_text(key): _plain(value) for key, value in (message.application_properties or {}).items()}
    values = {
        "MessageId": message.message_id,
        "SequenceNumber": message.sequence_number,
        "EnqueuedSequenceNumber": message.enqueued_sequence_number,
        "DeliveryCount": (message.delivery_count or 0) + 1,
        "EnqueuedTimeUtc": _time(message.enqueued_time_utc),
        "EnqueuedTime": _time(message.enqueued_time_utc),
        "ExpiresAtUtc": _time(message.expires_at_utc),
        "ExpiresAt": _time(message.expires_at_utc),
        "ScheduledEnqueueTimeUtc": _time(message.scheduled_enqueue_time_utc),
        "LockedUntil": _time(message.locked_until_utc),
        "LockToken": str(message.lock_token),
        "ContentType": message.content_type,
        "CorrelationId": message.correlation_id,
        "Subject": message.subject,
        "Label": message.subject,
        "To": message.to,
        "ReplyTo": message.reply_to,
        "ReplyToSessionId": message.reply_to_session_id,
        "SessionId": message.session_id,
        "PartitionKey": message.partition_key,
        "DeadLetterSource": message.dead_letter_source,
        "DeadLetterReason": message.dead_letter_reason,
        "DeadLetterErrorDescription": message.dead_letter_error_description,
        "ApplicationProperties": properties,
        "UserProperties": properties,
    }
    return {name: value for name, value in values.items() if value is not None}


def one_message(message: ServiceBusReceivedMessage) -> tuple[Any, dict[str, Any]]:
    """Input and trigger metadata of a function that takes one message."""
    metadata = {
        name: messages.TypedData(string=value) if isinstance(value, str) else _json(value)
        for name, value in metadata_of(message).items()
    }
    return messages.TypedData(bytes=body_of(message)), metadata


def many_messages(batch: list[ServiceBusReceivedMessage]) -> tuple[Any, dict[str, Any]]:
    """Input and trigger metadata of a function that takes a list: an array for each name, as long as the list."""
    told = [metadata_of(message) for message in batch]
    names = sorted({name for one in told for name in one})
    metadata = {f"{name}Array": _json([one.get(name) for one in told]) for name in names}
    bodies = {"bytes": [body_of(message) for message in batch]}
    return messages.TypedData(collection_bytes=bodies), metadata


def timer(past_due: bool, last: datetime | None, next_due: datetime) -> Any:
    """Input of a function that a timer triggers."""
    status = {"Last": _time(last) or "0001-01-01T00:00:00", "Next": _time(next_due)}
    return _json(
        {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": {**status, "LastUpdated": status["Last"]},
            "IsPastDue": past_due,
        }
    )


def _json(value: Any) -> Any:
    return messages.TypedData(json=json.dumps(value))


def _time(value: datetime | None) -> str | None:
    # Microseconds always: the library reads a fixed form. It wants a Z, or nothing, for the zone.
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if value is not None else None


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.isoformat() if isinstance(value, datetime) else _text(value)
