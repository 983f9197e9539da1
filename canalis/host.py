"""Where a workspace is: in a folder of this machine with a service of its own, or behind a deployed service.

A workspace has one host and asks it, so that nothing else needs to know which kind it is.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from canalis import config, local
from canalis.client import Client, Endpoint, Opener, is_here
from canalis.exceptions import UserErrorException
from canalis.sign_in import EntraSignIn, GivenToken

_NAME = re.compile(r"[a-zA-Z0-9][\w\-]{2,32}", re.ASCII)
_NOWHERE = {"subscription_id": "00000000-0000-0000-0000-000000000000", "resource_group": "local", "location": "local"}

Facts = dict[str, Any]  # name, subscription_id, resource_group, location; perhaps friendly_name and tags


class Host(Protocol):
    """Where a workspace is, and the way to its service. Two of them are equal when they are the same workspace's."""

    @property
    def folder(self) -> Path | None:
        """The folder of this machine that holds the workspace; None when it lies elsewhere."""
        ...

    def client(self) -> Client:
        """A way to its service, which is looked for when it is first asked for something."""
        ...

    def facts(self, client: Client, given: Mapping[str, str | None]) -> Facts:
        """What is written down about the workspace.

        given   how its caller has named it: name, subscription_id, resource_group
        """
        ...

    def token(self) -> str:
        """What opens the service."""
        ...

    def config(self) -> dict[str, str]:
        """What a config.json says of it beside its names."""
        ...


@dataclass(frozen=True)
class LocalHost:
    """A folder of this machine, with a service that is started when it is needed."""

    folder: Path

    def client(self) -> Client:
        """A way to its service."""
        return Client(lambda: local.endpoint(self.folder))

    def facts(self, client: Client, given: Mapping[str, str | None]) -> Facts:
        """What is written down; a workspace that is not there yet is made, and that is told."""
        found = local.describe(self.folder)
        if found is None:
            found = new_facts(
                self.folder.name, {name: given.get(name) for name in ("subscription_id", "resource_group")}
            )
            local.create(self.folder, found)
            print(f"Workspace '{self.folder.name}' is new on this machine: {self.folder}", file=sys.stderr)
        return found

    def token(self) -> str:
        """The token in the home folder."""
        return local.token(self.folder)

    def config(self) -> dict[str, str]:
        """Nothing: it is found by its name."""
        return {}

    def __str__(self) -> str:
        return str(self.folder)


@dataclass(frozen=True)
class CloudHost:
    """A deployed service, which serves one workspace.

    known   what is known of that workspace without asking
    """

    url: str
    sign_in: Opener = field(compare=False)
    known: Facts = field(default_factory=dict, compare=False)

    @property
    def folder(self) -> None:
        """None on this machine."""

    def client(self) -> Client:
        """A way to the service, which signs in when it is first asked for something."""
        return Client(lambda: Endpoint(self.url, ""), self.sign_in)

    def facts(self, client: Client, given: Mapping[str, str | None]) -> Facts:
        """What the service says. That it serves a workspace of another name is told, and is no error.

        A script that was written for an old workspace goes on as it is in a new one.
        """
        found: Facts = self.known or client.get("/workspace")
        if given.get("name") and given["name"] != found["name"]:
            print(f"Note: {self.url} serves workspace '{found['name']}', not '{given['name']}'", file=sys.stderr)
        return found

    def token(self) -> str:
        """A token of who is signed in."""
        return self.sign_in.token()

    def config(self) -> dict[str, str]:
        """Where the service is."""
        return {config.URL: self.url}

    def __str__(self) -> str:
        return self.url


def deployed(given: str | None = None, auth: Any = None, configured: str | None = None) -> CloudHost | None:
    """The service in the cloud that is meant, if any.

    In this order: `given` by the caller, that of the step which this script is, CANALIS_URL, and `configured`
    in config.json. Raises UserErrorException for an address that cannot be one.
    """
    around = surrounding()
    if not given and isinstance(around, CloudHost):
        return around
    sources = ((given, config.URL), (os.environ.get("CANALIS_URL"), "CANALIS_URL"), (configured, config.URL))
    for address, named_by in sources:
        if address:
            url = _checked_url(address, named_by)
            return CloudHost(url, _usual_sign_in(url) if auth is None else EntraSignIn(url, auth))
    return None


