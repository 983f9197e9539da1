"""What pip is told, uv is told; and what an environment borrows is what the SDK needs."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from canalis.contract.environments import Sources, project_name
from steps.environment_build import SDK_NEEDS
from steps.pip_settings import credentials, variables, without_credentials
from steps.uv import Done

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "limits.txt").touch()
    folder = tmp_path / ".config" / "pip"
    folder.mkdir(parents=True)
    (folder / "pip.conf").write_text(
        "[global]\nindex-url = https://ann:pw@mirror/simple\nextra-index-url =\n    https://b/simple\n    https://c/simple\n"
        f"find-links = {tmp_path / 'wheels'} /not/there\nconstraint = {tmp_path / 'limits.txt'}\ntimeout = 7\n"
        "trusted-host = mirror\n[install]\nno-index = true\n"
    )
    return {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": "/nowhere"}


def test_what_pips_files_say_is_said_in_uvs_variables(home):
    found = variables(Sources(), home)
    assert found["UV_DEFAULT_INDEX"] == "https://ann:pw@mirror/simple"
    assert found["UV_INDEX"] == "https://b/simple https://c/simple"
    assert found["UV_FIND_LINKS"] == f"{home['HOME']}/wheels", "pip only warns of one that is not there"
    assert found["UV_CONSTRAINT"] == f"{home['HOME']}/limits.txt"
    assert (found["UV_HTTP_TIMEOUT"], found["UV_INSECURE_HOST"], found["UV_NO_INDEX"]) == ("7", "mirror", "1")


def test_variables_come_before_files_and_uvs_own_before_pips(home):
    assert variables(Sources(), home | {"PIP_INDEX_URL": "https://p"})["UV_DEFAULT_INDEX"] == "https://p"
    both = home | {"PIP_INDEX_URL": "https://p", "UV_DEFAULT_INDEX": "https://u"}
    assert variables(Sources(), both)["UV_DEFAULT_INDEX"] == "https://u"


def test_what_a_specification_says_comes_first_and_may_name_a_variable(home):
    said = Sources(index_url="https://${TOKEN}@s/simple", extra_index_urls=("https://e",), pre=True)
    found = variables(said, home | {"UV_DEFAULT_INDEX": "https://u", "TOKEN": "t0ken"})
    assert found["UV_DEFAULT_INDEX"] == "https://t0ken@s/simple"
    assert found["UV_INDEX"] == "https://e https://b/simple https://c/simple"
    assert found["UV_PRERELEASE"] == "allow"


def test_a_virtual_environment_has_a_file_of_its_own_and_a_broken_one_is_passed_over(home, tmp_path):
    venv = tmp_path / "venv"
    venv.mkdir()
    (venv / "pip.conf").write_text("[global]\nindex-url = https://v\n")
    assert variables(Sources(), home, venv)["UV_DEFAULT_INDEX"] == "https://v"
    (venv / "pip.conf").write_text("no section\n")
    assert variables(Sources(), home, venv)["UV_DEFAULT_INDEX"] == "https://ann:pw@mirror/simple"


def test_our_own_variables_do_not_reach_a_build(home):
    found = variables(Sources(), home | {"CANALIS_RUN_KEY": "k", "PYTHONPATH": "/x", "PATH": "/bin"})
    assert "CANALIS_RUN_KEY" not in found and "PYTHONPATH" not in found and found["PATH"] == "/bin"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://ann:pa55@h/x and https://tok@i", "https://***@h/x and https://***@i"),
        ("git+ssh://git@h/x", "git+ssh://***@h/x"),
        ("a @ file:///b", "a @ file:///b"),
    ],
)
def test_addresses_are_shown_without_whom_they_name(text, shown):
    assert without_credentials(text) == shown


def test_a_password_is_known_as_written_and_as_meant():
    assert credentials(["https://ann:a%2Fb@h"]) == ["a%2Fb", "a/b"]


def test_what_is_lent_is_what_the_package_itself_asks_for():
    with (ROOT / "pyproject.toml").open("rb") as file:
        declared = set(tomllib.load(file)["project"]["dependencies"])
    assert set(SDK_NEEDS) <= declared


def test_an_interpreter_lends_what_is_asked_for_with_its_needs_and_says_what_it_has_not():
    program = ROOT / "steps" / "lending.py"
    names = ["pydantic", "no-such-thing"]
    found = json.loads(subprocess.check_output([sys.executable, "-I", program, *names]))
    assert found["missing"] == ["no-such-thing"]
    assert {"pydantic", "pydantic_core", "typing_extensions"} <= set(found["folders"])
    assert "pandas" not in found["folders"] and "typing-extensions" in map(project_name, found["at_least"])


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "Using x\nerror: No solution found when resolving dependencies\n  cause: Because there is no version of a==9\n",
            "Because there is no version of a==9",
        ),
        (
            "error: Failed to build `a==1`\n  cause: Call to `build` failed\n    [stdout]\n    much\n    [stderr]\n"
            "    Traceback (most recent call last):\n    ValueError: no compiler\n    hint: This usually indicates a problem "
            "with the package or the build environment\n",
            "Failed to build `a==1` Call to `build` failed ValueError: no compiler",
        ),
        ("something\nelse\n", "something else"),
        ("error: " + "x" * 900, "x" * 700 + "..."),
    ],
)
def test_the_reason_is_what_the_resolver_says_and_the_last_words_of_what_does_not_build(said, reason):
    assert Done(2, tuple(said.splitlines())).reason == reason


def test_a_full_disk_is_known_by_its_words():
    assert Done(1, ("error: failed to write", "  cause: No space left on device (os error 28)")).is_disk_full
    assert not Done(0, ("No space left on device",)).is_disk_full
