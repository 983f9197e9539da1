"""The files that a model is made of, on this machine: which they are, and how they get to the service."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from canalis.answers import of_models
from canalis.client import Client
from canalis.exceptions import ModelPathNotFoundException, SnapshotException, WebserviceException
from canalis.snapshot import described, seen_before, send

_NAMED_MAX = 20


def files_at(model_path: str | os.PathLike[str], child_paths: Sequence[str] | None = None) -> dict[str, Path]:
    """The files of a model by their paths in it, which begin with the name of the file, or of the folder.

    child_paths   files and folders of that folder; all of it when None
    Raises WebserviceException for what is not there, and for a folder without any file
    """
    path = Path(model_path)
    if not path.exists():
        where = "" if path.is_absolute() else f" (the current folder is {Path.cwd()})"
        raise WebserviceException(
            f"The model path '{model_path}' is not there{where}. For a file of a run use run.register_model",
            code="not_found",
        )
    root = path.resolve().name if path.name in ("", ".", "..") else path.name
    if path.is_file():
        return {root: path}
    begins = [path / child for child in child_paths] if child_paths is not None else [path]
    missing = [child for child in child_paths or () if not _is_below(path, child)]
    if missing:
        raise WebserviceException(
            f"These child paths are no files or folders below {model_path}: {', '.join(map(str, missing))}",
            code="not_found",
        )
    found = {f"{root}/{file.relative_to(path).as_posix()}": file for begin in begins for file in below(begin)}
    if not found:
        raise WebserviceException(f"The folder '{model_path}' has no files to make a model of", code="not_found")
    return found


def files_of_script(folders: Mapping[Path, Sequence[str] | None], model_path: str, run_id: str) -> dict[str, Path]:
    """The files at a path among those that a script has left and uploaded so far, by their paths in the model.

    folders   where those lie, and which of the folders in it count (all when None); later ones come first
    Raises ModelPathNotFoundException, which names what is there
    """
    wanted = "/".join(part for part in model_path.replace("\\", "/").split("/") if part not in ("", "."))
    there = {
        file.relative_to(folder).as_posix(): file
        for folder, parts in folders.items()
        for begin in ([folder] if parts is None else [folder / part for part in parts])
        for file in below(begin)
    }
    above = len(wanted.rpartition("/")[0]) + ("/" in wanted)
    found = {
        path[above:]: file
        for path, file in there.items()
        if wanted and (path == wanted or path.startswith(f"{wanted}/"))
    }
    if not found:
        more = f" and {len(there) - _NAMED_MAX} more" if len(there) > _NAMED_MAX else ""
        raise not_of_run(
            f"Run {run_id} has no file or folder '{model_path}' (it has: "
            f"{', '.join(sorted(there)[:_NAMED_MAX]) or 'none'}{more})"
        )
    return found


def not_of_run(message: str, error: Exception | None = None) -> ModelPathNotFoundException:
    """What is said of a model's path that is none of the run's."""
    return ModelPathNotFoundException(
        f"{message}. What a script leaves in outputs/, or gives to run.upload_file, is the run's; Model.register takes "
        "files from anywhere",
        error,
        "not_found",
    )


def sent(client: Client, files: Mapping[str, Path]) -> str:
    """The id of the snapshot of these files, which the service has when this returns. Raises WebserviceException."""
    odd = [path for path in files if "\\" in path or path != path.encode("utf-8", "replace").decode()]
    if odd:
        named = ", ".join(map(ascii, odd[:_NAMED_MAX]))
        raise WebserviceException(f"Files of a model have names in UTF-8 without backslashes; these have not: {named}")

    def read() -> dict[str, dict[str, Any]]:
        return {path: described(file)[0] for path, file in files.items()}

    try:
        return of_models(lambda: send(client, read, files.__getitem__, "a model"))
    except SnapshotException as error:
        raise WebserviceException(error.message, error, error.code) from error


def below(begin: Path) -> list[Path]:
    """The file itself, or all files below the folder, by name; folders that are linked to are walked through, too."""
    if begin.is_file():
        return [begin]
    seen, found = {os.path.realpath(begin)}, list[Path]()
    for root, folders, names in os.walk(begin, followlinks=True):
        folders[:] = sorted(name for name in folders if not seen_before(Path(root) / name, seen))
        found += [file for name in sorted(names) if (file := Path(root) / name).is_file()]
    return found


def _is_below(folder: Path, child: str) -> bool:
    parts = Path(child).parts
    return not Path(child).is_absolute() and ".." not in parts and (folder / child).exists()
