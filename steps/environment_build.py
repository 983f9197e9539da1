"""One environment on its way from a specification to a folder: resolved, installed, and lent what Canalis needs."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from canalis.contract.environments import Wanted, project_name
from canalis.contract.errors import AuthorError, StoreFull
from canalis.contract.layout import ENVIRONMENT_LOG
from canalis.contract.masking import Mask
from steps import borrowed, uv
from steps.pip_settings import credentials, variables, without_credentials
from steps.stamps import short_hash, stamp, stamps, write_whole
from steps.uv import Asker, Done

# What a script needs of the SDK's own needs; a test holds it against pyproject.toml.
SDK_NEEDS = (
    "pydantic>=2.10",
    "httpx2>=2.10",
    "PyYAML>=6.0.2",
    "rich>=14",
    "ahocorasick-rs>=1.0",
    "cronsim>=2.8",
    "tzlocal>=5.4",
    "tzdata>=2026.1",
)
_PYTHON_LEAST = (3, 11)
_INSTALLERS = ("pip", "setuptools")  # lent as well: every conda environment had them, and old scripts call them
RECORD_FILE = "canalis.json"
FORMAT = 1  # changes with what is put into an environment
ROOT = Path(__file__).resolve().parents[1]


class EnvironmentInvalid(AuthorError):
    """An environment asks for something that cannot be installed here, such as a conda package without a wheel."""

    code = "environment_invalid"


class EnvironmentUnresolved(AuthorError):
    """There are no versions of the packages that an environment asks for that go together; the resolver's reason."""

    code = "environment_unresolved"


class EnvironmentNotBuilt(AuthorError):
    """An environment was resolved, or could have been, and could not be installed; the installer's reason."""

    code = "environment_not_built"


