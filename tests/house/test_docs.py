"""The documents say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house import reference

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("name", reference.PAGES)
def test_a_page_of_the_reference_is_what_the_code_says(name):
    found = (reference.FOLDER / name).read_text()
    assert found == reference.PAGES[name](), "`make docs` writes it anew"


def test_every_setting_stands_in_the_reference():
    named = set()
    for folder in ("canalis", "api", "orchestrator", "steps", "adapters"):
        for file in (ROOT / folder).rglob("*.py"):
            named |= set(re.findall(r'"(CANALIS_[A-Z_]+)"', file.read_text()))
    page = (ROOT / "docs" / "reference" / "settings.md").read_text()
    assert named and [name for name in sorted(named - {"CANALIS_"}) if f"`{name}`" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_between_pages_is_broken(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_words_of_the_makefile_that_documents_name_are_there():
    words = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"`make ([a-z]+)", page.read_text()))
        assert named <= words, (page, named - words)


def test_the_readmes_pipeline_runs_as_it_stands(tmp_path, monkeypatch):
    """What a newcomer copies from the README works."""
    from tests.scenes.conftest import canalis, stop_services

    text = (ROOT / "README.md").read_text()
    files = re.findall(r"```python\n# (\S+)\n(.*?)```", text, re.DOTALL)
    assert [name for name, _ in files] == ["my_pipeline.py", "scripts/train.py"]
    for name, body in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(body)
    monkeypatch.delenv("CANALIS_HOME", raising=False)
    try:
        done = canalis("run", "my_pipeline.py", cwd=tmp_path)
        assert "is completed after" in done.stdout
    finally:
        stop_services(tmp_path / ".canalis")


def test_ci_runs_what_the_readme_says():
    script = (ROOT / ".ci" / "run").read_text()
    assert "make check" in script and "make test" in script
    assert "make demo" in (ROOT / "README.md").read_text() and "make test" in (ROOT / "README.md").read_text()


def test_no_page_has_a_path_of_a_machine_or_a_registry():
    for page in [*PAGES, *(ROOT / "requirements").iterdir(), ROOT / "requirements.txt"]:
        assert not re.search(r"/work/|/root/|index-url|file://", page.read_text()), page
