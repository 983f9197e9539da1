"""A clock for a service and all that it starts, which a scene may set: libfaketime, in front of the system's own calls.

Only the time of day is set. What counts seconds (the monotonic clock) goes on, as on a machine whose clock is set.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

# Debian's own, 0.9.10, breaks time.sleep() of Python 3.11 and later (github.com/wolfcw/libfaketime/issues/426).
_LIBRARY = "vendor/libfaketime/src/libfaketime.so.1"


class SetClock:
    """The time of day of every process that has these variables, ahead of the machine's by so many seconds."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        package = importlib.util.find_spec("libfaketime")
        assert package is not None and package.origin is not None, "make setup"
        self.variables = {
            "LD_PRELOAD": str(Path(package.origin).parent / _LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DISABLE_SHM": "1",
            "NO_FAKE_STAT": "1",
        }
        self.set(86400)
        if not self._can_be_set():
            # The package brings a library for Linux on x86-64.
            why = "libfaketime does not work on this machine"
            pytest.fail(f"{why}, and CI must") if os.environ.get("CI") else pytest.skip(why)
        self.set(0)

    def set(self, ahead_s: int) -> None:
        """From now on the time of day is the machine's and so many seconds."""
        part = self._file.with_suffix(".part")
        part.write_text(f"{ahead_s:+d}\n")
        part.replace(self._file)

    def _can_be_set(self) -> bool:
        script = f"import time; time.sleep(0.01); print(time.time() - {Path(self._file).stat().st_mtime})"
        done = subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, **self.variables}, capture_output=True, text=True
        )
        return done.returncode == 0 and float(done.stdout) > 80000
