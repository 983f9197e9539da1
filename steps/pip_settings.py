"""Where packages come from on this machine: as pip is configured, in the words of `uv`.

Authors have private mirrors, and have told pip of them. uv does not read pip's files.

Source   pip's user guide, configuration; uv's reference of environment variables
"""

from __future__ import annotations

import configparser
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

from canalis.contract.environments import Sources

_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_CREDENTIALS = re.compile(r"(?<=://)(?:([^/@\s:]*):)?([^/@\s]+)(?=@)")
_SECTIONS = ("global", "install")
_TRUE = ("1", "true", "yes", "on")


def variables(sources: Sources, surroundings: Mapping[str, str], venv: Path | None = None) -> dict[str, str]:
    """The environment for uv: ours, with what pip is configured to do where uv is told nothing.

    sources   what the specification says itself, which comes first
    venv      the virtual environment whose own pip.conf counts
    """
    pip = _settings(surroundings, venv)
    index = sources.index_url or pip("index-url")
    extra = (*sources.extra_index_urls, *shlex.split(pip("extra-index-url")))
    links = (*sources.find_links, *filter(_is_there, shlex.split(pip("find-links"))))
    hosts = (*sources.trusted_hosts, *shlex.split(pip("trusted-host")))
    constraints = filter(_is_there, shlex.split(pip("constraint")))
    found = {
        "UV_DEFAULT_INDEX": index,
        "UV_INDEX": " ".join(extra),
        "UV_FIND_LINKS": ",".join(links),
        "UV_INSECURE_HOST": " ".join(hosts),
        "UV_CONSTRAINT": " ".join(constraints),
        "UV_HTTP_TIMEOUT": pip("timeout") or pip("default-timeout"),
        "SSL_CERT_FILE": pip("cert"),
        "ALL_PROXY": pip("proxy"),
        # As pip: the best version of all indexes, not of the first that knows the name.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_SYSTEM_CERTS": "1",  # a company's own certificates are the system's, not uv's
        "UV_NO_INDEX": "1" if sources.no_index or pip("no-index").lower() in _TRUE else "",
        "UV_PRERELEASE": "allow" if sources.pre or pip("pre").lower() in _TRUE else "",
    }
    own = {name: value for name, value in surroundings.items() if not name.startswith(("CANALIS_", "AZUREML_"))}
    for name in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT", "UV_SYSTEM_PYTHON"):
        own.pop(name, None)
    told = _said_in_specification(sources)
    return {
        **{name: _filled_in(value, surroundings) for name, value in found.items() if value},
        **{name: value for name, value in own.items() if name not in told},
    }


def credentials(texts: Iterable[str]) -> list[str]:
    """The passwords and tokens in addresses, as they are written and as they are meant.

    >>> credentials(["https://ann:pa55%2Fword@host/simple https://token@other"])
    ['pa55%2Fword', 'pa55/word', 'token', 'token']
    """
    found = [match[2] for text in texts for match in _CREDENTIALS.finditer(text)]
    return [form for secret in found for form in (secret, unquote(secret))]


def without_credentials(text: str) -> str:
    """A text whose addresses name nobody any more.

    >>> without_credentials("from https://ann:pa55@host/simple")
    'from https://***@host/simple'
    """
    return _CREDENTIALS.sub("***", text)


def _said_in_specification(sources: Sources) -> set[str]:
    said = {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} if sources.index_url else set()
    said |= {"UV_INDEX", "UV_EXTRA_INDEX_URL"} if sources.extra_index_urls else set()
    said |= {"UV_FIND_LINKS"} if sources.find_links else set()
    return said | ({"UV_NO_INDEX"} if sources.no_index else set()) | ({"UV_PRERELEASE"} if sources.pre else set())


def _filled_in(text: str, surroundings: Mapping[str, str]) -> str:
    """A text in which ${NAME} is a variable of this machine, as in a requirements file of pip's."""
    return _VARIABLE.sub(lambda found: surroundings.get(found[1], found[0]), text)


def _is_there(path: str) -> bool:
    """Whether a place can be looked into; pip only warns of a folder that is not there."""
    return "://" in path or Path(path).expanduser().exists()


def _settings(surroundings: Mapping[str, str], venv: Path | None) -> Callable[[str], str]:
    """Pip's settings by their long names, "" for one that is not set: variables before files, later files first."""
    read = configparser.RawConfigParser()
    if surroundings.get("PIP_CONFIG_FILE") != os.devnull:
        for path in _files(surroundings, venv):
            try:
                read.read(path, encoding="utf-8")
            except (configparser.Error, OSError, UnicodeError):
                continue  # pip will tell whoever calls it; builds go on with what can be read

    def setting(name: str) -> str:
        said = surroundings.get(f"PIP_{name.upper().replace('-', '_')}")
        in_files = [read.get(section, name, fallback="") for section in _SECTIONS]
        return said if said is not None else next(filter(None, reversed(in_files)), "")

    return setting


def _files(surroundings: Mapping[str, str], venv: Path | None) -> Iterator[Path]:
    home = Path(surroundings.get("HOME") or Path.home())
    xdg = surroundings.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    for folder in (xdg if sys.platform != "darwin" else "/Library/Application Support").split(os.pathsep):
        yield Path(folder) / "pip" / "pip.conf"
    yield Path("/etc/pip.conf")
    yield home / ".pip" / "pip.conf"
    yield Path(surroundings.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    if venv is not None:
        yield venv / "pip.conf"
    if surroundings.get("PIP_CONFIG_FILE"):
        yield Path(surroundings["PIP_CONFIG_FILE"])
