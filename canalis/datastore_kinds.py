"""What datastores are: places for files, and databases, each with a name.

Source   reference section 3
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from canalis import transfer
from canalis.absent import V1
from canalis.answers import asked, in_v1s_words
from canalis.data import DataReference
from canalis.exceptions import UserErrorException
from canalis.keyvault import say_read
from canalis.parameter import PipelineParameter
from canalis.within import Within


def said(name: str, usual: Any = None) -> Any:
    """What a datastore's document says under that name."""
    return property(lambda store: store._document.get(name, usual))


def secret(name: str) -> Any:
    """One of its credentials; None when it has none of that name."""
    return property(lambda store: store._credentials().get(name))


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

    def unregister(self) -> None:
        """Take it out of the workspace, with its credentials; its files stay where they are.

        Raises UserErrorException for the default one, and for those that every workspace has.
        """
        asked(lambda: self.workspace._client.delete(f"/datastores/{quote(self.name)}"))

    def set_as_default(self) -> None:
        """Use it where none is named."""
        self.workspace.set_default_datastore(self.name)

    def _credentials(self) -> dict[str, str]:
        """Its secrets by v1's words for them, which are masked in the step's log from now on."""
        if not self._document.get("credentials"):
            return {}
        say_read()
        found: dict[str, str] = asked(lambda: self.workspace._client.get(f"/datastores/{quote(self.name)}/credentials"))
        return found

    @property
    def _lies_here(self) -> bool:
        """Whether its files are in a folder of the workspace, where that is on this machine."""
        return bool(self._document.get("place", "own") == "own")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, type={self.datastore_type!r})"


class FilesDatastore(AbstractDatastore):
    """A datastore that keeps files. In a local workspace most are folders below the workspace's."""

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
        route, begins = f"/datastores/{quote(self.name)}/files", _stripped(prefix or "")
        for found in asked(lambda: client.get(route, prefix=begins)):
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
        with in_v1s_words():
            for (file, path), is_sent in zip(found, answers, strict=True):
                sent += is_sent
                if show_progress and is_sent:
                    print(f"Uploaded {file} to {self.name}/{path}")
                elif show_progress:
                    print(f"{self.name}/{path} is there already and was kept; pass overwrite=True to replace it")
        if show_progress:
            print(f"Uploaded {sent} of {len(files)} files")
        return DataReference(self, None, target)


class AbstractAzureStorageDatastore(FilesDatastore):
    """A datastore in a storage account, or the folder that stands for it.

    account_key, sas_token   None where it has none; else they are read from the vault
    """

    account_name = said("account_name", "local")
    account_key = secret("account_key")
    sas_token = secret("sas_token")
    protocol = said("protocol", "https")
    endpoint = said("endpoint", "core.windows.net")
    subscription_id = said("subscription_id")
    resource_group = said("resource_group")

    @property
    def container_name(self) -> str:
        """The container or share that it stands for."""
        return str(self._document.get("container_name", self.name))


class AzureBlobDatastore(AbstractAzureStorageDatastore):
    """A blob container, or the folder that stands for it."""


class AzureFileDatastore(AbstractAzureStorageDatastore):
    """A file share, or the folder that stands for it."""


class _Signed:
    """What is opened by a service principal."""

    tenant_id = said("tenant_id")
    client_id = said("client_id")
    client_secret = secret("client_secret")
    resource_url = said("resource_url")
    authority_url = said("authority_url")
    subscription_id = said("subscription_id")
    resource_group = said("resource_group")


class AzureDataLakeDatastore(_Signed, FilesDatastore):
    """A Data Lake of the first generation, which Azure has no longer; or the folder that stands for it."""

    store_name = said("store_name")


class AzureDataLakeGen2Datastore(_Signed, FilesDatastore):
    """A file system of Data Lake Storage, or the folder that stands for it."""

    container_name = said("container_name")
    account_name = said("account_name")
    protocol = said("protocol", "https")
    endpoint = said("endpoint", "core.windows.net")


class DBFSDatastore(FilesDatastore):
    """The file system of Databricks, or the folder that stands for it."""


class HDFSDatastore(FilesDatastore):
    """A Hadoop file system, or the folder that stands for it."""

    protocol = said("protocol")
    namenode_address = said("namenode_address")


class FsspecDatastore(FilesDatastore):
    """Files wherever a file system of fsspec's leads, which v1 never had: s3, gcs, abfs, sftp, a folder."""

    url = said("url")

    @property
    def options(self) -> dict[str, Any]:
        """What the file system is made with, beside its credentials."""
        return dict(self._document.get("options") or {})


def _stripped(path: str) -> str:
    """A target path as v1 takes it: leading ./, ../ and / do not count."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    while parts and parts[0] == "..":
        parts.pop(0)
    return "/".join(parts) + ("/" if path.endswith("/") and parts else "")


def _common_folder(files: list[Path]) -> Path:
    return Path(os.path.commonpath([file.absolute().parent for file in files])) if files else Path.cwd()
