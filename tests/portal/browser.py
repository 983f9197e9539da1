"""A real browser without a window: Chromium as the machine has it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

import pytest

with contextlib.suppress(ImportError):  # said by `chromium`, to whoever wants a browser
    from playwright.sync_api import Browser, Page, expect, sync_playwright

__all__ = ["Browser", "Page", "chromium", "expect"]

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The browser. Where it is missing, a test that wants it is skipped at home, and fails in CI."""
    if "sync_playwright" not in globals():
        return missing("what drives a browser")
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        return missing("Chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()
    return None


def is_there() -> bool:
    """Whether this machine has a browser, and what drives it."""
    return "sync_playwright" in globals() and any(map(shutil.which, _NAMES))


def missing(what: str) -> None:
    """Say that a part is not here, and how it comes."""
    said = f"This machine lacks {what}: scripts/setup-browser"
    if os.environ.get("CI"):
        pytest.fail(said)
    pytest.skip(said)
