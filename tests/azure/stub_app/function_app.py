"""The app as it is, with one backend more, whose steps have ended as soon as they are started.

With the setting STUBS_ONLY the steps of all compute targets are such ones, those of runs submitted over HTTP too.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

import azure_backends  # noqa: E402
from tests.azure.stubs import FickleBackend  # noqa: E402

azure_backends.BACKENDS["stub"] = lambda engine, settings: FickleBackend()
if os.environ.get("STUBS_ONLY"):
    azure_backends.BACKENDS["process"] = azure_backends.BACKENDS["stub"]
spec = importlib.util.spec_from_file_location("real_function_app", ROOT / "function_app.py")
assert spec is not None and spec.loader is not None
real = importlib.util.module_from_spec(spec)
spec.loader.exec_module(real)
app = real.app
