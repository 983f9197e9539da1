"""One browser and one workspace for the tests of a file, and a page that is signed in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.portal.browser import chromium
from tests.portal.studio import Studio, a_studio
from tests.scenes.conftest import stop_services

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


# For a file and no longer: what drives a browser keeps an event loop running in this thread, where other tests have theirs.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def studio(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("studio")
    home, before, here = folder / ".canalis", os.environ.get("CANALIS_HOME"), Path.cwd()
    os.environ["CANALIS_HOME"] = str(home)
    os.chdir(folder)
    try:
        made = a_studio(folder)
        yield made
        made.ws._client.close()
    finally:
        os.chdir(here)
        os.environ.pop("CANALIS_HOME")
        if before is not None:
            os.environ["CANALIS_HOME"] = before
        stop_services(home)


@pytest.fixture
def page(browser: Browser, studio: Studio) -> Iterator[Page]:
    """A page that is signed in. Nothing may go wrong in it that nobody expects: no error, nothing that the policy stops."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    made, faults = context.new_page(), []
    made.set_default_timeout(8_000)
    made.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    made.on("pageerror", lambda error: faults.append(str(error)))
    made.goto(studio.link())
    made.get_by_role("heading", name="Workspace studio").wait_for()
    yield made
    context.close()
    assert [fault for fault in faults if "Failed to load resource" not in fault] == []
