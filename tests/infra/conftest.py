"""A copy of infra/ to plant faults in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"


@pytest.fixture
def planted(tmp_path):
    """Plants a fault in a copy of infra/: one piece of a file's text for another. Gives the copy."""
    folder = tmp_path / "infra"
    shutil.copytree(INFRA, folder)

    def plant(name: str, text: str, instead: str) -> Path:
        file = folder / name
        assert file.read_text().count(text) == 1, f"{text!r} is not once in {name}"
        file.write_text(file.read_text().replace(text, instead))
        return folder

    return plant
