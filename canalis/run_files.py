"""The files of a run: which there are, and copies of them.

Source   reference section 13
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from canalis import transfer
from canalis.contract.errors import NotFound
from canalis.exceptions import UserErrorException
from canalis.logged import Logging


class Files(Logging):
    """A run that has files."""

    @property
    def id(self) -> str:
        """Its id."""
        raise NotImplementedError

    @property
    def _client(self) -> Any:
        raise NotImplementedError

    @property
    def _path(self) -> str:
        """Its route."""
        raise NotImplementedError

    def get_file_names(self) -> list[str]:
        """Paths of its files."""
        return [found["path"] for found in self._client.get(f"{self._path}/artifacts")]

    def download_file(self, name: str, output_file_path: str | Path | None = None, **ignored: Any) -> None:
        """Copy one of its files here, under its own name when no path is given.

        Raises UserErrorException when it has no such file.
        """
        target = Path(output_file_path) if output_file_path is not None else Path(Path(name).name)
        if target.is_dir() or str(output_file_path or "").endswith("/"):
            target = target / Path(name).name
        try:
            list(transfer.receive(self._client, transfer.of_run(self._path), [(name, target)]))
        except NotFound as error:
            files = ", ".join(self.get_file_names()[:20]) or "none"
            raise UserErrorException(f"Run {self.id} has no file '{name}' (it has: {files})", error) from error

    def download_files(
        self,
        prefix: str | None = None,
        output_directory: str | Path | None = None,
        output_paths: list[str] | None = None,
        batch_size: int = 100,
        append_prefix: bool = True,
        timeout_seconds: Any = None,
    ) -> None:
        """Copy all its files whose paths begin with `prefix` below a folder, the current one when none is named."""
        folder, wanted = Path(output_directory or "."), []
        for index, found in enumerate(self._client.get(f"{self._path}/artifacts", prefix=prefix or "")):
            path = found["path"]
            below = path if append_prefix else path.removeprefix(prefix or "").lstrip("/")
            target = folder / (output_paths[index] if output_paths else below)
            wanted.append((path, target))
        list(transfer.receive(self._client, transfer.of_run(self._path), wanted))
