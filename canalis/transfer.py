"""Files on their way to and from a workspace: by links straight to its storage, or through its service.

Several go at once by links. What has failed for want of a connection is tried again; a file counts once it is whole.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

from canalis.client import Client, is_here
from canalis.contract.errors import AlreadyExists, BadRequest, CanalisError, Conflict, NotFound, StoreUnavailable

if TYPE_CHECKING:
    from concurrent.futures import Future

    import httpx2

AT_ONCE = 8
LINK_BYTES_MAX = 5000 * 2**20  # what Blob storage takes as one blob in one request; larger files go through the service
_TOGETHER = 200  # files that links are asked for at once
_AWAY_S = 60.0  # how long storage that does not answer is waited for
_FIRST_REST_S = 0.3
_LAST_REST_S = 5.0
_TIMEOUT_S = 60.0
_MOMENT_S = 1.0  # what takes longer is shown
_PIECE_BYTES = 2**20
_REFUSED = (401, 403)  # a link that has run out, too
_TAKEN = (409, 412)

_Done = TypeVar("_Done")
Tell = Callable[[int], None]  # is told of bytes that have gone, below zero of those that go again


class Shelf(NamedTuple):
    """Files of a service that have links: of a datastore, or of a run.

    links   the route that gives them
    files   the route below which they are, each under its path
    """

    links: str
    files: str

    def file(self, path: str) -> str:
        """The route of one file."""
        return f"{self.files}/{quote(path)}"


def of_datastore(name: str) -> Shelf:
    """The files of a datastore."""
    return Shelf(f"/datastores/{quote(name)}/links", f"/datastores/{quote(name)}/files")


def of_run(path: str) -> Shelf:
    """The files of a run, or of a step: `path` is its route."""
    return Shelf(f"{path}/links", f"{path}/artifacts")


def of_model(identity: str) -> Shelf:
    """The files of a model."""
    return Shelf(f"/models/{quote(identity)}/links", f"/models/{quote(identity)}/files")


def receive(client: Client, shelf: Shelf, wanted: Sequence[tuple[str, Path]]) -> Iterator[str]:
    """Download files, each (path, where to); the paths in their order, each when its file is there as a whole.

    Raises NotFound for a file that is not there
    """
    for path, _ in wanted:
        if ".." in path.split("/"):  # targets are made of paths that others have named
            raise BadRequest(f"'{path}' is no path of a file here", key=path)
    if not client.is_remote:

        def copy(path: str, target: Path) -> str:
            client.receive_file(shelf.file(path), target)
            return path

        for batch in _batches(wanted):
            yield from in_order([partial(copy, path, target) for path, target in batch])
        return
    with Storage() as storage, Bar("Downloading", len(wanted)) as bar:

        def fetch(path: str, target: Path, link: dict[str, Any] | None) -> str:
            if link is None:
                client.receive_file(shelf.file(path), target)
            else:
                storage.fetch(link, target, path, bar.tell)
            bar.file_done()
            return path

        for batch in _batches(wanted):
            links = client.post(shelf.links, {"for": "read", "paths": [path for path, _ in batch]})["links"]
            yield from in_order([partial(fetch, path, target, links.get(path)) for path, target in batch])


def send(client: Client, shelf: Shelf, files: Sequence[tuple[Path, str]], overwrite: bool) -> Iterator[bool]:
    """Upload files, each (from where, path); in their order, whether each is there now by this. False: it was kept.

    Without `overwrite` no file is replaced.
    """

    def through_service(file: Path, path: str) -> bool:
        try:
            with file.open("rb") as content:
                client.send_file(shelf.file(path), content, overwrite=overwrite)
        except AlreadyExists:
            return False
        return True

    if not client.is_remote:
        for batch in _batches(files):
            asked = {"for": "write", "overwrite": False, "paths": [path for _, path in batch]}
            kept = set() if overwrite else {*client.post(shelf.links, asked)["existing"]}
            yield from in_order(
                [(lambda: False) if path in kept else partial(through_service, file, path) for file, path in batch]
            )
        return
    with Storage() as storage, Bar("Uploading", len(files)) as bar:

        def put(file: Path, path: str, link: dict[str, Any] | None) -> bool:
            try:
                if link is None or file.stat().st_size > LINK_BYTES_MAX:
                    is_sent = through_service(file, path)
                else:
                    storage.put(link, file, bar.tell)
                    is_sent = True
            except Conflict:
                # Somebody was faster, or we were, and did not hear the answer: the service compares the content.
                is_sent = through_service(file, path)
            bar.file_done()
            return is_sent

        for batch in _batches(files):
            asked = {"for": "write", "overwrite": overwrite, "paths": [path for _, path in batch]}
            answer = client.post(shelf.links, asked)
            kept = {*answer["existing"]}
            calls = [
                (lambda: False) if path in kept else partial(put, file, path, answer["links"].get(path))
                for file, path in batch
            ]
            yield from in_order(calls)


def in_order(calls: Sequence[Callable[[], _Done]]) -> Iterator[_Done]:
    """What calls give, in their order, several made at once. When one raises, those that have not begun are left."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="transfer") as threads:
        futures: list[Future[_Done]] = [threads.submit(call) for call in calls]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


