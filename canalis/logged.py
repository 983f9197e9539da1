"""What a script may log on a run, and the run that only prints it.

Source   reference section 14
"""

from __future__ import annotations

import io
import time
import uuid
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from canalis.absent import V1, meant_by
from canalis.contract.metrics import fold
from canalis.exceptions import UserErrorException
from canalis.recording import Recorder, opened, point


class Logging(V1):
    """What a script may log on a run."""

    def _recorder(self) -> Recorder:
        raise NotImplementedError

    def _log(self, name: str, kind: str, value: Any, step: int | None = None, description: str = "") -> None:
        self._recorder().add([point(name, kind, value, step, description)])

    def log(self, name: str, value: Any, description: str = "", step: int | None = None) -> None:
        """Log a number or text. Logged several times under one name it becomes a list."""
        if isinstance(value, (list, tuple, dict, set)):
            raise UserErrorException(f"log() takes one value; use log_list() for the list '{name}'")
        self._log(name, "scalar", value, step, description)

    def log_list(self, name: str, value: list[Any], description: str = "") -> None:
        """Log a list of values."""
        self._log(name, "list", list(value), description=description)

    def log_row(self, name: str, description: str = "", **columns: Any) -> None:
        """Log one row of a table."""
        self._log(name, "row", columns, description=description)

    def log_table(self, name: str, value: dict[str, Any], description: str = "") -> None:
        """Log a table: column -> value, or list of values."""
        self._log(name, "table", value, description=description)

    def log_image(self, name: str, path: str | None = None, plot: Any = None, description: str = "") -> None:
        """Log a picture: a file, or a plot of matplotlib."""
        if (path is None) == (plot is None):
            raise UserErrorException("log_image() takes either a path or a plot")
        ending = Path(path).suffix if path is not None else ".png"
        file = f"{name}_{time.time_ns() // 1_000_000}{ending or '.png'}"
        if path is not None:
            self.upload_file(file, path)
        else:
            drawn = io.BytesIO()
            plot.savefig(drawn, format="png")
            drawn.seek(0)
            self._recorder().keep(file, drawn)
        self._log(name, "image", f"aml://artifactId/{file}", description=description)

    def log_confusion_matrix(self, name: str, value: dict[str, Any], description: str = "") -> None:
        """Log a confusion matrix, in v1's form."""
        self._log(name, "confusion_matrix", value, description=description)

    def log_accuracy_table(self, name: str, value: dict[str, Any], description: str = "") -> None:
        """Log an accuracy table, in v1's form."""
        self._log(name, "accuracy_table", value, description=description)

    def log_residuals(self, name: str, value: dict[str, Any], description: str = "") -> None:
        """Log residuals, in v1's form."""
        self._log(name, "residuals", value, description=description)

    def log_predictions(self, name: str, value: dict[str, Any], description: str = "") -> None:
        """Log predictions, in v1's form."""
        self._log(name, "predictions", value, description=description)

    def upload_file(self, name: str, path_or_stream: Any, datastore_name: str | None = None) -> None:
        """Keep a file under `name` among the run's files."""
        with opened(path_or_stream) as content:
            self._recorder().keep(name, content)

    def upload_files(
        self, names: list[str], paths: list[str], return_artifacts: bool = False, timeout_seconds: Any = None
    ) -> None:
        """Keep several files."""
        if len(names) != len(paths):
            raise UserErrorException(f"upload_files() got {len(names)} names for {len(paths)} files")
        for name, path in zip(names, paths, strict=True):
            self.upload_file(name, path)

    def upload_folder(self, name: str, path: str, datastore_name: str | None = None) -> None:
        """Keep all files of a folder under `name`."""
        folder = Path(path)
        if not folder.is_dir():
            raise UserErrorException(f"'{path}' is not a folder")
        for found in sorted(folder.rglob("*")):
            if found.is_file():
                self.upload_file(f"{name}/{found.relative_to(folder).as_posix()}", found)

    def flush(self, timeout_seconds: float = 300) -> None:
        """Nothing waits to be sent: what was logged is kept already."""


class _OfflineRun(Logging):
    """What a script gets when nobody runs it: it prints what is logged. Has no experiment and no parent."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(f"'_OfflineRun' has no attribute '{name}'")
            meant = meant_by(name, dir(self))
            more = f"Did you mean '{meant}'?" if meant else "Workspace.from_config() finds the workspace"
            raise AttributeError(
                f"This script runs outside a run: what Run.get_context() gives there prints what is logged, and has "
                f"no '{name}'. {more}"
            )

    def __init__(self) -> None:
        self.id = f"OfflineRun_{uuid.uuid4()}"
        self._tags: dict[str, str] = {}
        self._points: list[dict[str, Any]] = []

    def _recorder(self) -> Recorder:
        return _Printer(self._points)

    def get_metrics(self, name: str | None = None, **ignored: Any) -> dict[str, Any]:
        """What was logged."""
        return {key: value for key, value in fold(self._points).items() if name is None or key == name}

    def tag(self, key: str, value: Any = None) -> None:
        """Remember a tag."""
        self._tags[key] = "" if value is None else str(value)

    def get_tags(self) -> dict[str, str]:
        """The tags that were given."""
        return dict(self._tags)

    @property
    def tags(self) -> dict[str, str]:
        """The tags that were given."""
        return self.get_tags()

    def child_run(self, name: str | None = None, *ignored: Any, **also: Any) -> _OfflineRun:
        """Another run that prints."""
        return _OfflineRun()

    def __enter__(self) -> _OfflineRun:
        return self

    def __exit__(self, *ignored: object) -> None:
        """Nothing is there to end."""

    def get_status(self) -> str:
        """Always Running."""
        return "Running"

    def complete(self, *ignored: Any) -> None:
        """Nothing is there to be completed."""

    def fail(self, *ignored: Any) -> None:
        """Nothing is there to fail."""

    def cancel(self) -> None:
        """Nothing is there to be stopped."""


class _Printer:
    """Prints what an offline run logs."""

    def __init__(self, points: list[dict[str, Any]]) -> None:
        self._points = points

    def add(self, points: list[dict[str, Any]]) -> None:
        """Print each."""
        for new in points:
            self._points.append(new)
            print(f"Attempted to log {new['kind']} metric {new['name']}:\n{new['value']}")

    def points(self) -> list[dict[str, Any]]:
        """Those printed."""
        return self._points

    def keep(self, name: str, content: IO[bytes]) -> None:
        """Say that a file would have been kept."""
        print(f"Attempted to upload file {name}: {len(content.read())} bytes")
