"""The bus on Azure Service Bus: one sender for each queue, kept open, since to open one takes half a second.

A message that is too large for the bus is put into a blob, and what travels is where it lies.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import ClientAuthenticationError
from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusSender
from azure.servicebus.exceptions import (
    MessageSizeExceededError,
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
    ServiceBusError,
    ServiceBusQuotaExceededError,
)

from canalis.contract.errors import CanalisError, NotFound, StoreFull, StoreUnavailable, TooLarge
from canalis.contract.messages import SET_ASIDE_QUEUE, VERSION, Send
from canalis.contract.ports import BlobStore

ROLE = "Azure Service Bus Data Sender"
BODY_BYTES_MAX = 200 * 2**10  # of 256 KiB in the Standard tier, which count the properties as well
_STORED = "messages/"
_CLAIM = re.compile(rb'\{"stored":"messages/([0-9a-f]{64})"\}')
_REASON_MAX = 1000
_OWN_PLACES = ("message_id", "correlation_id", "subject", "content_type")  # of what is said beside a body
_RETRIES = 2  # by the client, of a send that failed
_TIMEOUT_S = 20.0


class AzureBus:
    """Sends messages to the queues of a namespace. Many threads may use it at once.

    blobs    where messages lie that are too large to travel
    topics   names of what is published to that are no queues
    """

    def __init__(
        self, where: str, blobs: BlobStore, credential: TokenCredential | None = None, topics: Collection[str] = ()
    ) -> None:
        """The namespace of that name (`<name>.servicebus.windows.net`), or of a connection string."""
        how: dict[str, Any] = {"retry_total": _RETRIES, "retry_backoff_factor": 0.3, "socket_timeout": 5.0}
        if credential is not None:
            self._client = ServiceBusClient(where, credential, **how)
        else:
            self._client = ServiceBusClient.from_connection_string(where, **how)
        self._where = self._client.fully_qualified_namespace
        self._blobs = blobs
        self._topics = topics
        self._lock = threading.Lock()
        self._queues: dict[str, _Queue] = {}

    def send(self, sends: Sequence[Send], name: str = "") -> None:
        """Hand messages over; on return the bus has them."""
        by_queue: dict[str, list[ServiceBusMessage]] = {}
        for number, send in enumerate(sends):
            message_id = f"{name}.{number}" if name else None
            by_queue.setdefault(send.queue, []).append(self._message(send, message_id))
        for queue, messages in by_queue.items():
            self._queue(queue).send(messages)

    def publish(self, target: str, body: bytes, properties: Mapping[str, str]) -> None:
        """Hand a message over that is for others; on return the bus has it."""
        if len(body) > BODY_BYTES_MAX:
            raise TooLarge(f"The message for {target} has {len(body)} bytes: at most {BODY_BYTES_MAX} are sent")
        own: dict[str, Any] = {name: properties[name] for name in _OWN_PLACES if name in properties}
        said: dict[str | bytes, Any] = {name: text for name, text in properties.items() if name not in own}
        message = ServiceBusMessage(body, application_properties=said, **own)
        try:
            self._queue(target).send([message])
        except StoreUnavailable as error:
            if isinstance(error.__cause__, MessagingEntityNotFoundError):
                with self._lock:
                    self._queues.pop(target, None)  # the names of others have no end
                raise NotFound(error.message, kind="queue", name=target) from error
            raise

    def set_aside(self, body: bytes, reason: str, message_id: str = "") -> None:
        """Keep a message that is none of ours where an operator finds it, with the reason.

        message_id   of the message, so that one which is set aside twice is kept once
        """
        said: dict[str | bytes, Any] = {"reason": reason[:_REASON_MAX]}
        message = ServiceBusMessage(body[:BODY_BYTES_MAX], application_properties=said, message_id=message_id or None)
        self._queue(SET_ASIDE_QUEUE).send([message])

    def call(self, queue: str, times: Iterable[float]) -> None:
        """Have a queue's readers called at each of these times, in whole seconds since 1970.

        Once for each, whoever else asks for the same: the queue drops what comes twice within ten minutes.
        """
        calls = [
            ServiceBusMessage(b"{}", message_id=f"{at:.0f}", scheduled_enqueue_time_utc=datetime.fromtimestamp(at, UTC))
            for at in times
        ]
        self._queue(queue).send(calls)

    def warm_up(self, queues: Iterable[str]) -> None:
        """Open the senders of these queues, so that the first message does not wait for it."""
        for queue in queues:
            self._queue(queue).send([])

    def close(self) -> None:
        """Let go of all connections. What was sent is with the bus."""
        with self._lock:
            for queue in self._queues.values():
                queue.forget()
            self._queues.clear()
            self._client.close()

    def _queue(self, name: str) -> _Queue:
        with self._lock:
            if name not in self._queues:
                what = "topic" if name in self._topics else "queue"
                self._queues[name] = _Queue(self._client, name, f"{what} {name} of {self._where}", what == "topic")
            return self._queues[name]

    def _message(self, send: Send, message_id: str | None) -> ServiceBusMessage:
        """What travels for one send, with all that is said beside its body."""
        properties: dict[str | bytes, Any] = {"schema": VERSION}
        if send.trace:
            properties["traceparent"] = send.trace  # where the field's own tools look for it
        due = datetime.now(UTC) + timedelta(seconds=send.delay_s) if send.delay_s > 0 else None
        return ServiceBusMessage(
            self._travelling(send.to_bytes()),
            message_id=message_id,
            content_type="application/json",
            application_properties=properties,
            scheduled_enqueue_time_utc=due,
        )

    def _travelling(self, body: bytes) -> bytes:
        if len(body) <= BODY_BYTES_MAX:
            return body
        key = f"{_STORED}{hashlib.sha256(body).hexdigest()}"
        self._blobs.put_if_absent(key, body)
        return json.dumps({"stored": key}, separators=(",", ":")).encode()


class _Queue:
    """The sender of one queue or topic, opened when it is needed and again after it failed."""

    def __init__(self, client: ServiceBusClient, name: str, where: str, is_topic: bool = False) -> None:
        self._client = client
        self._is_topic = is_topic
        self._name = name
        self._where = where
        self._lock = threading.Lock()  # a sender's link is for one thread at a time
        self._sender: ServiceBusSender | None = None

    def send(self, messages: Sequence[ServiceBusMessage]) -> None:
        """Send them, in as few pieces as fit; with none, only see to it that the sender is open."""
        with self._lock:
            try:
                if self._sender is None:
                    open_sender = self._client.get_topic_sender if self._is_topic else self._client.get_queue_sender
                    self._sender = open_sender(self._name, socket_timeout=5.0)
                for batch in _batches(self._sender, messages):
                    self._sender.send_messages(batch, timeout=_TIMEOUT_S)
            except Exception as error:
                self._forget()
                refusal = _refusal(error, self._where)
                if refusal is None:
                    raise
                raise refusal from error

    def forget(self) -> None:
        """Close the sender."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            with suppress(Exception):  # it is broken: nothing that it still has to say is news
                sender.close()


