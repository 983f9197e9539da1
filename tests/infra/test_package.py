"""The app as one file: what is in it, what is not, and that it is whole."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import zipfile

import pytest

from canalis.deployment.package import ROOMS, write_package
from canalis.deployment.project import Project
from canalis.exceptions import UserErrorException
from tests.infra.conftest import ROOT
from tests.unit.test_azure_settings import IN_AZURE

SECRETS = {
    ".env": "KEY=1",
    "local.settings.json": "{}",
    "canalis/.env.py~": "",
    "api/notes.txt": "mine",
    "steps/__pycache__/worker.cpython-312.pyc": "",
    "adapters/key.pem": "-----BEGIN",
    "orchestrator/.canalis/token": "t",
    ".git/config": "",
    "tests/test_x.py": "",
    "benchmarks/x.py": "",
    "config.json": "{}",
}


@pytest.fixture
def clone(tmp_path):
    """A clone with an app in it, and with what an author's folder gathers beside."""
    folder = tmp_path / "clone"
    for room in (*ROOMS, "infra"):
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("requirements.txt", "function_app.py", "host.json", "local_app.py", "local_engine.py"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, folder)
    for file in ROOT.glob("azure_*.py"):
        shutil.copy(file, folder)
    for name in ("function_app.py", "host.json"):  # until the door is there
        (folder / name).touch()
    for name, text in SECRETS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def names(package):
    with zipfile.ZipFile(package) as found:
        return found.namelist()


def test_the_package_has_the_app_and_nothing_else(clone, tmp_path):
    count = write_package(clone, tmp_path / "app.zip")
    found = names(tmp_path / "app.zip")
    assert len(found) == count == len(set(found))
    assert {"function_app.py", "host.json", "requirements.txt", "orchestrator/decide.py", "steps/worker.py"} < set(
        found
    )
    assert {f"canalis/{name}.py" for name in ("azureml", "run", "contract/graph")} < set(found)
    assert not set(found) & set(SECRETS)
    allowed = {
        *ROOMS,
        "function_app.py",
        "host.json",
        "requirements.txt",
        *(file.name for file in clone.glob("azure_*")),
    }
    assert {name.partition("/")[0] for name in found} == allowed
    pages = [name for name in found if name.startswith("portal/")]
    assert {"portal/index.html", "portal/app.js", "portal/portal.css"} <= set(pages)
    assert all(name.endswith((".py", ".json", ".txt", "py.typed")) for name in {*found} - {*pages})
    assert not [name for name in found if name.startswith(("canalis/cli/", "canalis/deployment/", "adapters/sqlite/"))]


def test_a_link_out_of_the_clone_is_not_followed(clone, tmp_path):
    (tmp_path / "outside.py").write_text("SECRET = 1")
    (clone / "api" / "linked.py").symlink_to(tmp_path / "outside.py")
    write_package(clone, tmp_path / "app.zip")
    assert "api/linked.py" not in names(tmp_path / "app.zip")


def test_the_same_source_makes_the_same_bytes(clone, tmp_path):
    write_package(clone, tmp_path / "first.zip")
    for file in clone.rglob("*.py"):
        os.utime(file, (1, 1))
        file.chmod(0o755)
    write_package(clone, tmp_path / "second.zip")
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()
    with (clone / "api" / "app.py").open("a") as file:
        file.write("\n# changed\n")
    write_package(clone, tmp_path / "third.zip")
    assert (tmp_path / "first.zip").read_bytes() != (tmp_path / "third.zip").read_bytes()


def test_a_clone_without_the_door_says_what_is_missing(clone, tmp_path):
    (clone / "host.json").unlink()
    with pytest.raises(UserErrorException, match=r"is not the whole app: it has no host\.json") as caught:
        write_package(clone, tmp_path / "app.zip")
    assert caught.value.code == "no_clone"
    assert not (tmp_path / "app.zip").exists()


def test_without_a_clone_it_is_said_what_is_missing(tmp_path):
    (tmp_path / "requirements.txt").touch()
    with pytest.raises(UserErrorException, match=r"needs a clone .* has no infra/main\.bicep, infra/plan\.json, orch"):
        Project.at(tmp_path)


# Imports every module of the package with nothing in reach but what requirements.txt installs.
IMPORT_ALL = """
import importlib.metadata, re, sys
from pathlib import Path

unpacked, clone, *left_out = sys.argv[1:]
named = {match[1].lower().replace("_", "-") for line in (Path(unpacked) / "requirements.txt").open()
         if (match := re.match(r"([A-Za-z0-9._-]+)==", line))}
of = importlib.metadata.packages_distributions()
allowed = {module for module, owners in of.items() if named & {owner.lower().replace("_", "-") for owner in owners}}
foreign = set(of) - allowed - {place.stem for place in Path(unpacked).iterdir()}

class Refuses:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in foreign:
            raise ModuleNotFoundError(f"{name} is not in requirements.txt", name=name)

sys.meta_path = [Refuses(), *(finder for finder in sys.meta_path if "editable" not in repr(finder).lower())]
sys.path[:] = [unpacked, *(place for place in sys.path if Path(place).resolve() != Path(clone).resolve())]
count = 0
for file in sorted(Path(unpacked).rglob("*.py")):
    parts = file.relative_to(unpacked).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    if name in left_out:
        continue
    module = importlib.import_module(name)
    assert module.__file__.startswith(unpacked), module.__file__
    count += 1
print(count)
"""


@pytest.mark.parametrize("fault", ["", "import typer"])
def test_the_package_needs_nothing_that_its_requirements_do_not_install(clone, tmp_path, fault):
    with (clone / "steps" / "worker.py").open("a") as file:
        file.write(f"\n{fault}\n")
    write_package(clone, tmp_path / "app.zip")
    count = sum(name.endswith(".py") for name in names(tmp_path / "app.zip"))
    with zipfile.ZipFile(tmp_path / "app.zip") as package:
        package.extractall(tmp_path / "unpacked")
    (tmp_path / "imports.py").write_text(textwrap.dedent(IMPORT_ALL))
    # The alias is no module of the app: steps have its folder on their path, where it is `azureml`.
    # The child of a warm start is read by a parent, not imported.
    # Tables are read with pyarrow, an extra, by modules that are loaded for nothing else.
    tables = [f"canalis.table_{name}" for name in ("ragged", "reading", "rows", "sql", "types", "writing")]
    # U-SQL is read with lark and run by DuckDB, in a process of its own.
    usql = [f"canalis.usql.{file.stem}" for file in (ROOT / "canalis" / "usql").glob("*.py")] + ["canalis.usql"]
    left_out = ["canalis.alias.azureml", "steps.warm_child", "steps.warm_parent", *tables, *usql]
    done = subprocess.run(
        [sys.executable, "-I", tmp_path / "imports.py", tmp_path / "unpacked", ROOT, *left_out],
        capture_output=True,
        text=True,
        env=os.environ | IN_AZURE,  # without its settings the app does not start
    )
    if fault:
        assert "typer is not in requirements.txt" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) >= count - len(left_out) - 2
