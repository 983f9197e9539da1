"""Each suite finds the faults that are planted into the adapters it judges."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.azure.parts import ROOT, missing_parts
from tests.contract.planted import FAULTS, VARIABLE

AZURE = () if missing_parts() else ("azure",)


def verdicts(fault: str, suite: str) -> dict[str, set[str]]:
    """By adapter, what became of the suite's tests with that fault planted."""
    command = [sys.executable, "-m", "pytest", "-n0", "-q", "-rA", "--tb=no", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, f"tests/contract/{suite}"],
        cwd=ROOT,
        env={**os.environ, VARIABLE: fault},
        capture_output=True,
        text=True,
        timeout=300,
    )
    found: dict[str, set[str]] = {}
    for line in done.stdout.splitlines():
        word, _, name = line.partition(" tests/")
        if word in ("PASSED", "FAILED", "ERROR") and "[" in name:
            for adapter in name.partition("[")[2].partition("]")[0].split("-"):
                found.setdefault(adapter, set()).add(word)
    assert found, done.stdout + done.stderr
    return found


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_in_every_adapter_that_has_it(fault):
    found = verdicts(fault, FAULTS[fault].suite)

    for adapter in (*FAULTS[fault].params, *AZURE):
        assert "FAILED" in found[adapter], f"{adapter}: {found[adapter]}"
