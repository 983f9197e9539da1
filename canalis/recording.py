"""How what a script logs gets to its run: through files beside a step, over HTTP from anywhere else.

Beside a step nothing is sent: the runner keeps the files, so logging costs a write, and nothing that was logged
is lost when the script is killed.
"""

from __future__ import annotations

import io
import itertools
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from canalis.contract.metrics import NOT_FINITE
from canalis.exceptions import UserErrorException

if TYPE_CHECKING:
    from canalis.client import Client

_numbers = itertools.count()


class Recorder(Protocol):
    """Takes what is logged on one run."""

    def add(self, points: list[dict[str, Any]]) -> None:
        """Keep metric points."""
        ...

    def points(self) -> list[dict[str, Any]]:
        """All metric points of the run, those just kept included; some may come twice."""
        ...

    def keep(self, name: str, content: IO[bytes]) -> None:
        """Keep a file among the run's."""
        ...


class Spool:
    """The run of the step that this script is: files in folders that its runner keeps."""

    def __init__(self, metrics: Path, artifacts: Path, remote: Callable[[], Recorder]) -> None:
        self._metrics = metrics
        self._artifacts = artifacts
        self._remote = remote

    def add(self, points: list[dict[str, Any]]) -> None:
        """One write, so that lines of several processes of a script stay whole."""
        body = "".join(json.dumps(point) + "\n" for point in points).encode()
        with self._metrics.open("ab", buffering=0) as file:
            file.write(body)

    def points(self) -> list[dict[str, Any]]:
        """What the service knows, and what it may not have seen yet."""
        own: list[dict[str, Any]] = []
        if self._metrics.exists():
            own = [json.loads(line) for line in self._metrics.read_bytes().splitlines() if line]
        return self._remote().points() + own

    def keep(self, name: str, content: IO[bytes]) -> None:
        """Put the file where the run's files are."""
        target = self._artifacts / checked_file_name(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            shutil.copyfileobj(content, file, 2**20)


class Remote:
    """Any run, over HTTP."""

    def __init__(self, client: Client, run_id: str) -> None:
        self._client = client
        self._path = f"/runs/{quote(run_id)}"

    def add(self, points: list[dict[str, Any]]) -> None:
        """Send them at once."""
        self._client.post(f"{self._path}/metrics", points)

    def points(self) -> list[dict[str, Any]]:
        """What the service knows."""
        found: list[dict[str, Any]] = self._client.get(f"{self._path}/metrics")
        return found

    def keep(self, name: str, content: IO[bytes]) -> None:
        """Send the file."""
        self._client.send_file(f"{self._path}/artifacts/{quote(checked_file_name(name))}", content)


def point(name: str, kind: str, value: Any, step: int | None = None, description: str = "") -> dict[str, Any]:
    """A metric point of now. Raises UserErrorException for a name or value that cannot be logged."""
    if not isinstance(name, str) or not name:
        raise UserErrorException(f"The name of a metric must be text, not {name!r}")
    return {
        "id": f"{os.getpid()}-{next(_numbers)}-{time.time_ns()}",
        "time": time.time(),
        "name": name,
        "kind": kind,
        "value": plain(name, value),
        "step": None if step is None else int(step),
        "description": description or "",
    }


def plain(name: str, value: Any) -> Any:
    """A value as JSON has it: numbers of numpy and such become Python's."""
    if isinstance(value, float) and not math.isfinite(value):
        return {NOT_FINITE: str(value)}  # JSON has no such numbers
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, dict):
        return {str(key): plain(name, inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(name, inner) for inner in value]
    for method in ("tolist", "item"):  # numpy, pandas, torch and their like
        if hasattr(value, method):
            return plain(name, getattr(value, method)())
    if isinstance(value, Iterable):
        return [plain(name, inner) for inner in value]
    raise UserErrorException(f"Metric '{name}': a {type(value).__name__} cannot be logged")


def checked_file_name(name: str) -> str:
    """A name of a file among a run's, as a path below it."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        raise UserErrorException(f"'{name}' cannot be the name of a file of a run: it must be a path below it")
    return "/".join(parts)


def opened(path_or_stream: Any) -> IO[bytes]:
    """The content of what v1 accepts as a file: a path, or a stream of bytes or text."""
    if isinstance(path_or_stream, (str, os.PathLike)):
        try:
            return Path(path_or_stream).open("rb")
        except OSError as error:
            raise UserErrorException(f"{path_or_stream} cannot be read: {error.strerror}") from error
    content = path_or_stream.read()
    return io.BytesIO(content.encode() if isinstance(content, str) else content)