class Storage:
    """The way to blobs by links, which bring all that is needed: the service's token is never sent here."""

    def __init__(self) -> None:
        self._clients: dict[bool, httpx2.Client] = {}

    def __enter__(self) -> Storage:
        import httpx2

        # A company's proxy must not be asked for addresses of this machine.
        self._clients = {here: httpx2.Client(timeout=_TIMEOUT_S, trust_env=not here) for here in (True, False)}
        return self

    def __exit__(self, *ignored: object) -> None:
        for client in self._clients.values():
            client.close()

    def put(self, link: Mapping[str, Any], file: Path, tell: Tell) -> None:
        """Send a whole file. Raises Conflict when there is one already and the link replaces none."""

        def ask() -> httpx2.Response:
            sent, size = 0, file.stat().st_size

            def pieces() -> Iterator[bytes]:
                nonlocal sent
                with file.open("rb") as content:
                    # One that grows meanwhile is sent as long as it was announced to be.
                    while piece := content.read(min(_PIECE_BYTES, size - sent)):
                        yield piece
                        sent += len(piece)
                        tell(len(piece))

            headers = {**link.get("headers", {}), "Content-Length": str(size)}
            try:
                response = self._client(link).put(link["url"], headers=headers, content=pieces())
            except Exception:
                tell(-sent)
                raise
            if response.is_error:
                tell(-sent)
            return response

        response = _tried(ask, str(file))
        if response.status_code in _TAKEN:
            raise Conflict(f"There is a file already where {file} was to go")
        _check(response, f"{file} cannot be sent")

    def fetch(self, link: Mapping[str, Any], target: Path, path: str, tell: Tell) -> None:
        """Fetch a file; `target` appears whole or not at all. Raises NotFound."""
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".part-{target.name}")

        def ask() -> httpx2.Response:
            received = 0
            try:
                with (
                    self._client(link).stream("GET", link["url"], headers=link.get("headers", {})) as response,
                    part.open("wb") as content,
                ):
                    if response.is_error:
                        response.read()
                        return response
                    for piece in response.iter_bytes(_PIECE_BYTES):
                        content.write(piece)
                        received += len(piece)
                        tell(len(piece))
                    return response
            except Exception:
                tell(-received)
                raise

        try:
            response = _tried(ask, path)
            if response.status_code == 404:
                raise NotFound(f"There is no file {path}", kind="file", name=path)
            _check(response, f"{path} cannot be fetched")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def _client(self, link: Mapping[str, Any]) -> httpx2.Client:
        url = str(link["url"])
        if urlsplit(url).scheme != "https" and not is_here(url):
            raise StoreUnavailable(f"A link of the service leads to {urlsplit(url).netloc} in the clear; not followed")
        return self._clients[is_here(url)]


class Bar:
    """How far a transfer is, in a line on a terminal, when it takes more than a moment; nothing elsewhere."""

    def __init__(self, word: str, files: int) -> None:
        self._word = word
        self._files = files
        self._began = time.monotonic()
        self._progress: Any = None
        self._task: Any = None
        self._bytes = 0
        self._done = 0
        self._is_shown = sys.stderr.isatty()

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *ignored: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def tell(self, count: int) -> None:
        """So many bytes have gone."""
        self._bytes += count
        self._draw()

    def file_done(self) -> None:
        """A file is there."""
        self._done += 1
        self._draw()

    def _draw(self) -> None:
        if not self._is_shown or time.monotonic() - self._began < _MOMENT_S:
            return
        if self._progress is None:
            self._start()
        said = f"{self._done} of {self._files} files, {self._bytes / 2**20:.1f} MiB"
        self._progress.update(self._task, completed=self._done, description=f"{self._word} {said}")

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = progress.add_task(self._word, total=self._files)
        progress.start()
        self._progress = progress


def _tried(ask: Callable[[], httpx2.Response], what: str) -> httpx2.Response:
    """The answer of the storage, asked again while it does not answer or is too busy."""
    import httpx2

    give_up, rest_s = time.monotonic() + _AWAY_S, _FIRST_REST_S
    while True:
        try:
            response = ask()
            if response.status_code not in (408, 429) and response.status_code < 500:
                return response
            why = f"{response.status_code} {response.reason_phrase}"
        except httpx2.TransportError as error:
            why = str(error) or type(error).__name__
        if time.monotonic() + rest_s > give_up:
            raise StoreUnavailable(f"{what}: the storage does not answer ({why})")
        time.sleep(rest_s)
        rest_s = min(2 * rest_s, _LAST_REST_S)


def _check(response: httpx2.Response, what: str) -> None:
    if response.status_code in _REFUSED:
        raise StoreUnavailable(f"{what}: the storage refuses its link ({response.status_code}), which may have run out")
    if response.is_error:
        # Not the address: whoever has it can open the file.
        raise CanalisError(f"{what}: the storage answers {response.status_code} {response.reason_phrase}")


def _batches(given: Sequence[_Done]) -> Iterator[Sequence[_Done]]:
    for start in range(0, len(given), _TOGETHER):
        yield given[start : start + _TOGETHER]
