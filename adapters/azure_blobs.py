"""Blobs in a container of Azure Blob storage, and datastores as folders of one container.

Datastores share a container, each below `datastores/<name>/`: a datastore's name may have what a container's may not
(`_`, 64 characters), there is nothing to make before the first file, and one role on one container opens all of them.
What it costs is that Azure cannot give rights to a single datastore; the service gives them, by links to single blobs.
"""

from __future__ import annotations

import io
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from functools import partial
from itertools import islice
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from azure.core import MatchConditions
from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError
from azure.storage.blob import BlobBlock, BlobProperties, BlobServiceClient, BlobType, ContainerClient, ExponentialRetry

from adapters.azure_account import REST_S_MAX, Account, code_of, plain_errors, rest_s, retry_after_s, transport
from adapters.azure_appends import SEGMENT, Appends
from adapters.azure_links import Links
from canalis.contract.errors import BadRequest, NotFound, TooLarge
from canalis.contract.ports import BlobInfo, BlobStore, Link

_PIECE_BYTES = 2**20
_BLOCK_BYTES = 4 * 2**20  # of what is written or read by one request
_DELETES_MAX = 256  # in one request
_WRITE = "write"  # metadata: which request wrote a blob
_STORE = re.compile(r"[a-zA-Z0-9_][\w\-]{0,63}", re.ASCII)
_KEY_CHARS_MAX = 1024
_BLOCKS_MAX = 50_000
_RETRIES = 3

ROLE = "Storage Blob Data Contributor"
Errors = Callable[[], AbstractContextManager[None]]


