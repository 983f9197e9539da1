"""What kind of operation a storage request is, read from its method, its path and, for a batch, its body."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

_IN_BATCH = re.compile(rb"(?:^|\n)(GET|POST|PUT|MERGE|PATCH|DELETE) (\S+) HTTP/1\.1\r?$", re.MULTILINE)
_ENTITY = re.compile(r"(\w+)\(PartitionKey=.*\)", re.DOTALL)
_OF_DOCUMENTS = "PartitionKey eq 'doc:"
BATCHED = {"POST": "insert", "PUT": "replace", "MERGE": "merge", "PATCH": "merge", "DELETE": "delete", "GET": "get"}


@dataclass(frozen=True)
class Operation:
    """One request.

    kind      tables: get, query, list (of documents of a kind), insert, replace, merge, delete, batch, create_table, delete_table, other;
              blobs: get, head, put, delete, list, block, commit, lease, and the `comp` of all others
    subject   the table or the container
    inner     of a batch: the kinds within, in order
    """

    kind: str
    subject: str
    inner: tuple[str, ...] = ()


def table_operation(method: str, target: str, body: bytes) -> Operation:
    """An operation on tables; `target` is the request's path and query, the account first."""
    path, _, query = target.partition("?")
    rest = unquote(path).lstrip("/").partition("/")[2]
    if rest == "$batch":
        found = _IN_BATCH.findall(body)
        subject = unquote(found[0][1].decode("latin-1")).rpartition("/")[2].partition("(")[0] if found else ""
        return Operation("batch", subject, tuple(BATCHED[verb.decode()] for verb, _ in found))
    if rest == "Tables" or rest.startswith("Tables("):
        return Operation({"POST": "create_table", "DELETE": "delete_table"}.get(method, "other"), "")
    entity = _ENTITY.fullmatch(rest)
    if entity is not None:
        return Operation(BATCHED.get(method, "other"), entity[1])
    name = rest.removesuffix("()")
    if method == "GET" and _OF_DOCUMENTS in parse_qs(query).get("$filter", [""])[0]:
        return Operation("list", name)
    return Operation({"GET": "query", "POST": "insert"}.get(method, "other"), name)


def blob_operation(method: str, target: str, body: bytes) -> Operation:
    """An operation on blobs; `target` as above."""
    path, _, query = target.partition("?")
    container, _, blob = unquote(path).lstrip("/").partition("/")[2].partition("/")
    comp = parse_qs(query).get("comp", [""])[0]
    named = {"block": "block", "blocklist": "commit" if method == "PUT" else "blocklist", "": method.lower()}
    if not blob and comp == "":
        return Operation({"PUT": "create_container", "DELETE": "delete_container"}.get(method, "other"), container)
    return Operation(named.get(comp, comp), container)
