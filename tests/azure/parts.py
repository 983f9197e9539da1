"""Where the parts are that stand for Azure on one machine, and which of them are missing here."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AZURITE = ROOT / "tests/azure/node_modules/azurite"
AZURITE_MAIN = AZURITE / "dist/src/azurite.js"  # blobs, queues and tables in one process
FUNCTIONS_RUNTIME = ROOT / ".venv/functions-runtime"  # for sys.path of the worker alone: it has a package `tests` too


def missing_parts() -> list[str]:
    """What `scripts/setup-azure` would have to put in place, in words; empty when the stack can be started."""
    there = {
        "node": shutil.which("node") is not None,
        "the AMQP library (proton)": find_spec("proton") is not None,
        "grpc": find_spec("grpc") is not None,
        "Azurite": AZURITE_MAIN.is_file(),
        "the Functions runtime": FUNCTIONS_RUNTIME.is_dir(),
    }
    return [name for name, is_there in there.items() if not is_there]
