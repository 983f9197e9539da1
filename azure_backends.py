"""The backends of a service in Azure: short steps within the call, and whatever services elsewhere there are."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from azure_engine import Engine, Maker
from azure_settings import Settings
from canalis.contract import run_token
from canalis.contract.run import StepRunId
from steps import backends
from steps.backend import Backend
from steps.instance import InstanceBackend, Limits
from steps.report import PortsDesk
from steps.surroundings import Site, hide_this_process

_TOKEN_S = 3600.0  # of a step's script, which may work half an hour at the most

# What the scripts of steps get of this process's environment: nothing by which the service could be taken for them.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")


def instance_backend(engine: Engine, settings: Settings) -> Backend:
    """The backend that runs short steps within the call."""
    hide_this_process()
    limits = Limits(settings.seconds_max, settings.log_bytes_max)
    site = site_of(engine, settings)
    return InstanceBackend(engine.counted, site, engine.scratch.folder, PortsDesk(engine.counted), limits)


def site_of(engine: Engine, settings: Settings) -> Site:
    """What steps must know of where they run."""
    here = Path(__file__).parent
    folders = [Path(entry) for entry in sys.path if entry.endswith("site-packages") and not _is_in(entry, sys.prefix)]
    key = settings.run_keys[0]

    def token(step_run: StepRunId) -> str:
        return run_token.sign(key, step_run, time.time() + _TOKEN_S)

    return Site(
        workspace=settings.workspace,
        subscription_id=settings.subscription_id,
        resource_group=settings.resource_group,
        location=settings.location,
        endpoint=settings.endpoint,
        token=token,
        kept=engine.scratch.folder / "kept",
        import_folders=(here / "canalis" / "alias", here, *folders),
        inherited=_INHERITED,
        interpreter=sys.executable,
    )


BACKENDS: dict[str, Maker] = {backends.PROCESS: instance_backend}


def maker_of(name: str) -> Maker:
    """What makes the backend of that name."""
    return BACKENDS.get(name) or (
        lambda engine, settings: backends.make(name, engine.counted, site_of(engine, settings))
    )


def _is_in(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)
