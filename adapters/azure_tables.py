"""A table in Azure Table storage, spoken to over azure-core's pipeline and its pool of connections.

Not through azure-data-tables: that takes 7 ms of processor for a transaction of three rows, this 1.5, since it writes
and reads the few requests that there are itself (adapters/tables/wire.py); the tests hold the two against each other.

A write may be done although its answer is lost. Whoever then asks again is told that the row is there already, or has
another entity tag: by its own doing. So what is guarded carries the id of its request in a property of the row, and
after a repeated request was refused, the row is read: with our id in it, the first one had been carried out.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from email.utils import formatdate
from typing import Any
from urllib.parse import quote, urlsplit

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.pipeline import Pipeline, PipelineRequest
from azure.core.pipeline.policies import BearerTokenCredentialPolicy, SansIOHTTPPolicy
from azure.core.rest import HttpRequest, HttpResponse

from adapters.azure_account import REST_S_MAX, Account, no_answer, refusal, rest_s, retry_after_s, transport
from adapters.tables import wire
from adapters.tables.table import TRANSACTION_BYTES_MAX, Delete, Operation, Row
from canalis.contract.errors import CanalisError, Conflict, StoreUnavailable, TooLarge

ROLE = "Storage Table Data Contributor"
_VERSION = "2019-02-02"
_SCOPE = "https://storage.azure.com/.default"
_TRIES = 4
_AGAIN = (408, 429, 500, 502, 503, 504)
_HEADERS = {
    "x-ms-version": _VERSION,
    "DataServiceVersion": "3.0",
    "MaxDataServiceVersion": "3.0;NetFx",
    "Accept": "application/json;odata=minimalmetadata",
}


class AzureTable:
    """One table. Many threads may use it at once."""

    def __init__(
        self,
        where: str,
        name: str,
        credential: TokenCredential | None = None,
        create_if_missing: bool = False,
        verify: bool | str = True,
    ) -> None:
        """The table of that name at the account's address, or in the account of a connection string."""
        account = Account.of(where, "table", credential, verify)
        self._url, self._name = account.url, name
        self._where = f"table {name} of {urlsplit(account.url).netloc}"
        policy: Any = _SharedKey(account)
        if account.credential is not None:
            policy = BearerTokenCredentialPolicy(account.credential, _SCOPE)
        self._pipeline: Pipeline[HttpRequest, HttpResponse] = Pipeline(transport(account), [policy])
        if create_if_missing:
            self._create()

    def get(self, partition: str, key: str) -> Row | None:
        """The row as last written, or None."""
        body = self._get(partition, key)
        return wire.to_row(body) if body is not None else None

    def rows(self, partition: str, prefix: str = "", start: str = "", at_once: int = 1000) -> Iterator[Row]:
        """Rows whose keys begin so, from `start` on, by key, fetched as somebody goes on to them."""
        query = {"$filter": wire.key_range(partition, prefix, start), "$top": str(min(at_once, 1000))}
        following: dict[str, str] | None = {}
        while following is not None:
            text = "&".join(f"{name}={quote(value, safe='')}" for name, value in (query | following).items())
            response, _ = self._ask("GET", f"/{self._name}()?{text}")
            if response.status_code != 200:
                raise self._refusal(*_told(response)[:2])
            for body in json.loads(response.content)["value"]:
                yield wire.to_row(body)
            following = _continuation(response.headers)

    def transact(self, partition: str, operations: Sequence[Operation]) -> list[str]:
        """Do all of it or nothing; the new entity tags."""
        wire.check_limits(operations)
        write_id = uuid.uuid4().hex
        told, is_repeated = self._write(partition, operations, write_id)
        status, code, _ = failed = next((one for one in told if one[0] >= 300), (0, "", ""))
        if not status:
            return [etag for _, __, etag in told]
        if status == 404 and code != "TableNotFound":
            return self._without_missing(partition, operations, is_repeated)
        if status in (409, 412) and is_repeated:
            return self._done_before(partition, operations, write_id, failed)
        raise self._refusal(status, code)

    def _write(
        self, partition: str, operations: Sequence[Operation], write_id: str
    ) -> tuple[list[tuple[int, str, str]], bool]:
        """What was said of each operation, or of the first that failed; and whether it had to be asked again."""
        if len(operations) == 1:  # half the time of a transaction of one
            guard = write_id if wire.is_guarded(operations[0]) else ""
            method, path, headers, content = wire.request(self._name, partition, operations[0], guard)
            response, is_repeated = self._ask(method, path, headers, content)
            return [_told(response)], is_repeated
        sort, content = wire.batch(self._url, self._name, partition, operations, write_id)
        if len(content) > TRANSACTION_BYTES_MAX:  # bytes travel as base64
            raise TooLarge(f"{len(content)} bytes at once: at most {TRANSACTION_BYTES_MAX} can be sent together")
        response, is_repeated = self._ask("POST", "/$batch", {"Content-Type": sort}, content)
        if response.status_code != 202:
            return [_told(response)], is_repeated
        told = list(wire.answers(response.content))
        if len(told) != len(operations) and all(status < 300 for status, _, __ in told):
            raise StoreUnavailable(f"{self._where} answered {len(told)} of {len(operations)} operations")
        return told, is_repeated

    def _without_missing(self, partition: str, operations: Sequence[Operation], is_repeated: bool) -> list[str]:
        """Again, after a row was not there: where that is what was wanted, it is left out."""
        kept: list[Operation] = []
        for operation in operations:
            is_free = isinstance(operation, Delete) and (operation.etag is None or is_repeated)
            if not is_free or (len(operations) > 1 and self._get(partition, operation.key) is not None):
                kept.append(operation)
        if len(kept) == len(operations):
            raise Conflict(f"a row of {self._where} that was read is no longer there", partition=partition)
        etags = iter(self.transact(partition, kept)) if kept else iter(())
        return [next(etags) if operation in kept else "" for operation in operations]

    def _done_before(
        self, partition: str, operations: Sequence[Operation], write_id: str, failed: tuple[int, str, str]
    ) -> list[str]:
        """The entity tags, if what was refused had been done by the same request before. Raises Conflict."""
        found = [self._get(partition, operation.key) or {} for operation in operations]
        if not any(body.get(wire.WRITE) == write_id for body in found):
            raise self._refusal(*failed[:2])
        return [str(body.get("odata.etag", "")) for body in found]

    def _get(self, partition: str, key: str) -> Mapping[str, Any] | None:
        response, _ = self._ask("GET", wire.row_path(self._name, partition, key))
        if response.status_code == 200:
            found: Mapping[str, Any] = json.loads(response.content)
            return found
        status, code, _ = _told(response)
        if status == 404 and code != "TableNotFound":
            return None
        raise self._refusal(status, code)

    def _create(self) -> None:
        headers = {"Content-Type": "application/json", "Prefer": "return-no-content"}
        response, _ = self._ask("POST", "/Tables", headers, json.dumps({"TableName": self._name}).encode())
        status, code, _ = _told(response)
        if status >= 300 and code != "TableAlreadyExists":
            raise self._refusal(status, code)

    def _ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> tuple[HttpResponse, bool]:
        """The answer, and whether it is that to a repeated request. Raises StoreUnavailable when there is none."""
        for number in range(1, _TRIES + 1):
            request = HttpRequest(method, self._url + path, headers={**_HEADERS, **(headers or {})}, content=content)
            pause_s = rest_s(number)
            try:
                response = self._pipeline.run(request).http_response
                response.read()
            except ClientAuthenticationError as error:
                raise no_answer(error, self._where, ROLE) from error
            except AzureError as error:
                if number == _TRIES:
                    raise no_answer(error, self._where, ROLE) from error
            else:
                if response.status_code not in _AGAIN or number == _TRIES:
                    return response, number > 1
                pause_s = max(pause_s, retry_after_s(response.headers))
                if pause_s > REST_S_MAX:
                    return response, number > 1
            time.sleep(pause_s)
        raise AssertionError(_TRIES)

    def _refusal(self, status: int, code: str) -> CanalisError:
        if code == "TableNotFound":
            return StoreUnavailable(f"There is no {self._where}: deploy the infrastructure again, which makes it")
        return refusal(status, code, self._where, ROLE)


class _SharedKey(SansIOHTTPPolicy[HttpRequest, HttpResponse]):
    """Signs requests with the key of an emulator's account.

    Source    Authorize with Shared Key, the "lite" form for tables
    """

    def __init__(self, account: Account) -> None:
        self._name = account.name
        self._key = base64.b64decode(account.key)

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        """Date and sign it."""
        date = formatdate(usegmt=True)
        text = f"{date}\n/{self._name}{urlsplit(request.http_request.url).path}"
        signature = base64.b64encode(hmac.digest(self._key, text.encode(), hashlib.sha256)).decode()
        request.http_request.headers["x-ms-date"] = date
        request.http_request.headers["Authorization"] = f"SharedKeyLite {self._name}:{signature}"


def _told(response: HttpResponse) -> tuple[int, str, str]:
    return wire.answer(response.status_code, response.content, response.headers.get("etag", ""))


def _continuation(headers: Mapping[str, str]) -> dict[str, str] | None:
    partition = headers.get("x-ms-continuation-NextPartitionKey")
    if not partition:
        return None
    key = headers.get("x-ms-continuation-NextRowKey")
    return {"NextPartitionKey": partition} | ({"NextRowKey": key} if key else {})
