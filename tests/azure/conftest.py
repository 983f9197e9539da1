"""Tests of the Azure door run against the stack that stands for Azure, where that is installed."""

from __future__ import annotations

import os

import pytest

from tests.azure.parts import missing_parts


def needs_stack() -> None:
    """Leave the module out where a part of the stack is missing; in CI that is a failure.

    Called at the top of a test module, before anything is imported that needs those parts.
    """
    missing = missing_parts()
    if not missing:
        return
    why = f"{', '.join(missing)} missing here: scripts/setup-azure puts the stack in place"
    if os.environ.get("CI"):
        pytest.fail(why, pytrace=False)
    pytest.skip(why, allow_module_level=True)
