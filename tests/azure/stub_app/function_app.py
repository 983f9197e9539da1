"""The app as it is, with one backend more, whose steps have succeeded as soon as they are started."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

import azure_engine  # noqa: E402
from benchmarks.engine import StubBackend  # noqa: E402

azure_engine.BACKENDS["stub"] = lambda engine, settings: StubBackend()
spec = importlib.util.spec_from_file_location("real_function_app", ROOT / "function_app.py")
assert spec is not None and spec.loader is not None
real = importlib.util.module_from_spec(spec)
spec.loader.exec_module(real)
app = real.app