class Building:
    """One environment on its way from a specification to a folder."""

    def __init__(self, asked: Wanted, base: str, asker: Asker, folder: Path, lock: int) -> None:
        self._asked = asked
        self._base = base
        self._folder = folder
        self._lock = lock
        found = uv.program()
        if found is None:
            raise EnvironmentNotBuilt("uv, which builds environments, is not here: `pip install uv` beside Canalis")
        self._uv = found
        base_folder = Path(base).parent.parent
        self._variables = variables(asked.sources, os.environ, base_folder)
        secrets = Mask(credentials([*self._variables.values(), *asked.requirements]))
        self._asker = replace(asker, hide=lambda text: secrets.hidden(asker.hide(text)))
        self._python = base
        self._python_told = ""
        self._lent: dict[str, Any] = {}

    def resolve(self) -> tuple[str, str]:
        """Which version of what is wanted: the locked requirements, and the id of the environment that has them."""
        asked = self._asked
        self._asker.say(f"Environment '{asked.name}' asks for: {', '.join(asked.requirements)}")
        for note in asked.notes:
            self._asker.say(f"Note: {note}")
        self._choose_python()
        missing = [need for need in SDK_NEEDS if project_name(need) in self._lent["missing"]]
        requirements = [*asked.requirements, *asked.brought, *missing]
        done, lock = self._compile(requirements, [*SDK_NEEDS, *self._lent["at_least"]])
        if done.code:
            again, lock = self._compile(requirements, [])
            if not again.code:
                self._asker.say(
                    "Warning: these versions do not go together with what Canalis itself needs; a script that imports "
                    f"azureml may fail. {done.reason}"
                )
            done = again
        self._check(done, EnvironmentUnresolved, "cannot be resolved")
        self._asker.say(f"Versions: {', '.join(lock.splitlines())}")
        facts = [
            FORMAT,
            lock,
            self._python,
            stamp(Path(self._python)),
            stamps(asked.requirements),
            self._base,
            str(ROOT),
        ]
        return lock, short_hash(facts)

    def install(self, folder: Path, lock: str, held: int) -> None:
        """Make the environment. A folder without its record is what a build has left that was ended in the middle."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            python = str(folder / "bin" / "python")
            for arguments in (
                ["venv", "--quiet", "--no-project", "--python", self._python, str(folder)],
                ["pip", "sync", "--python", python, "--allow-empty-requirements", "-"],
            ):
                done = self._run(arguments, lock if arguments[-1] == "-" else "", held)
                self._check(done, EnvironmentNotBuilt, "cannot be built")
            self._lend(folder)
            write_whole(
                folder / RECORD_FILE,
                {"requirements": without_credentials(lock).splitlines(), "python": self._python, "at": time.time()},
            )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _choose_python(self) -> None:
        """The base, unless another version is asked for that is here and in which Canalis runs."""
        self._lent = self._ask_what_is_lent(self._base)
        have, want = self._lent["version"], self._asked.python
        if not want or want.split(".")[:2] == have.split(".")[: len(want.split(".")[:2])]:
            return
        parts = tuple(int(part) for part in want.split(".")[:2] if part.isdigit())
        why = "Canalis needs 3.11 or later in a step"
        if parts >= _PYTHON_LEAST:
            asked = ".".join(map(str, parts))
            done = self._run(["python", "find", "--no-project", "--no-python-downloads", asked])
            # Warnings of interpreters that do not work may stand around it.
            found = next((line for line in reversed(done.lines) if os.access(line, os.X_OK)), None)
            if not done.code and found is not None:
                self._python = found
                self._lent = {"missing": [project_name(one) for one in SDK_NEEDS], "at_least": [], "version": asked}
                self._lent |= {"folders": {}, "distributions": {}}
                return
            why = "it is not on this machine"
        self._python_told = f"Python {want} was asked for, and it is built with {have}: {why}"
        self._asker.say(f"Warning: {self._python_told}")

    def _ask_what_is_lent(self, base: str) -> dict[str, Any]:
        names = [project_name(need) for need in SDK_NEEDS]
        program = str(Path(__file__).with_name("lending.py"))
        quiet = Asker(Path(os.devnull), self._asker.is_stopped, self._asker.mark)
        done = uv.run([base, "-I", program, *names, *_INSTALLERS], self._variables, quiet, self._folder)
        if done.code:
            raise EnvironmentNotBuilt(f"The interpreter {base} does not work: {done.reason}")
        found: dict[str, Any] = json.loads(done.lines[-1])
        return found

    def _lend(self, folder: Path) -> None:
        (site_packages,) = (folder / "lib").glob("python*/site-packages")
        shutil.copyfile(borrowed.__file__, site_packages / "canalis_borrowed.py")
        lent = {name: self._lent[name] for name in ("folders", "distributions")}
        lent["folders"] |= {"canalis": str(ROOT)}
        (site_packages / "canalis_borrowed.json").write_text(json.dumps(lent))
        # Last in the order of names, so that it comes after all that such files do for packages.
        (site_packages / "zz_canalis.pth").write_text("import canalis_borrowed; canalis_borrowed.install()\n")

    def _compile(self, requirements: list[str], constraints: list[str]) -> tuple[Done, str]:
        """How resolving has ended, and the locked requirements."""
        with TemporaryDirectory(dir=self._folder) as name:
            limits, lock = Path(name) / "constraints.txt", Path(name) / "lock.txt"
            limits.write_text("\n".join(constraints))
            arguments = ["pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python", self._python]
            # As an option, since it comes on top of what pip is configured to hold to.
            arguments += ["--constraint", str(limits), "--output-file", str(lock), "-"]
            done = self._run(arguments, "\n".join(requirements))
            return done, lock.read_text() if lock.exists() else ""

    def _run(self, arguments: list[str], given: str = "", held: int | None = None) -> Done:
        locks = [self._lock] if held is None else [self._lock, held]
        return uv.run([self._uv, *arguments], self._variables, self._asker, self._folder, locks, given)

    def _check(self, done: Done, kind: type[AuthorError], how: str) -> None:
        if done.is_disk_full:
            raise StoreFull(f"The disk that holds {self._folder} is full: no room for environment '{self._asked.name}'")
        if done.code:
            conda = [name for name in self._asked.from_conda if name in done.reason]
            hint = f" ({', '.join(conda)}: asked for as conda packages, looked for as pip packages)" if conda else ""
            told = f" ({self._python_told})" if self._python_told else ""
            raise kind(
                f"Environment '{self._asked.name}' {how}: {done.reason}{hint}{told}. Its log is {ENVIRONMENT_LOG}; "
                "`canalis environments record` lets steps run in your own interpreter instead"
            )