def opened(body: bytes, blobs: BlobStore) -> bytes:
    """The message that a body from the bus stands for: the body itself, or what lies in a blob.

    Raises   NotFound when the blob is gone, which the operator's rules for old messages may see to
    """
    found = _CLAIM.fullmatch(body)
    if found is None:
        return body
    stored = blobs.get(f"{_STORED}{found[1].decode()}")
    if hashlib.sha256(stored).hexdigest() != found[1].decode():
        raise NotFound(f"The message {found[1].decode()} is not what was stored", kind="message")
    return stored


def _batches(sender: ServiceBusSender, messages: Sequence[ServiceBusMessage]) -> Iterator[Any]:
    """The messages in as few pieces as the bus takes. Opens the sender."""
    batch = sender.create_message_batch()
    for message in messages:
        try:
            batch.add_message(message)
        except MessageSizeExceededError:
            if len(batch) == 0:
                raise
            yield batch
            batch = sender.create_message_batch()
            batch.add_message(message)
    if len(batch):
        yield batch


def _refusal(error: Exception, where: str) -> CanalisError | None:
    """What the bus's error means, in the operator's words; None when it is none of the world's."""
    text = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    if isinstance(error, CanalisError):
        return error
    if isinstance(error, MessageSizeExceededError):
        return TooLarge(f"A message for {where} is larger than the bus takes: {text}")
    if isinstance(error, MessagingEntityNotFoundError):
        return StoreUnavailable(f"There is no {where}: deploy the infrastructure again, which makes it")
    if isinstance(error, (ServiceBusAuthenticationError, ServiceBusAuthorizationError, ClientAuthenticationError)):
        return StoreUnavailable(f"{where} refuses us: give the app's identity the role '{ROLE}' ({text})")
    if isinstance(error, ServiceBusQuotaExceededError):
        return StoreFull(f"No room is left in {where}: look what it waits for, or make it larger")
    if isinstance(error, (ServiceBusError, OSError)):
        return StoreUnavailable(f"{where} does not take messages: {text}")
    return None