class AzureBlobs:
    """A blob store in a container, or below a folder of it. Many threads may use it at once."""

    def __init__(
        self,
        container: ContainerClient,
        links: Links | None,
        prefix: str = "",
        blocks_max: int = 45_000,
        errors: Errors | None = None,
    ) -> None:
        self._container = container
        self._links = links
        self._prefix = prefix
        self._where = f"container {container.container_name} of {urlsplit(container.url).netloc}"
        self._errors = errors or partial(plain_errors, self._where, ROLE)
        self._appends = Appends(container, self._where, blocks_max)

    @classmethod
    def open(
        cls,
        where: str,
        container: str,
        credential: TokenCredential | None = None,
        create_if_missing: bool = False,
        verify: bool | str = True,
    ) -> AzureBlobs:
        """The container of that name at the account's address, or in the account of a connection string."""
        account = Account.of(where, "blob", credential, verify)
        return cls._in(account, container, create_if_missing, partial(plain_errors, f"container {container}", ROLE))

    @classmethod
    def of_datastore(cls, account: Account, container: str, create_if_missing: bool, errors: Errors) -> AzureBlobs:
        """A container of somebody else's account.

        errors   puts what Azure answers into the words of those who have registered it
        """
        return cls._in(account, container, create_if_missing, errors, is_ours=False)

    @classmethod
    def _in(
        cls, account: Account, container: str, create_if_missing: bool, errors: Errors, is_ours: bool = True
    ) -> AzureBlobs:
        service = BlobServiceClient(
            account.url,
            credential=account.opener(),
            transport=transport(account),
            retry_policy=_Retries(retry_total=_RETRIES),
            max_single_put_size=_BLOCK_BYTES,
            max_block_size=_BLOCK_BYTES,
            max_single_get_size=_BLOCK_BYTES,
            max_chunk_get_size=_BLOCK_BYTES,
        )
        client = service.get_container_client(container)
        if create_if_missing:
            with errors():
                if not client.exists():
                    with suppress(ResourceExistsError):  # another instance was faster
                        client.create_container()
        if is_ours:
            return cls(client, Links(service, account))
        return cls(client, Links(service, account) if account.key or account.credential else None, errors=errors)

    def below(self, prefix: str) -> AzureBlobs:
        """The blobs below that folder of this one, which ends with a slash."""
        return AzureBlobs(self._container, self._links, self._prefix + prefix, errors=self._errors)

    def put(self, key: str, data: bytes | BinaryIO) -> None:
        """Write the whole blob: what is large is sent in blocks, and appears when the last has come."""
        name = self._name(key)
        with self._errors():
            self._upload(name, data)

    def put_if_absent(self, key: str, data: bytes | BinaryIO) -> bool:
        """Write it unless there is one."""
        name, write_id = self._name(key), uuid.uuid4().hex
        with self._errors():
            try:
                self._upload(name, data, match_condition=MatchConditions.IfMissing, metadata={_WRITE: write_id})
            except HttpResponseError as error:
                if error.status_code not in (409, 412) and code_of(error) != "InvalidBlockList":
                    raise
                # Asked again after a lost answer, the client is told of the blob that it wrote itself.
                found = self._properties(name)
                if found is None:
                    raise
                return bool(found.metadata.get(_WRITE) == write_id)
        return True

    def append(self, key: str, data: bytes) -> None:
        """Add to the end of the blob."""
        self._appends.append(self._name(key), data)

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """That range of it. Raises NotFound."""
        return b"".join(self._range(key, offset, length))

    def read(self, key: str) -> Iterator[bytes]:
        """All of it in pieces. Raises NotFound; Conflict when it is replaced in between."""
        for block in self._range(key, 0, None):
            for start in range(0, len(block), _PIECE_BYTES):
                yield block[start : start + _PIECE_BYTES]

    def info(self, key: str) -> BlobInfo | None:
        """Its size and age, or None."""
        found = self._properties(self._name(key))
        return self._info(found) if found is not None else None

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """All blobs whose keys begin with `prefix`, by key, fetched as somebody goes on to them."""
        for found in self._found(self._prefix + self._beginning(prefix)):
            if not _is_hidden(found.name):
                yield self._info(found)

    def delete(self, prefix: str) -> int:
        """Delete the blob of that key and all below it."""
        name = self._name(prefix.rstrip("/"))
        first = self._properties(name)
        names = [*self._appends.segments(first), name] if first is not None else []
        count = int(first is not None)
        below = (found.name for found in self._found(f"{name}/"))
        while names := [*names, *islice(below, _DELETES_MAX - len(names))]:
            some, names = names[:_DELETES_MAX], names[_DELETES_MAX:]
            count += sum(1 for one in some if not _is_hidden(one) and one != name)
            with self._errors():
                for answer in self._container.delete_blobs(*some, raise_on_any_failure=False):
                    if answer.status_code >= 300 and answer.status_code != 404:
                        raise HttpResponseError(response=answer)
        return count

    def link(self, key: str, lifetime_s: float, write: bool = False) -> Link | None:
        """The way to one blob, to fetch it or to put it; None to fetch one that Azure has in several parts.

        None as well where nothing that we have can sign one.
        """
        name = self._name(key)
        if self._links is None:
            return None
        if not write and (found := self._properties(name)) is not None and self._appends.segments(found):
            return None
        with self._errors():
            return self._links.link(self._container.get_blob_client(name), lifetime_s, write)

    def folder(self) -> None:
        """There is none on this machine."""

    def _name(self, key: str) -> str:
        parts = key.split("/")
        if not key or "\0" in key or any(part in ("", ".", "..") or part.startswith(SEGMENT) for part in parts):
            raise BadRequest(f"'{key}' is no path of a file here", key=key)
        name = self._prefix + key
        # Azure drops dots and turns backslashes at places where a folder would keep them.
        if len(name) > _KEY_CHARS_MAX or "\\" in name or any(part.endswith(".") for part in parts):
            raise BadRequest(
                f"'{key[:200]}' cannot be stored: at most {_KEY_CHARS_MAX} characters, no backslash, "
                "and no part that ends with a dot",
                key=key,
            )
        return name

    def _beginning(self, prefix: str) -> str:
        folder = prefix.rpartition("/")[0]
        if folder:
            self._name(folder)
        return prefix

    def _upload(self, name: str, data: bytes | BinaryIO, **how: Any) -> None:
        stream = io.BytesIO(data) if isinstance(data, bytes) else data
        block, following = _read_full(stream), b""
        if len(block) < _BLOCK_BYTES or not (following := _read_full(stream)):
            self._container.upload_blob(name, block, overwrite=not how, **how)
            return
        blob, upload = self._container.get_blob_client(name), uuid.uuid4().hex
        blocks: list[BlobBlock] = []  # under names of our own: of two uploads at once, none gets the other's
        while block:
            if len(blocks) == _BLOCKS_MAX:
                raise TooLarge(f"{name} has more than {_BLOCKS_MAX * _BLOCK_BYTES} bytes, and cannot be stored")
            blocks.append(BlobBlock(f"{upload}-{len(blocks):05d}"))
            blob.stage_block(blocks[-1].id, block)
            block, following = following, _read_full(stream)
        blob.commit_block_list(blocks, **how)

    def _properties(self, name: str) -> BlobProperties | None:
        with self._errors():
            try:
                return self._container.get_blob_client(name).get_blob_properties()
            except HttpResponseError as error:
                if error.status_code == 404 and code_of(error) != "ContainerNotFound":
                    return None
                raise

    def _found(self, beginning: str) -> Iterator[BlobProperties]:
        with self._errors():
            yield from self._container.list_blobs(name_starts_with=beginning, include=["metadata"])

    def _info(self, found: BlobProperties) -> BlobInfo:
        sizes, changed = found.size, found.last_modified
        for segment in self._appends.segments(found):
            if (more := self._properties(segment)) is not None:
                sizes, changed = sizes + more.size, more.last_modified
        return BlobInfo(found.name.removeprefix(self._prefix), sizes, changed.timestamp())

    def _range(self, key: str, offset: int, length: int | None) -> Iterator[bytes]:
        """That range in blocks; of a blob that was appended to, through all its segments."""
        names, missing = [self._name(key)], 2**62 if length is None else length
        for number, name in enumerate(names):
            found, size, block = self._fetch(name, offset, missing)
            if number == 0:
                names += self._appends.segments(found)
            # What grows while it is read has another entity tag; what was there stays as it was.
            etag = found.etag if found.blob_type == BlobType.BLOCKBLOB else None
            while block:
                yield block
                offset, missing = offset + len(block), missing - len(block)
                is_over = missing == 0 or offset >= size
                block = b"" if is_over else self._fetch(name, offset, missing, etag)[2]
            if missing == 0:
                return
            offset = max(0, offset - size)

    def _fetch(self, name: str, offset: int, length: int, etag: str | None = None) -> tuple[BlobProperties, int, bytes]:
        """What is known of a blob, its size, and at most a block of it. Raises NotFound; Conflict for another etag."""
        blob = self._container.get_blob_client(name)
        guard: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}
        with self._errors():
            try:
                part = blob.download_blob(offset, max(1, min(_BLOCK_BYTES, length)), **guard)
                size = int(str(part.properties.content_range).rpartition("/")[2])
                return part.properties, size, part.readall()[:length]
            except HttpResponseError as error:
                if error.status_code == 404 and code_of(error) != "ContainerNotFound":
                    key = name.removeprefix(self._prefix)
                    raise NotFound(f"There is no file {key}", kind="file", name=key) from None
                if error.status_code != 416:  # past its end
                    raise
                found = blob.get_blob_properties()
                return found, found.size, b""


