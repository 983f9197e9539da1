"""Pictures of every page of the portal, at two widths and in two themes: python -m tests.portal.pictures [FOLDER]

What is looked at before a page is called finished. With --readme the two of the README are drawn anew.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tests.portal.browser import chromium
from tests.portal.studio import Studio, a_studio
from tests.scenes.conftest import stop_services

WIDTHS = {"wide": 1280, "phone": 390}
README = Path(__file__).resolve().parents[2] / "docs" / "pictures"


def pages_of(studio: Studio) -> dict[str, str]:
    """Every page, by a name for its picture."""
    best, bad = studio.runs[-1].id, studio.failed.id
    tabs = {
        "metrics": "metrics",
        "data": "data",
        "with": "run with",
        "files": "files",
        "source": "source",
        "why": "why",
    }
    return {
        "home": "/",
        "runs": "/runs",
        "runs none": "/runs?search=nothing+like+this",
        "run failed": f"/runs/{bad}",
        "run going": f"/runs/{studio.going.id}",
        "run time": f"/runs/{best}?tab=time",
        "run why": f"/runs/{best}?tab=why",
        "run about": f"/runs/{best}?tab=about",
        "step log": f"/runs/{bad}.score",
        **{f"step {said}": f"/runs/{best}.train_forest?tab={tab}" for tab, said in tabs.items()},
        "step strange": f"/runs/{studio.evil.id}",
        "experiments": "/experiments",
        "experiment": "/experiments/churn",
        "compare": f"/compare?runs={studio.runs[0].id},{best}",
        "pipelines": "/pipelines",
        "pipeline": f"/pipelines/{studio.pipeline}",
        "endpoint": f"/endpoints/{studio.endpoint}",
        "schedules": "/schedules",
        "schedule": f"/schedules/{studio.schedule}",
        "data": "/data",
        "dataset": "/datasets/everything",
        "models": "/models",
        "model": "/models/churn:1",
        "compute": "/computes",
        "changes": "/audit",
        "nowhere": "/nowhere",
    }


def draw(studio: Studio, folder: Path, is_readme: bool) -> int:
    """Draw them all; how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = 0
    with chromium() as browser:
        for theme in ("light", "dark"):
            for name, width in WIDTHS.items():
                context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
                page = context.new_page()
                page.goto(studio.link())
                page.wait_for_selector("main h1")
                for said, to in pages_of(studio).items():
                    page.goto(f"{studio.url}/#{to}")
                    page.wait_for_selector("main:not([aria-busy]) h1")
                    page.wait_for_timeout(400)  # plots are drawn once they know how wide they are
                    page.screenshot(path=folder / f"{said.replace(' ', '-')}-{name}-{theme}.png", full_page=True)
                    drawn += 1
                context.close()
        if is_readme:
            context = browser.new_context(viewport={"width": 1100, "height": 640}, color_scheme="light")
            page = context.new_page()
            page.goto(studio.link())
            for said, to in (("run", f"/runs/{studio.failed.id}"), ("metrics", pages_of(studio)["step metrics"])):
                page.goto(f"{studio.url}/#{to}")
                page.wait_for_timeout(1500)
                page.screenshot(path=README / f"portal-{said}.png")
    return drawn


def main() -> None:
    """Make the workspace, draw, and end the service."""
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    folder = Path(words[0] if words else "pictures").absolute()
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / ".canalis"
        os.environ["CANALIS_HOME"] = str(home)
        os.chdir(place)
        try:
            drawn = draw(a_studio(Path(place)), folder, "--readme" in sys.argv)
        finally:
            stop_services(home)
    print(f"{drawn} pictures are in {folder}")


if __name__ == "__main__":
    main()
