"""A table in Azure Table storage, by azure-data-tables.

A write may be done although its answer is lost. Whoever then asks again is told that the row is there already, or has
another entity tag: by its own doing. So what is guarded carries the id of its request in a property of the row, and
after a repeated request was refused, the row is read: with our id in it, the first one had been carried out. The
client cannot know that, so its own retries are off, and what is asked is asked again here.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from azure.core import MatchConditions
from azure.core.credentials import AzureNamedKeyCredential, TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.data.tables import EdmType, EntityProperty, TableClient, TableEntity, UpdateMode

from adapters.azure_account import REST_S_MAX, Account, code_of, no_answer, refusal, rest_s, retry_after_s, transport
from adapters.azure_transactions import Entrance, Transactions
from adapters.tables.keys import beyond, decoded, encoded
from adapters.tables.table import (
    TRANSACTION_BYTES_MAX,
    Delete,
    Insert,
    Operation,
    Replace,
    Row,
    Value,
    check_limits,
)
from canalis.contract.errors import CanalisError, Conflict, StoreUnavailable, TooLarge

ROLE = "Storage Table Data Contributor"
_TRIES = 4
_AGAIN = (408, 429, 500, 502, 503, 504)
_WRITE = "_write"  # the property that says which request wrote a row
_SYSTEM = ("PartitionKey", "RowKey", _WRITE)
_INT32 = 2**31
_NO_CONTENT = {"headers": {"Prefer": "return-no-content"}}  # else a new row is sent back
_Answer = TypeVar("_Answer")


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
        self._name = name
        self._where = f"table {name} of {urlsplit(account.url).netloc}"
        key = account.credential or AzureNamedKeyCredential(account.name, account.key)
        connections, entrance = transport(account), Entrance()
        self._client = TableClient(
            account.url,
            name,
            credential=key,
            transport=connections,
            per_call_policies=[entrance],
            retry_total=0,
            permit_redirects=False,
            auto_request_id=False,  # Azure gives each request an id as well
            raw_request_hook=_check_bytes,
            raw_response_hook=_read_whole,
        )
        self._transactions = TableClient(
            account.url, name, credential=key, pipeline=Transactions(connections, entrance)
        )
        if create_if_missing:
            self._create()

    def get(self, partition: str, key: str) -> Row | None:
        """The row as last written, or None."""
        entity = self._get(partition, key)
        return _to_row(entity) if entity is not None else None

    def rows(self, partition: str, prefix: str = "", start: str = "", at_once: int = 1000) -> Iterator[Row]:
        """Rows whose keys begin so, from `start` on, by key, fetched as somebody goes on to them."""
        terms, parameters = ["PartitionKey eq @partition"], {"partition": encoded(partition)}
        if lowest := max(encoded(prefix), encoded(start)):
            terms, parameters = [*terms, "RowKey ge @lowest"], parameters | {"lowest": lowest}
        if prefix:
            terms, parameters = [*terms, "RowKey lt @beyond"], parameters | {"beyond": beyond(prefix)}
        found = self._client.query_entities(
            " and ".join(terms), parameters=parameters, results_per_page=min(at_once, 1000)
        )
        pages = found.by_page()
        while (page := self._asked(lambda: next(pages, None))) is not None:
            yield from map(_to_row, page)

    def transact(self, partition: str, operations: Sequence[Operation]) -> list[str]:
        """Do all of it or nothing; the new entity tags, "" where there is none that is ours."""
        check_limits(operations)
        write_id = uuid.uuid4().hex
        try:
            return self._ask(lambda: self._write(partition, operations, write_id))
        except _Refused as refused:
            if refused.status == 404 and refused.code != "TableNotFound":
                return self._without_missing(partition, operations, refused)
            if refused.status in (409, 412) and refused.is_repeated:
                return self._done_before(partition, operations, write_id, refused)
            raise self._reason(refused) from refused

    def _write(self, partition: str, operations: Sequence[Operation], write_id: str) -> list[str]:
        # The client says nothing of a row that is not there to be deleted, unless it is one of several.
        if len(operations) == 1 and not (isinstance(operations[0], Delete) and operations[0].etag is not None):
            return [self._write_one(partition, operations[0], write_id)]  # half the time of a transaction of one
        answers = self._transactions.submit_transaction([_to_part(partition, one, write_id) for one in operations])
        if len(answers) != len(operations):
            raise StoreUnavailable(f"{self._where} answered {len(answers)} of {len(operations)} operations")
        return [str(answer.get("etag", "")) for answer in answers]

    def _write_one(self, partition: str, operation: Operation, write_id: str) -> str:
        entity = _to_entity(partition, operation, write_id)
        if isinstance(operation, Delete):
            self._client.delete_entity(entity)
            return ""
        if isinstance(operation, Insert):
            answer = self._client.create_entity(entity, **_NO_CONTENT)
        elif operation.etag is None:
            answer = self._client.upsert_entity(entity, UpdateMode.MERGE)
        else:
            mode = UpdateMode.REPLACE if isinstance(operation, Replace) else UpdateMode.MERGE
            answer = self._client.update_entity(entity, mode, **_as_read(operation.etag))
        return str(answer["etag"])

    def _without_missing(self, partition: str, operations: Sequence[Operation], refused: _Refused) -> list[str]:
        """Again, after a row was not there: where that is what was wanted, it is left out."""
        kept: list[Operation] = []
        for operation in operations:
            is_free = isinstance(operation, Delete) and (operation.etag is None or refused.is_repeated)
            if not is_free or (len(operations) > 1 and self._get(partition, operation.key) is not None):
                kept.append(operation)
        if len(kept) == len(operations):
            raise Conflict(f"a row of {self._where} that was read is no longer there", partition=partition)
        etags = iter(self.transact(partition, kept)) if kept else iter(())
        return [next(etags) if operation in kept else "" for operation in operations]

    def _done_before(
        self, partition: str, operations: Sequence[Operation], write_id: str, refused: _Refused
    ) -> list[str]:
        """The entity tags, if what was refused had been done by the same request before. Raises Conflict.

        Somebody else may have written over some of it since: the tags of those rows are theirs, and would let us write
        over what we have never read.
        """
        found = [self._get(partition, operation.key) for operation in operations]
        ours = [entity is not None and entity.get(_WRITE) == write_id for entity in found]
        if not any(ours):
            raise self._reason(refused) from refused
        return [str(entity.metadata["etag"]) if entity and own else "" for entity, own in zip(found, ours, strict=True)]

    def _get(self, partition: str, key: str) -> TableEntity | None:
        try:
            return self._ask(lambda: self._client.get_entity(encoded(partition), encoded(key)))
        except _Refused as refused:
            if refused.status == 404 and refused.code != "TableNotFound":
                return None
            raise self._reason(refused) from refused

    def _create(self) -> None:
        try:
            self._ask(self._client.create_table)
        except _Refused as refused:
            if refused.code != "TableAlreadyExists":
                raise self._reason(refused) from refused

    def _asked(self, call: Callable[[], _Answer]) -> _Answer:
        """What the client says. Raises what its refusal means."""
        try:
            return self._ask(call)
        except _Refused as refused:
            raise self._reason(refused) from refused

    def _ask(self, call: Callable[[], _Answer]) -> _Answer:
        """What the client says, asked again while it may help.

        Raises    _Refused; StoreUnavailable when there is no answer
        """
        for number in range(1, _TRIES + 1):
            pause_s = rest_s(number)
            try:
                return call()
            except AzureError as error:
                response: Any = error.response if isinstance(error, HttpResponseError) else None
                if response is not None:
                    pause_s = max(pause_s, retry_after_s(response.headers))
                is_over = number == _TRIES or pause_s > REST_S_MAX
                if response is not None and (is_over or response.status_code not in _AGAIN):
                    raise _Refused(response.status_code, _code(error), is_repeated=number > 1) from error
                if is_over or isinstance(error, ClientAuthenticationError):
                    raise no_answer(error, self._where, ROLE) from error
            time.sleep(pause_s)
        raise AssertionError(_TRIES)

    def _reason(self, refused: _Refused) -> CanalisError:
        if refused.code == "TableNotFound":
            return StoreUnavailable(f"There is no {self._where}: deploy the infrastructure again, which makes it")
        return refusal(refused.status, refused.code, self._where, ROLE)


class _Refused(Exception):
    """Azure has said no.

    code          its own word for it, "" when it gave none
    is_repeated   whether it has been asked before, and that may have been done
    """

    def __init__(self, status: int, code: str, is_repeated: bool) -> None:
        super().__init__(status, code)
        self.status, self.code, self.is_repeated = status, code, is_repeated


def _to_part(partition: str, operation: Operation, write_id: str) -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
    """An operation as the client takes it for a transaction."""
    entity = _to_entity(partition, operation, write_id)
    if isinstance(operation, Delete):
        return "delete", entity, _as_read(operation.etag) if operation.etag is not None else {}
    if isinstance(operation, Insert):
        return "create", entity, _NO_CONTENT
    if operation.etag is None:
        return "upsert", entity, {"mode": UpdateMode.MERGE}
    mode = UpdateMode.REPLACE if isinstance(operation, Replace) else UpdateMode.MERGE
    return "update", entity, {"mode": mode, **_as_read(operation.etag)}


def _to_entity(partition: str, operation: Operation, write_id: str) -> dict[str, Any]:
    """The row as the client takes it, marked as ours: who was not answered sees by the mark who wrote last."""
    entity: dict[str, Any] = {"PartitionKey": encoded(partition), "RowKey": encoded(operation.key)}
    if isinstance(operation, Delete):
        return entity
    for name, value in operation.properties.items():
        is_long = isinstance(value, int) and not -_INT32 <= value < _INT32
        entity[name] = EntityProperty(value, EdmType.INT64) if is_long else value
    entity[_WRITE] = write_id
    return entity


def _as_read(etag: str) -> dict[str, Any]:
    return {"etag": etag, "match_condition": MatchConditions.IfNotModified}


def _to_row(entity: TableEntity) -> Row:
    found: dict[str, Value] = {}
    for name, value in entity.items():
        if name not in _SYSTEM:
            found[name] = value.value if isinstance(value, EntityProperty) else value
    return Row(decoded(entity["RowKey"]), str(entity.metadata["etag"]), found)


def _code(error: AzureError) -> str:
    """Azure's own word for it, "" when it gave none."""
    if code := code_of(error):
        return code
    try:  # a row that cannot be created is refused in Azure's words alone
        return str(error.response.json()["odata.error"]["code"])  # type: ignore[attr-defined]
    except (AttributeError, KeyError, TypeError, ValueError):
        return ""


def _check_bytes(request: PipelineRequest[Any]) -> None:
    content = request.http_request.content
    if content is not None and len(content) > TRANSACTION_BYTES_MAX:  # bytes travel as base64
        raise TooLarge(f"{len(content)} bytes at once: at most {TRANSACTION_BYTES_MAX} can be sent together")


def _read_whole(response: PipelineResponse[Any, Any]) -> None:
    """Read it here, where a connection that breaks has a name: the client reads a transaction's answer too late."""
    response.http_response.read()
