"""config.json: which workspace a project's scripts mean, found as v1 finds it.

Source   reference section 2
"""

from __future__ import annotations

import json
from pathlib import Path

from canalis.exceptions import UserErrorException

URL = "canalis_url"  # names the deployed service that the workspace is behind; not in v1
FOLDERS = (".azureml", "aml_config", "")  # the order in which v1 looks
_FILES = ("config.json", "project.json")


def find_config(path: Path | None, file_name: str | None) -> Path | None:
    """The config file that `path` names or that is found from it upwards; None when none was asked for or found."""
    if path is not None and path.is_file():
        return path
    if path is not None and not path.is_dir():
        raise UserErrorException(f"There is no configuration at {path}: name a config.json or a folder to search from")
    start = (path or Path.cwd()).absolute()
    names = (file_name,) if file_name else _FILES
    for folder in (start, *start.parents):
        for inner in FOLDERS:
            for name in names:
                found = folder / inner / name
                if found.is_file() and (inner or _names_a_workspace(found)):
                    return found
    if path is not None:
        raise UserErrorException(f"No config.json is in {path} or above it")
    return None


def _names_a_workspace(path: Path) -> bool:
    # A config.json right beside the code may be the author's own, and about something else.
    try:
        found = json.loads(path.read_text())
        return "workspace_name" in found or URL in found
    except (ValueError, OSError, TypeError):
        return False


def read_config(path: Path) -> dict[str, str]:
    """What a config file says of its workspace, "" for what it does not say.

    Raises UserErrorException when it is none. Where it names a service, that knows the workspace's name.
    """
    try:
        found = json.loads(path.read_text())
        return {
            "workspace_name": found.get("workspace_name", "") if found.get(URL) else found["workspace_name"],
            URL: found.get(URL) or "",
            "subscription_id": found.get("subscription_id", ""),
            "resource_group": found.get("resource_group", ""),
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserErrorException(
            f"{path} is no workspace configuration: it must be JSON with subscription_id, resource_group "
            f"and workspace_name ({error})"
        ) from error
