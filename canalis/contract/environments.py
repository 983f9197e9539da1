"""What a recorded environment asks for, in pip's words. Pure: the SDK tells its faults, and a worker builds it.

Source   reference section 7; conda's MatchSpec for how versions are written; PEP 440 and 508 for what they become
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from canalis.contract.conda_names import BROUGHT_BY_WHEELS, NO_WHEEL, PIP_NAMES

SETTING = "environments"  # among a workspace's settings: {"mode": one of MODES}
BUILD, RECORD = MODES = ("build", "record")
DEFAULT_PYTHON = "3.10.18"  # what v1 writes when nobody asks

_CONDA = re.compile(r"(?:[\w./:-]+::)?(?P<name>[A-Za-z0-9_][\w.-]*)\s*(?:\[(?P<brackets>.*)\])?\s*(?P<version>.*)")
_IN_BRACKETS = re.compile(r"version\s*=\s*['\"]?([^'\"]+)")
_PART = re.compile(r"(?P<sign>===?|~=|!=|<=|>=|<|>|=)?\s*(?P<number>[\w*][\w.!+*-]*)")
_NUMBER = re.compile(r"\d[\w.!+]*")
_PIP_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_ADDRESS = re.compile(r"[\w+.-]+://|\.{0,2}/|[^\s@]+\.whl$")
_INSTALLERS = ("pip", "python")
_MAPPED = {  # what is v1's own and brings with it what scripts import
    "azureml-dataset-runtime": ("pyarrow",),
    "azureml-dataprep": ("pyarrow",),
    "azureml-mlflow": ("mlflow-skinny",),
}
# Options of pip, by what they do here; True for those that take a value.
_OPTIONS = {"-i": "index_url", "--index-url": "index_url", "--pypi-url": "index_url"}
_OPTIONS |= {"--extra-index-url": "extra_index_urls", "-f": "find_links", "--find-links": "find_links"}
_OPTIONS |= {"--trusted-host": "trusted_hosts"}
_SWITCHES = {"--pre": "pre", "--no-index": "no_index"}
_TAKES_NONE = ("--no-cache-dir", "--prefer-binary", "--upgrade", "-U", "--require-hashes", "--no-deps", "--quiet", "-q")
_TAKES_VALUE = ("--no-binary", "--only-binary", "--use-feature", "--use-deprecated", "--progress-bar", "--retries")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where packages are looked for, when a specification says so itself; else as pip is configured.

    pre   whether versions that are not released may be taken
    """

    index_url: str = ""
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    no_index: bool = False
    pre: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """An environment, translated.

    name           as its author calls it
    requirements   in pip's words, in order; what Canalis itself stands for is not among them
    brought        what v1's own packages would have brought along; wanted only where something is built
    python         version that is asked for; "" for any, and for the one that v1 writes when nobody asks
    from_conda     names among the requirements that were written as conda packages
    notes          what is left out, each a sentence
    faults         what cannot be translated, each a sentence
    """

    name: str = ""
    requirements: tuple[str, ...] = ()
    brought: tuple[str, ...] = ()
    python: str = ""
    sources: Sources = Sources()
    from_conda: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def is_built(self) -> bool:
        """Whether it asks for anything that must be installed, or cannot be."""
        return bool(self.requirements or self.faults)


def wanted(definition: Mapping[str, Any]) -> Wanted:
    """What an environment asks for, as Environment._to_dict records it. Never raises: faults are told in it."""
    python = definition.get("python") or {}
    name = str(definition.get("name", ""))
    spec = python.get("conda_dependencies") if isinstance(python, Mapping) else None
    if not isinstance(spec, Mapping) or python.get("user_managed_dependencies"):
        return Wanted(name)
    reading = _Reading()
    for item in spec.get("dependencies") or ():
        if isinstance(item, str):
            reading.conda(item)
        elif isinstance(item, Mapping) and set(item) == {"pip"}:
            for line in item["pip"] or ():
                reading.pip(str(line))
        else:
            reading.faults.append(f"'{item}' is neither a conda package nor a list of pip packages")
    return reading.done(name)


def faults_of(environments: Mapping[str, Mapping[str, Any]], users: Iterable[tuple[str, str]]) -> list[str]:
    """What of a graph's environments cannot be built, each told once with the first step that wants it.

    users   names of steps with the keys of their environments
    """
    found = dict[str, str]()
    for step, key in users:
        read = wanted(environments.get(key, {}))
        for fault in read.faults:
            found.setdefault(fault, f"Step '{step}', environment '{read.name}': {fault}")
    return list(found.values())


def project_name(requirement: str) -> str:
    """The name in a requirement, as pip compares names; "" for an address or a path.

    >>> project_name("Scikit_Learn[all]>=1.0"), project_name("a @ https://b/c.whl"), project_name("./here")
    ('scikit-learn', 'a', '')
    """
    found = _PIP_NAME.match(requirement)
    if found is None or (_ADDRESS.match(requirement) and " @ " not in requirement):
        return ""
    return re.sub(r"[-_.]+", "-", found[0]).lower()


