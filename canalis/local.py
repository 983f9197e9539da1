"""Workspaces on this machine: where their folders are, and their service, started when it is needed.

A workspace named W of a project lives in <project>/.canalis/W. The project is the nearest folder, from the
current one upwards, that has a .canalis already; else the folder of the config.json that was read; else the
current folder. CANALIS_HOME names a folder that takes the place of all this.
"""

from __future__ import annotations

import contextlib
import fcntl
import hmac
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from canalis.client import Endpoint
from canalis.contract.errors import StoreUnavailable
from canalis.contract.token import kept_token, proof
from canalis.contract.version import VERSION
from canalis.exceptions import WorkspaceException

FOLDER = ".canalis"
DEFAULT_NAME = "local"
_START_S = 60.0
_STOP_S = 20.0
_JOIN_S = 10.0  # how long a service that somebody else started may take to answer
_IDLE_EXIT_S = 3600.0  # a service that was started by itself ends by itself after so long with nothing to do
# Of a service, which it has from whoever starts it.
_SETTINGS = (
    "CANALIS_WARM",
    "CANALIS_LOG_MAX_BYTES",
    "CANALIS_LOG_FORMAT",
    "CANALIS_EVENTS_TOPIC",
    "CANALIS_WEBHOOK_HOSTS",
    "CANALIS_CALLBACK_HOSTS",
    "CANALIS_DATABRICKS_WORKSPACES",
    "CANALIS_DATABRICKS_HOSTS",
)
_DOOR = Path(__file__).resolve().parent.parent / "local_app.py"


def home(start: Path | None = None, project: Path | None = None) -> Path:
    """The folder that holds a project's workspaces, whether or not it is there yet.

    start     where to look from; the current folder when None
    project   the folder to use when none has a .canalis yet; `start` when None
    """
    chosen = os.environ.get("CANALIS_HOME")
    if chosen:
        return Path(chosen).absolute()
    here = (start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if (folder / FOLDER).is_dir():
            return folder / FOLDER
    return (project or here).absolute() / FOLDER


def workspaces(folder: Path) -> list[str]:
    """Names of the workspaces in a home folder."""
    return sorted(found.parent.name for found in folder.glob("*/workspace.json"))


def describe(root: Path) -> dict[str, Any] | None:
    """What is written down about the workspace in that folder; None when there is none."""
    try:
        found: dict[str, Any] = json.loads((root / "workspace.json").read_text())
    except FileNotFoundError:
        return None
    return found


def create(root: Path, facts: dict[str, Any]) -> None:
    """Write down a new workspace. Raises WorkspaceException when its folder cannot be made."""
    try:
        _make_home(root.parent)
        root.mkdir(mode=0o700, exist_ok=True)
        # It stays out of version control without the author's doing.
        (root / ".gitignore").write_text("*\n")
        part = root / "workspace.json.part"
        part.write_text(json.dumps(facts, indent=2))
        part.replace(root / "workspace.json")
    except OSError as error:
        raise WorkspaceException(
            f"The workspace's folder {root} cannot be made: {error.strerror}. Run from a folder you may write to, "
            "or set CANALIS_HOME to one",
            code="store_unavailable",
        ) from error


def _make_home(folder: Path) -> None:
    """A home folder that only its owner can look into; a folder that was there for other things stays as it is."""
    is_ours = folder.name == FOLDER or not folder.is_dir()
    folder.mkdir(parents=True, exist_ok=True)
    if is_ours:
        folder.chmod(0o700)
        with contextlib.suppress(FileExistsError), (folder / ".gitignore").open("x") as file:
            file.write("*\n")


def endpoint(root: Path) -> Endpoint:
    """Where the workspace's service is. Starts it when it is not running, and says so.

    However many ask at the same moment, one service is started.
    Raises WorkspaceException with the service's own last words when it does not start.
    """
    found = running(root)
    if found is not None and not _is_of_another_version(root):
        return found
    with _start_lock(root):
        if _is_of_another_version(root):
            # Steps that run outlive their service, so a new one may take its place at any time.
            print("Canalis has changed since its service was started: starting it anew", file=sys.stderr)
            stop(root)
        found = running(root)  # somebody else may have started it while we waited
        if found is None:
            found = _start(root)
    return found


def stop(root: Path) -> int | None:
    """End the workspace's service; the process that it was, or None when there is none.

    Raises WorkspaceException when it does not end.
    """
    process = process_id(root)
    if process is None:
        return None
    os.kill(process, signal.SIGTERM)
    give_up = time.monotonic() + _STOP_S
    while process_id(root) == process:
        if time.monotonic() > give_up:
            raise WorkspaceException(f"The service of {root} (process {process}) does not end", code="unavailable")
        time.sleep(0.05)
    return process


def running(root: Path) -> Endpoint | None:
    """Where the workspace's service is, if it answers and proves that it knows the token."""
    import urllib.request  # takes longer to load than all of this package, and most steps never ask

    opens, nonce = token(root), secrets.token_hex(16)
    try:
        known = json.loads((root / "service.json").read_text())
        endpoint = str(known["endpoint"])
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"{endpoint}/api/v1/health?nonce={nonce}", timeout=5
        ) as answer:
            said = json.load(answer)
        # Another program, or another workspace's service, may have the port by now.
        is_it = said["instance"] == known["instance"]
        is_it = is_it and hmac.compare_digest(str(said["proof"]).encode(), proof(opens, endpoint, nonce).encode())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Endpoint(endpoint, opens) if is_it else None


