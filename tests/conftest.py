"""Which door the scenes go through: the laptop's, or with CANALIS_DOOR=azure the whole stack that stands for Azure.

One service is started for a session, by the process that hands out the tests; its workers learn of it by CANALIS_DOOR_URL,
CANALIS_DOOR_TOKEN and CANALIS_DOOR_BUS. A scene that is about the laptop (mark `laptop`, or a home folder of its own) is left out there.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.azure.parts import missing_parts

SCENES = Path(__file__).parent / "scenes"
GARBAGE_MAX = 5_000  # objects made since it was last looked for; Python's own 700 is for smaller programs
_SETTINGS = {"CANALIS_SERVES": "control,process,databricks,transfer", "CANALIS_DATABRICKS_HOSTS": "127.0.0.1"}
_DOOR: pytest.StashKey[Any] = pytest.StashKey()
_FOLDER: pytest.StashKey[Path] = pytest.StashKey()
_IS_WELL: pytest.StashKey[bool] = pytest.StashKey()


def is_azure() -> bool:
    """Whether the scenes go through the door in Azure."""
    return os.environ.get("CANALIS_DOOR", "laptop") == "azure"


def pytest_configure(config: pytest.Config) -> None:
    asked = os.environ.get("CANALIS_DOOR", "laptop")
    if asked not in ("laptop", "azure"):
        raise pytest.UsageError(f"CANALIS_DOOR is '{asked}'; the doors are laptop and azure")
    os.environ["CANALIS_DATABRICKS_HOSTS"] = "127.0.0.1"  # where the peers are
    if asked == "laptop" or hasattr(config, "workerinput") or config.option.collectonly:
        return
    if missing := missing_parts():
        why = f"{', '.join(missing)} missing here: scripts/setup-azure puts the stack in place"
        pytest.exit(f"The scenes on the Azure door are left out, {why}", returncode=int("CI" in os.environ))
    from tests.azure.door import AzureDoor

    folder = config.stash[_FOLDER] = Path(tempfile.mkdtemp(prefix="canalis-door-"))
    door = config.stash[_DOOR] = AzureDoor(folder, _SETTINGS).start()
    os.environ.update(
        CANALIS_DOOR_URL=door.url,
        CANALIS_DOOR_TOKEN=door.token("Admin"),
        CANALIS_DOOR_BUS=door.stack.bus.connection_string,
    )


def pytest_xdist_auto_num_workers() -> int:
    """Twice as many as there are cores: half of what the tests do is to wait."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_finish(session: pytest.Session) -> None:
    """What the tests import stays to the end, and to look through it again and again takes a third of their time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_MAX)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if _DOOR in session.config.stash and exitstatus in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.config.stash[_IS_WELL] = True


def pytest_unconfigure(config: pytest.Config) -> None:
    if _DOOR not in config.stash:
        return
    door, folder, is_well = config.stash[_DOOR], config.stash[_FOLDER], config.stash.get(_IS_WELL, False)
    try:
        failures = door.stack.host.failures()
    finally:
        door.stop()
    if is_well:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        (folder / "failures.json").write_text(json.dumps(failures, indent=2))
        print(f"What the service has said is in {folder}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("laptop"):
            if not (len(mark.args) == 1 and mark.args[0]):
                raise pytest.UsageError(f"{item.nodeid}: say why, @pytest.mark.laptop('...')")
    if not is_azure():
        return
    left_out = [item for item in items if _is_of_the_laptop(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not _is_of_the_laptop(item)]


def _is_of_the_laptop(item: pytest.Item) -> bool:
    if not item.path.is_relative_to(SCENES) or item.get_closest_marker("laptop") is not None:
        return True
    return "own_home" in getattr(item, "fixturenames", ())