class _Retries(ExponentialRetry):
    """Asks again soon, or when the service wants to be asked; what takes longer is left to the bus."""

    def increment(
        self,
        settings: dict[str, Any],
        request: Any,
        response: Any = None,
        error: AzureError | None = None,
    ) -> bool:
        """Whether to ask again."""
        answer = getattr(response, "http_response", response)  # the client gives now one, now the other
        settings["asked_s"] = retry_after_s(answer.headers) if answer is not None else 0.0
        return super().increment(settings, request, response, error) and settings["asked_s"] <= REST_S_MAX

    def get_backoff_time(self, settings: dict[str, Any]) -> float:
        """How long to rest before that, in seconds."""
        return max(rest_s(settings["count"]), float(settings.get("asked_s", 0.0)))


class AzureStores:
    """Datastores as folders below `datastores/` of one container.

    is_known   whether the workspace has a datastore of that name; asked once for each that it has
    """

    def __init__(self, container: AzureBlobs, is_known: Callable[[str], bool]) -> None:
        self._container = container
        self._is_known = is_known
        self._known: dict[str, BlobStore] = {}

    def make(self, name: str) -> BlobStore:
        """The files of a datastore that the workspace has."""
        return self._container.below(f"datastores/{name}/")

    def open(self, name: str) -> BlobStore:
        """The files of that datastore. Raises NotFound."""
        if name not in self._known:
            if not _STORE.fullmatch(name) or not self._is_known(name):
                raise NotFound(f"There is no datastore '{name}'", kind="datastore", name=name)
            self._known[name] = self.make(name)
        return self._known[name]


def _read_full(stream: BinaryIO) -> bytes:
    """A block's worth of it, shorter only at its end: what comes over a network comes in pieces."""
    pieces, missing = [], _BLOCK_BYTES
    while missing and (piece := stream.read(missing)):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def _is_hidden(name: str) -> bool:
    return name.rpartition("/")[2].startswith(SEGMENT)