def token(root: Path) -> str:
    """What opens the services of a home folder: one token for all of its workspaces, made when first needed.

    Raises WorkspaceException when the file that keeps it is broken.
    """
    try:
        return kept_token(root.parent)
    except StoreUnavailable as error:
        raise WorkspaceException(error.message, error, error.code) from error


def process_id(root: Path) -> int | None:
    """The process of the workspace's service; None when there is none. It holds a lock with its number in it."""
    try:
        with (root / "service.lock").open("r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read())
    except (OSError, ValueError):
        return None
    return None


def _is_of_another_version(root: Path) -> bool:
    """Whether the service that serves a workspace just now is not of this version; it need not prove anything then."""
    try:
        known = json.loads((root / "service.json").read_text())
        return bool(known["version"] != VERSION and known["pid"] == process_id(root))
    except (OSError, ValueError, KeyError):
        return False


def _start(root: Path) -> Endpoint:
    log = root / "service.log"
    try:
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-P", str(_DOOR), "--root", str(root), "--idle-exit-s", str(_IDLE_EXIT_S)],
                cwd=root,
                env=_service_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise WorkspaceException(f"Canalis cannot start in {root}: {error}", code="store_unavailable") from error
    give_up = time.monotonic() + _START_S
    while time.monotonic() < give_up:
        found = running(root)
        if found is not None:
            print(f"Canalis serves workspace '{root.name}' at {found.url} (log: {log})", file=sys.stderr)
            process.returncode = 0  # it shall outlive this process, and Popen not complain of that
            return found
        if process.poll() is not None and (process.returncode != 3 or time.monotonic() > give_up - _START_S + _JOIN_S):
            break  # 3: another service holds the workspace, and will answer soon
        time.sleep(0.02)
    told = log.read_bytes().decode("utf-8", "replace").strip().splitlines()
    if process.returncode == 3:
        raise WorkspaceException(
            f"Process {process_id(root)} holds the workspace in {root}, but does not answer. `canalis stop` ends it",
            code="unavailable",
        )
    raise WorkspaceException(
        f"Canalis did not start in {root}: {told[-1] if told else 'it said nothing'} (log: {log})",
        code="store_unavailable",
    )


def _service_environment() -> dict[str, str]:
    """The author's environment without what a step's has, and what would put the author's modules before ours."""
    # A step's own marks would make the service one of its processes, which end when it does.
    marks = ("CANALIS_", "AZUREML_", "AML_PARAMETER_")
    environment = {name: value for name, value in os.environ.items() if name in _SETTINGS or not name.startswith(marks)}
    folders = environment.get("PYTHONPATH", "").split(os.pathsep)
    if str(_DOOR.parent) not in folders:
        environment.pop("PYTHONPATH", None)
    return environment


@contextmanager
def _start_lock(root: Path) -> Iterator[None]:
    try:
        lock = (root / "start.lock").open("a")
    except OSError as error:
        raise WorkspaceException(
            f"The workspace's folder {root} cannot be written: {error.strerror}", code="store_unavailable"
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
