"""What the service in Azure is told by its environment: all of it read at once, every fault told at once."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from canalis.contract.announcements import callback_hosts_of, topic_of, webhook_hosts_of
from canalis.contract.errors import SettingInvalid
from canalis.contract.works import DATABRICKS, TRANSFER

BUS = "CANALIS_BUS"  # the connection of the queue triggers, in function_app.py and in host.json's terms
CONTROL = "control"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_RUN_KEY_LEAST = 32
_SECONDS_MAX = 50.0
_SECONDS_MOST = 1800.0  # what host.json's function time-out and lock renewal leave room for
_LOG_BYTES_MAX = 100 * 2**20
_NAME = re.compile(r"[a-zA-Z0-9][\w\-]{2,32}", re.ASCII)
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one workspace's service.

    tables, blobs, bus   an address where an identity signs in, or a connection string that leads to this machine
    identity             client id of the managed identity; "" for the one that the machine has
    endpoint             where callers, and the scripts of steps, reach the service
    issuers              of access tokens beside Entra ID: where each has its keys, for tests
    run_keys             the first signs the tokens of runs; all of them are good
    events_topic         to which the end of every run is published; "" for none
    webhook_hosts, callback_hosts   hosts that webhooks may be on, and of Azure DevOps that may be called back
    vault                address of the Key Vault in which the secrets of authors are; "" where they are kept sealed
    serves               "control" for HTTP, news and time, and the names of the backends: all in one app, or in several
    """

    workspace: str
    subscription_id: str
    resource_group: str
    location: str
    tables: str
    blobs: str
    bus: str
    identity: str
    endpoint: str
    tenants: tuple[str, ...]
    audience: str
    issuers: Mapping[str, str]
    run_keys: tuple[bytes, ...]
    serves: tuple[str, ...]
    seconds_max: float
    log_bytes_max: int
    events_topic: str
    webhook_hosts: tuple[str, ...]
    callback_hosts: tuple[str, ...]
    vault: str

    @property
    def vault_keys(self) -> list[bytes]:
        """Keys that secrets are kept with, which say nothing of those that sign the tokens of runs."""
        return [hmac.new(key, b"canalis: key of the vault", "sha256").digest() for key in self.run_keys]

    @property
    def backends(self) -> tuple[str, ...]:
        """Names of the backends whose orders this app carries out."""
        return tuple(name for name in self.serves if name != CONTROL)


def settings_of(environment: Mapping[str, str]) -> Settings:
    """The settings that an environment gives. Raises SettingInvalid, naming each one that is missing or wrong."""
    read = _Reader(environment)
    host = environment.get("WEBSITE_HOSTNAME", "")
    settings = Settings(
        workspace=read.matching("CANALIS_WORKSPACE", _NAME, "3 to 33 letters, digits, _ and -"),
        subscription_id=environment.get("CANALIS_SUBSCRIPTION", ""),
        resource_group=environment.get("CANALIS_RESOURCE_GROUP", ""),
        location=environment.get("CANALIS_LOCATION", "") or environment.get("REGION_NAME", ""),
        tables=read.place("CANALIS_TABLES", "https://<account>.table.core.windows.net"),
        blobs=read.place("CANALIS_BLOBS", "https://<account>.blob.core.windows.net"),
        bus=read.namespace(),
        identity=environment.get("AZURE_CLIENT_ID", ""),
        endpoint=read.endpoint(f"https://{host}" if host else ""),
        tenants=read.several("CANALIS_TENANTS"),
        audience=read.text("CANALIS_AUDIENCE"),
        issuers=read.issuers(),
        run_keys=read.keys("CANALIS_RUN_KEY"),
        serves=read.served(),
        seconds_max=read.number("CANALIS_STEP_SECONDS_MAX", _SECONDS_MAX, 1.0, _SECONDS_MOST),
        log_bytes_max=int(read.number("CANALIS_LOG_MAX_BYTES", _LOG_BYTES_MAX, 2**16, 2**40)),
        events_topic=read.by("CANALIS_EVENTS_TOPIC", topic_of) or "",
        webhook_hosts=read.by("CANALIS_WEBHOOK_HOSTS", webhook_hosts_of) or (),
        callback_hosts=read.by("CANALIS_CALLBACK_HOSTS", callback_hosts_of) or (),
        vault=read.vault(),
    )
    if read.faults:
        raise SettingInvalid(f"Canalis cannot start: {'; '.join(read.faults)}", settings=sorted(read.named))
    return settings