def surrounding() -> Host | None:
    """Where the workspace is in which this process is a step; None outside of one."""
    path = os.environ.get("CANALIS_CONTEXT")
    return of_context(json.loads(Path(path).read_text())) if path else None


def of_context(context: Mapping[str, Any]) -> Host:
    """The host that a step's context file names: a service with the token of its run, or a folder."""
    service = context.get("service")
    if not service:
        return LocalHost(Path(context["home"]))
    known = {name: context[name] for name in ("subscription_id", "resource_group", "location") if name in context}
    known = {"name": context["workspace"], **known} if len(known) == 3 and context.get("workspace") else {}
    return CloudHost(_checked_url(service["url"], "CANALIS_CONTEXT"), GivenToken(service["token"]), known)


def of_config(found: Path, named: Mapping[str, str], auth: Any = None) -> Host:
    """The host that a config.json means."""
    return deployed(None, auth, named[config.URL]) or LocalHost(_root_of(found, named["workspace_name"]))


def configured(auth: Any = None) -> Host | None:
    """Where the workspace is that a script here would get from its step, CANALIS_URL or config.json; None without."""
    around = surrounding() or deployed(None, auth)
    if around is not None:
        return around
    found = config.find_config(None, None)
    return of_config(found, config.read_config(found), auth) if found is not None else None


def folders_own() -> Host:
    """The local workspace of a folder without any configuration."""
    folder = local.home()
    known = local.workspaces(folder)
    root = folder / (known[0] if len(known) == 1 else local.DEFAULT_NAME)
    print(f"No config.json found: using the local workspace in {root}", file=sys.stderr)
    return LocalHost(root)


def named_here(name: str) -> LocalHost:
    """Where the workspace of that name of the current folder's project is."""
    return LocalHost(local.home() / _checked_name(name))


def _checked_name(name: str) -> str:
    """A name that a workspace on this machine can have. Raises UserErrorException for any other."""
    if not _NAME.fullmatch(name):
        raise UserErrorException(
            f"'{name}' cannot be the name of a workspace: 3 to 33 letters, digits, _ and -, the first a letter or digit"
        )
    return name


def new_facts(name: str, given: Mapping[str, str | None]) -> Facts:
    """What is written down about a new workspace on this machine."""
    return {"name": name, **_NOWHERE, **{key: value for key, value in given.items() if value}}


def _usual_sign_in(url: str) -> Opener:
    """The way to sign in when the caller names none: CANALIS_TOKEN, or azure-identity's default.

    The token is for the service that CANALIS_URL names, in the same environment. It goes nowhere else: a config.json
    that came with somebody else's code would get what opens the service of whoever runs that.
    """
    given, meant = os.environ.get("CANALIS_TOKEN", "").strip(), os.environ.get("CANALIS_URL")
    if given and meant and _checked_url(meant, "CANALIS_URL") == url:
        return GivenToken(given, "the token in CANALIS_TOKEN")
    return _default_sign_in(url)


@lru_cache(8)
def _default_sign_in(url: str) -> Opener:
    """One for all workspaces of this process: to sign in may take a second."""
    return EntraSignIn(url)


def _root_of(config_file: Path, name: str) -> Path:
    """The folder of the workspace that a config file names."""
    project = config_file.parent.parent if config_file.parent.name in config.FOLDERS else config_file.parent
    return local.home(start=project, project=project) / _checked_name(name)


def _checked_url(address: str, named_by: str) -> str:
    """The address of a service without a closing slash. Access tokens are sent there, so never in the clear."""
    parts = urlsplit(str(address).strip().rstrip("/"))
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_here(address))
    is_bare = not (parts.path or parts.query or parts.fragment or parts.username or parts.password)
    if not (is_safe and is_bare and parts.hostname):
        raise UserErrorException(
            f"{named_by} is '{address}'; it must be the address of a service, https://<host> and nothing after it "
            "(http:// only for 127.0.0.1 and localhost)"
        )
    return f"{parts.scheme}://{parts.netloc.lower()}"
