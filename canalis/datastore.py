"""Datastores: places for files, with a name."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from canalis import transfer
from canalis.absent import V1
from canalis.answers import asked
from canalis.data import DataReference
from canalis.exceptions import UserErrorException
from canalis.parameter import PipelineParameter
from canalis.within import Within


class Datastore(V1):
    """The way to a datastore: Datastore(workspace, name) is the datastore itself, of its own class.

    Without a name it is the default one. Raises UserErrorException when there is none of that name.
    """

    def __new__(cls, workspace: Within, name: str | None = None) -> AbstractDatastore:  # type: ignore[misc]
        """The datastore."""
        return cls.get(workspace, name or "default")

    @staticmethod
    def get(workspace: Within, datastore_name: str) -> AbstractDatastore:
        """The datastore of that name."""
        return of_document(workspace, asked(lambda: workspace._client.get(f"/datastores/{quote(datastore_name)}")))

    @staticmethod
    def get_default(workspace: Within) -> AbstractDatastore:
        """The datastore that is used where none is named."""
        return Datastore.get(workspace, "default")


class AbstractDatastore(V1):
    """A datastore as it is registered."""

    def __init__(self, workspace: Within, document: dict[str, Any]) -> None:
        self.workspace = workspace
        self._document = document

    @property
    def name(self) -> str:
        """Its name."""
        return str(self._document["name"])

    @property
    def datastore_type(self) -> str:
        """v1's word for what it is."""
        return str(self._document["type"])

    @property
    def is_default(self) -> bool:
        """Whether it is used where none is named."""
        return bool(self._document["is_default"])

    def set_as_default(self) -> None:
        """Use it where none is named."""
        self.workspace.set_default_datastore(self.name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, type={self.datastore_type!r})"


class AbstractAzureStorageDatastore(AbstractDatastore):
    """A datastore that keeps files. In a local workspace it is a folder below the workspace's."""

    account_name = "local"
    account_key: str | None = None
    sas_token: str | None = None
    protocol = "https"
    endpoint = "core.windows.net"

    @property
    def container_name(self) -> str:
        """The container or share that it stands for."""
        return str(self._document.get("container_name", self.name))

    def path(
        self, path: str | PipelineParameter | None = None, data_reference_name: str | None = None
    ) -> DataReference:
        """A reference to a place below it."""
        return DataReference(self, data_reference_name, path)

    def as_mount(self) -> DataReference:
        """A reference to all of it, to be used in place."""
        return DataReference(self).as_mount()

    def as_download(self, path_on_compute: str | None = None) -> DataReference:
        """A reference to all of it, to be copied."""
        return DataReference(self).as_download(path_on_compute)

    def as_upload(self, path_on_compute: str | None = None) -> DataReference:
        """A reference to all of it, to be copied to."""
        return DataReference(self).as_upload(path_on_compute)

    def upload(
        self,
        src_dir: str | os.PathLike[str],
        target_path: str | None = None,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> DataReference:
        """Copy a folder with all below it to `target_path`; files that are there are kept unless `overwrite`."""
        source = Path(src_dir)
        if not source.is_dir():
            raise UserErrorException(f"src_dir '{src_dir}' is not a folder")
        files = sorted(found for found in source.rglob("*") if found.is_file())
        return self._send(files, source, target_path, overwrite, show_progress)

    def upload_files(
        self,
        files: list[str] | list[os.PathLike[str]],
        relative_root: str | os.PathLike[str] | None = None,
        target_path: str | None = None,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> DataReference:
        """Copy files to `target_path`, under their paths relative to `relative_root`.

        relative_root   the folder that all of them share when None, so that a single file keeps its name only
        """
        found = [Path(file) for file in files]
        missing = [str(file) for file in found if not file.is_file()]
        if missing:
            raise UserErrorException(f"These files are not there, so nothing was uploaded: {', '.join(missing)}")
        root = Path(relative_root) if relative_root is not None else _common_folder(found)
        outside = [str(file) for file in found if not file.absolute().is_relative_to(root.absolute())]
        if outside:
            raise UserErrorException(f"These files are not below relative_root '{root}': {', '.join(outside)}")
        return self._send(found, root, target_path, overwrite, show_progress)

    def download(
        self,
        target_path: str | os.PathLike[str],
        prefix: str | None = None,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> int:
        """Copy the files whose paths begin with `prefix` to target_path/<their whole path here>.

        Returns how many were copied; files that are there are kept unless `overwrite`.
        """
        client, wanted = self.workspace._client, []
        for found in client.get(f"/datastores/{quote(self.name)}/files", prefix=_stripped(prefix or "")):
            target = Path(target_path) / found["path"]
            if target.exists() and not overwrite:
                print(f"{target} is there already and was kept; pass overwrite=True to replace it")
            else:
                wanted.append((found["path"], target))
        for path in transfer.receive(client, transfer.of_datastore(self.name), wanted):
            if show_progress:
                print(f"Downloaded {path}")
        return len(wanted)

    def _send(
        self, files: list[Path], root: Path, target_path: str | None, overwrite: bool, show_progress: bool
    ) -> DataReference:
        target = _stripped(target_path or "")
        paths = [(PurePosixPath(target) / file.absolute().relative_to(root.absolute())).as_posix() for file in files]
        found = list(zip(files, paths, strict=True))
        sent = 0
        answers = transfer.send(self.workspace._client, transfer.of_datastore(self.name), found, overwrite)
        for (file, path), is_sent in zip(found, answers, strict=True):
            sent += is_sent
            if show_progress and is_sent:
                print(f"Uploaded {file} to {self.name}/{path}")
            elif show_progress:
                print(f"{self.name}/{path} is there already and was kept; pass overwrite=True to replace it")
        if show_progress:
            print(f"Uploaded {sent} of {len(files)} files")
        return DataReference(self, None, target)


class AzureBlobDatastore(AbstractAzureStorageDatastore):
    """A blob container, or the folder that stands for it."""


class AzureFileDatastore(AbstractAzureStorageDatastore):
    """A file share, or the folder that stands for it."""


_CLASSES = {"AzureBlob": AzureBlobDatastore, "AzureFile": AzureFileDatastore}


def of_document(workspace: Within, document: dict[str, Any]) -> AbstractDatastore:
    """The datastore that a document of the service describes."""
    return _CLASSES.get(document["type"], AbstractDatastore)(workspace, document)


def _stripped(path: str) -> str:
    """A target path as v1 takes it: leading ./, ../ and / do not count."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    while parts and parts[0] == "..":
        parts.pop(0)
    return "/".join(parts) + ("/" if path.endswith("/") and parts else "")


def _common_folder(files: list[Path]) -> Path:
    return Path(os.path.commonpath([file.absolute().parent for file in files])) if files else Path.cwd()
