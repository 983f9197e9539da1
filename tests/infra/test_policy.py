"""infra/ against the policies of checkov, which has an environment of its own: `make check-infra` makes it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.infra.conftest import INFRA, ROOT

ENVIRONMENT = ROOT / ".venv-infra"
LOCK = ROOT / "requirements" / "infra.txt"


@pytest.fixture(scope="module", autouse=True)
def is_there():
    if not (ENVIRONMENT / ".canalis-setup").exists():
        if os.environ.get("CI"):
            pytest.fail("checkov is not there: scripts/setup-infra")
        pytest.skip("checkov is not there (`make check-infra` brings it)")


def scan(folder: Path) -> dict:
    """What checkov says of a folder; of one that it has seen before, what it said then."""
    seen = hashlib.sha256(LOCK.read_bytes())
    for file in sorted(folder.rglob("*.bicep")):
        seen.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes() + b"\0")
    kept = ENVIRONMENT / "scans" / f"{seen.hexdigest()}.json"
    if not kept.exists():
        command = [
            ENVIRONMENT / "bin" / "checkov",
            "-d",
            folder,
            "--framework",
            "bicep",
            "--skip-download",
            "-o",
            "json",
        ]
        environment = {**os.environ, "LOG_LEVEL": "ERROR", "PYTHONWARNINGS": "ignore"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # it would compile a hundred packages at each start
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
        report = json.loads(done.stdout)
        assert report["check_type"] == "bicep", done.stderr
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(json.dumps(report))
    return json.loads(kept.read_text())


def findings(report: dict) -> set[str]:
    """What did not pass, each as the waivers name it."""
    return {f"{one['check_id']} {one['resource']}" for one in report["results"]["failed_checks"]}


def test_every_finding_is_waived_with_a_reason_and_every_waiver_is_needed():
    report = scan(INFRA)
    # A file that it cannot read is no failure to checkov: it exits with 0, and looks at nothing.
    assert report["summary"]["parsing_errors"] == 0, report["results"]["parsing_errors"]
    assert report["summary"]["passed"] > 20
    waivers = json.loads((INFRA / "waivers.json").read_text())
    assert findings(report) - set(waivers) == set(), "not waived"
    assert set(waivers) - findings(report) == set(), "waived and not found"
    for waiver in waivers.values():
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", waiver["on"]) and waiver["why"].endswith(".")


def test_doors_left_open_and_a_file_that_cannot_be_read_are_found(planted):
    for name, text, instead in (
        ("modules/storage.bicep", "supportsHttpsTrafficOnly: true", "supportsHttpsTrafficOnly: false"),
        ("modules/vault.bicep", "enablePurgeProtection: true", "enablePurgeProtection: false"),
        ("modules/app.bicep", "ftpsState: 'Disabled'", "ftpsState: 'AllAllowed'"),
        ("modules/bus.bicep", "name: 'Standard'\n", "name: 'Standard\n"),
    ):
        folder = planted(name, text, instead)
    report = scan(folder)
    new = findings(report) - set(json.loads((INFRA / "waivers.json").read_text()))
    assert {one.partition(" ")[0] for one in new} >= {"CKV_AZURE_3", "CKV_AZURE_110", "CKV_AZURE_78"}
    assert report["summary"]["parsing_errors"] == 1
