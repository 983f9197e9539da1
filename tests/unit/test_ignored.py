"""Which files a snapshot has. What git ignores is asked of git itself."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from canalis.snapshot import read_folder

TREES = 100
_WORDS = ("a", "b", "ab", "a.txt", "b.csv", "keep.txt", "x y", "[z]", "#c", "!d")
_PATTERNS = (
    "a", "/a", "a/", "/a/", "*.txt", "!keep.txt", "**/b", "a/**", "a/**/b", "b/*", "!b/keep.txt", "?", "[ab]", "[!a]",
    "*", "!*/", "!a.txt", "/*", "!/ab", "!/ab/", "ab/*", "!ab/b.csv", r"\#c", "# a", "", r"\!d", "x y", r"x\ y ", "a ",
    r"\[z\]", "**", "**/", "/**/a.txt", "a*", "*a*/", "***", "!", "b/a/", "a/b/ab", r"a\\", "!b/", "!**/keep.txt",
    "[[:alpha:]]*", "[!/]", "[]z]*", "[z-a]", "[a", "[!]b]", r"[\]a]", "a[/]b", "a**", "**a/b", "a/**b", "a?b", "?**",
    "/*/a.txt", "!/**", "[[:nothing:]]", "[a-]", "*.t[xy]t", "a//b", "//a", "/", "!/", "**/a/**", "!**/b/**/a", "x y/",
)  # fmt: skip


def plant(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)


def taken(folder: Path) -> set[str]:
    return {path for path in read_folder(folder) if Path(path).name not in (".amlignore", ".gitignore")}


def by_git(folder: Path) -> set[str]:
    def git(*words: str) -> bytes:
        plain = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "GIT_CONFIG_NOSYSTEM": "1"}
        return subprocess.run(["git", *words], cwd=folder, env=plain, check=True, capture_output=True).stdout

    git("init", "-q")
    listed = git("ls-files", "-o", "-z", "--exclude-per-directory=.gitignore").decode().split("\0")[:-1]
    return {path for path in listed if Path(path).name != ".gitignore"}


def a_tree(folder: Path, chance: random.Random) -> None:
    """Files up to three folders deep, and rules in some of the folders."""
    for _ in range(30):
        parts = [chance.choice(_WORDS) for _ in range(chance.randint(1, 4))]
        if not any((folder / Path(*parts[:end])).is_file() for end in range(1, len(parts))):
            target = folder / Path(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.write_text("x")
    for place in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        if place == folder or chance.random() < 0.3:
            lines = [chance.choice(_PATTERNS) for _ in range(chance.randint(1, 6))]
            (place / ".gitignore").write_text("\n".join(lines) + chance.choice(["", "\n", "\r\n"]))


def test_gitignore_means_what_it_means_to_git(tmp_path):
    if shutil.which("git") is None:
        pytest.fail("git is not installed") if os.environ.get("CI") else pytest.skip("git is not installed")
    told = []
    for seed in range(TREES):
        folder = tmp_path / str(seed)
        folder.mkdir()
        a_tree(folder, random.Random(seed))
        ours, gits = taken(folder), by_git(folder)
        if ours != gits:
            rules = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob(".gitignore")}
            told.append(f"seed {seed}: only we take {ours - gits}, only git takes {gits - ours}, by {rules}")
    assert told == [], "\n".join(told)


def test_where_there_is_an_amlignore_no_gitignore_counts_there_and_below(tmp_path):
    plant(tmp_path, "a.csv", "b.log", "sub/a.csv", "sub/b.log", "sub/keep.csv", "other/b.log", "other/deep/b.log")
    (tmp_path / ".gitignore").write_text("*.log\n")
    assert taken(tmp_path) == {"a.csv", "sub/a.csv", "sub/keep.csv"}

    (tmp_path / "sub" / ".amlignore").write_text("*.csv\n!keep.csv\n!*.log\n")
    (tmp_path / "sub" / ".gitignore").write_text("keep.csv\n")
    assert taken(tmp_path) == {"a.csv", "sub/b.log", "sub/keep.csv"}

    (tmp_path / ".amlignore").write_text("/a.csv\nother/deep/\n")
    assert taken(tmp_path) == {"b.log", "sub/b.log", "sub/keep.csv", "other/b.log"}


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ("*.csv\n", {"b/c/e.txt", "data", "b/data/x.txt"}),
        ("/a.csv\n", {"b/a.csv", "b/c/d.csv", "b/c/e.txt", "data", "b/data/x.txt"}),
        ("data/\n", {"a.csv", "b/a.csv", "b/c/d.csv", "b/c/e.txt", "data"}),
        ("b/**/*.csv\n", {"a.csv", "b/c/e.txt", "data", "b/data/x.txt"}),
        ("b/*\n!b/a.csv\n!b/c\n", {"a.csv", "b/a.csv", "b/c/d.csv", "b/c/e.txt", "data"}),
        ("b/\n!b/a.csv\n", {"a.csv", "data"}),
        ("*\n!*/\n!*.txt\n", {"b/c/e.txt", "b/data/x.txt"}),
        ("\ufeff*.csv\r\n!\r\n", {"b/c/e.txt", "data", "b/data/x.txt"}),
    ],
)
def test_the_rules_of_an_amlignore(tmp_path, rules, left):
    plant(tmp_path, "a.csv", "b/a.csv", "b/c/d.csv", "b/c/e.txt", "data", "b/data/x.txt")
    (tmp_path / ".amlignore").write_text(rules, newline="")
    assert taken(tmp_path) == left


def test_a_folder_that_is_left_out_is_not_walked_through(tmp_path):
    plant(tmp_path, "a.py")
    (tmp_path / "data").mkdir()
    (tmp_path / ".amlignore").write_text("data/\n")
    (tmp_path / "data").chmod(0)
    try:
        assert taken(tmp_path) == {"a.py"}
    finally:
        (tmp_path / "data").chmod(0o755)