class _Reader:
    """Reads settings, and writes down what is wrong with each."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.faults: list[str] = []
        self.named: set[str] = set()

    def text(self, name: str) -> str:
        """A setting that must be there."""
        found = self._environment.get(name, "").strip()
        if not found:
            self._fault(name, "is missing")
        elif found.startswith("@Microsoft.KeyVault("):
            # The platform puts the secret in the place of the reference, unless it may not read it.
            self._fault(name, "is a Key Vault reference that was not resolved: may the app's identity read the secret?")
            return ""
        return found

    def matching(self, name: str, pattern: re.Pattern[str], words: str) -> str:
        """A setting of a certain form."""
        found = self.text(name)
        if found and not pattern.fullmatch(found):
            self._fault(name, f"is '{found}': it must be {words}")
        return found

    def several(self, name: str) -> tuple[str, ...]:
        """Values between commas, one at least."""
        return tuple(part.strip() for part in self.text(name).split(",") if part.strip())

    def by(self, name: str, reader: Callable[[Mapping[str, str]], Read]) -> Read | None:
        """A setting that the laptop has as well, by who reads it there; None when it is wrong."""
        try:
            return reader(self._environment)
        except SettingInvalid as error:
            self._fault(name, error.message.removeprefix(name).strip())
            return None

    def number(self, name: str, default: float, least: float, most: float) -> float:
        """A number within limits."""
        said = self._environment.get(name, "")
        try:
            found = float(said) if said else default
        except ValueError:
            found = float("nan")
        if not least <= found <= most:
            self._fault(name, f"is '{said}': it must be a number from {least:g} to {most:g}")
        return found

    def served(self) -> tuple[str, ...]:
        """What this app is there for."""
        found = tuple(filter(None, re.split(r"[\s,]+", self._environment.get("CANALIS_SERVES", ""))))
        odd = [name for name in found if not re.fullmatch(r"[a-z][a-z0-9-]{0,40}", name)]
        if odd:
            self._fault("CANALIS_SERVES", f"names {', '.join(odd)}: it must be control and names of backends")
        return found or (CONTROL, "process", DATABRICKS, TRANSFER)

    def keys(self, name: str) -> tuple[bytes, ...]:
        """Secrets between commas, each long enough to keep anybody out."""
        found = self.several(name)
        if any(len(key) < _RUN_KEY_LEAST for key in found):
            self._fault(name, f"has fewer than {_RUN_KEY_LEAST} characters")
        return tuple(key.encode() for key in found)

    def place(self, name: str, example: str) -> str:
        """Where a storage service is."""
        found = self.text(name)
        if not found or _is_secure(found):
            return found
        if "=" not in found:
            self._fault(name, f"is '{found}': it must be an address such as {example}")
        elif not all(_is_here(part) for part in _endpoints(found)):
            self._fault(
                name, f"is a connection string: give the address, {example}, and let the app's identity sign in"
            )
        return found

    def vault(self) -> str:
        """Where a Key Vault is."""
        found = self._environment.get("CANALIS_VAULT", "").strip().rstrip("/")
        if found and not _is_secure(found):
            self._fault("CANALIS_VAULT", f"is '{found}': it must be an address such as https://<name>.vault.azure.net")
        return found

    def namespace(self) -> str:
        """Where the bus is."""
        full = f"{BUS}__fullyQualifiedNamespace"
        named = self._environment.get(full, "").strip()
        if named:
            if not re.fullmatch(r"[\w.-]+", named, re.ASCII):
                self._fault(full, f"is '{named}': it must be <namespace>.servicebus.windows.net")
            return named
        found = self._environment.get(BUS, "").strip()
        if not found:
            self._fault(full, "is missing")
        elif not all(_is_here(part) for part in _endpoints(found)):
            self._fault(BUS, f"is a connection string: set {full}, and let the app's identity sign in")
        return found

    def endpoint(self, default: str) -> str:
        """Where this service is reached."""
        found = self._environment.get("CANALIS_ENDPOINT", "").rstrip("/") or default
        if not found:
            self._fault("CANALIS_ENDPOINT", "is missing, and so is WEBSITE_HOSTNAME")
        elif not (_is_secure(found) or _is_here(found)):
            self._fault("CANALIS_ENDPOINT", f"is '{found}': it must begin with https://")
        return found

    def issuers(self) -> dict[str, str]:
        """Pairs <issuer>=<address of its keys> between commas."""
        found = {}
        for pair in filter(None, self._environment.get("CANALIS_ISSUERS", "").split(",")):
            issuer, _, keys = pair.strip().rpartition("=")
            if not issuer or not (_is_secure(keys) or _is_here(keys)):
                self._fault("CANALIS_ISSUERS", f"has '{pair}': it must be <issuer>=<https address of its keys>")
            found[issuer] = keys
        return found

    def _fault(self, name: str, words: str) -> None:
        self.faults.append(f"{name} {words}")
        self.named.add(name)


def _endpoints(connection: str) -> Iterator[str]:
    """The addresses in a connection string; all of it when there is none, which then leads nowhere."""
    parts = [part.partition("=") for part in connection.split(";")]
    found = [value for name, _, value in parts if name.strip().endswith("Endpoint")]
    yield from found or [connection]


def _is_here(address: str) -> bool:
    return urlsplit(address).hostname in _LOOPBACK


def _is_secure(address: str) -> bool:
    return urlsplit(address).scheme == "https" and bool(urlsplit(address).hostname)
