"""Every page can be used by everybody: axe finds nothing, in either theme, and a phone scrolls one way."""

from __future__ import annotations

import pytest

from tests.portal.browser import Browser, Page
from tests.portal.pictures import pages_of
from tests.portal.studio import Studio


def signed_in(browser: Browser, studio: Studio, theme: str, width: int) -> Page:
    page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme).new_page()
    page.goto(studio.link())
    page.wait_for_selector("main h1")
    return page


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_nothing_on_any_page_keeps_anybody_out(browser, studio, theme, width):
    from axe_playwright_python.sync_playwright import Axe

    page, found, axe = signed_in(browser, studio, theme, width), {}, Axe()
    for name, to in pages_of(studio).items():
        page.goto(f"{studio.url}/#{to}")
        page.wait_for_selector("main:not([aria-busy]) h1")
        # axe is put in by the browser itself, which asks no policy.
        page.context.new_cdp_session(page).send("Runtime.evaluate", {"expression": axe.axe_script})
        violations = page.evaluate("axe.run({resultTypes: ['violations']}).then((found) => found.violations)")
        said = [f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in violations]
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if said or wide > 0:
            found[name] = [*said, *([f"it is {wide} pixels wider than the window"] if wide > 0 else [])]
    page.context.close()
    assert not found, "\n".join(f"{name}: {one}" for name, some in found.items() for one in some)