@dataclass
class _Reading:
    requirements: dict[str, str] = field(default_factory=dict)  # by name, or by themselves
    brought: list[str] = field(default_factory=list)
    from_conda: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    no_wheel: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    options: dict[str, list[str]] = field(default_factory=dict)
    python: str = ""

    def conda(self, text: str) -> None:
        found = _CONDA.fullmatch(text.strip())
        version = _conda_version(found) if found else None
        if found is None or version is None:
            self.faults.append(f"conda package '{text}' cannot be translated: write it as a pip package")
            return
        name = found["name"].lower()
        if name == "python":
            asked = _NUMBER.search(version)
            self.python = asked[0].rstrip(".") if asked and ">" not in version and "!" not in version else ""
        elif name in BROUGHT_BY_WHEELS or name.startswith("_"):
            self.left_out.append(name)
        elif NO_WHEEL.fullmatch(name):
            self.no_wheel.append(name)
        elif name not in _INSTALLERS and not self._is_ours(name):
            known = PIP_NAMES.get(name, name)
            self.from_conda.append(known)
            self.requirements[project_name(known)] = f"{known}{version}"

    def pip(self, text: str) -> None:
        line = re.sub(r"(^|\s)#.*", "", text).strip().removesuffix("\\").strip()
        if line.startswith("-"):
            self._option(line)
        elif line:
            name = project_name(line)
            if name == "pip" or self._is_ours(name):
                self._bring(name, line)
            else:
                self.requirements[name or line] = line

    def _bring(self, name: str, line: str) -> None:
        self.brought += _MAPPED.get(name, ())
        if name.startswith("azureml-data") and "pandas" in line.partition("[")[2].partition("]")[0]:
            self.brought.append("pandas")

    @staticmethod
    def _is_ours(name: str) -> bool:
        return name in ("azureml", "canalis") or name.startswith("azureml-")

    def _option(self, line: str) -> None:
        try:
            word, *values = shlex.split(line.replace("=", " ", 1) if line.startswith("--") else line)
        except ValueError:
            word, values = line, []
        value = values[0] if len(values) == 1 else ""
        if word in ("-e", "--editable") and value:
            self.requirements[value] = value
        elif word in _OPTIONS and value:
            self.options.setdefault(_OPTIONS[word], []).append(value)
        elif word in _SWITCHES and not values:
            self.options[_SWITCHES[word]] = ["yes"]
        elif (word in _TAKES_NONE and not values) or (word in _TAKES_VALUE and value):
            return  # without effect here
        else:
            why = "name its packages in the environment" if word in ("-r", "-c", "--requirement") else "take it out"
            self.faults.append(f"pip option '{line}' means nothing here: {why}")

    def done(self, name: str) -> Wanted:
        if self.no_wheel:
            self.faults.insert(
                0,
                f"conda packages that are no Python packages and have no wheel: {', '.join(self.no_wheel)}. Install "
                "them on this machine and take them out of the specification, or run in your own interpreter "
                "(`canalis environments record`)",
            )
        asked = self.options
        sources = Sources(
            index_url=asked.get("index_url", [""])[-1],
            extra_index_urls=tuple(asked.get("extra_index_urls", ())),
            find_links=tuple(asked.get("find_links", ())),
            trusted_hosts=tuple(asked.get("trusted_hosts", ())),
            no_index="no_index" in asked,
            pre="pre" in asked,
        )
        left_out = f"left out, since wheels bring their own: {', '.join(self.left_out)}"
        return Wanted(
            name,
            requirements=tuple(self.requirements.values()),
            brought=tuple(one for one in dict.fromkeys(self.brought) if one not in self.requirements),
            python="" if self.python == DEFAULT_PYTHON else self.python,
            sources=sources,
            from_conda=tuple(self.from_conda),
            notes=(left_out,) if self.left_out else (),
            faults=tuple(self.faults),
        )


def _conda_version(found: re.Match[str]) -> str | None:
    """A version of conda's as pip writes it; "" for any; None when pip has no words for it.

    A single `=` means that version and those that begin with it; what follows a second one is a build, which wheels
    do not have.
    """
    text = found["version"].strip()
    if found["brackets"]:
        within = _IN_BRACKETS.search(found["brackets"])
        text = within[1] if within else text
    if text in ("", "*", "=*", "==*"):
        return ""
    if "|" in text:
        return None
    exact = re.fullmatch(r"(=?)\s*(\w[\w.!+]*)(?:\s*=\s*|\s+)[\w.*-]+", text)  # =1.2=py38_0, or 1.2 py38_0
    if exact:
        return f"=={exact[2]}"
    parts = []
    for part in text.split(","):
        read = _PART.fullmatch(part.strip())
        if read is None:
            return None
        sign, number = read["sign"] or "=", read["number"]
        if sign == "=":
            sign, number = "==", number if number.endswith("*") else f"{number}.*"
            number = re.sub(r"(?<![.])\*$", ".*", number)
        elif number.endswith(".*") and sign not in ("==", "!="):
            number = number.removesuffix(".*")
        parts.append(f"{sign}{number}")
    return ",".join(parts)
