"""What is set for an app: host.json, and the app settings that are its environment."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NAMED = re.compile(r"%([^%]+)%")


class SettingsError(Exception):
    """A setting or a binding is missing or wrong; nothing can be started."""


@dataclass(frozen=True)
class HostSettings:
    """The parts of host.json that are kept here. Times in seconds; defaults are those of Functions 4.x.

    Source    Microsoft's pages "host.json reference for Azure Functions 2.x and later" and
              "Azure Service Bus bindings for Azure Functions", host.json settings, extension 5.x
    """

    route_prefix: str = "api"
    function_timeout_s: float = 1800.0  # Flex Consumption's default; -1 in host.json: none
    concurrent_calls_max: int = 16
    batch_max: int = 1000
    auto_complete: bool = True
    lock_renewal_s: float = 300.0

    @classmethod
    def read(cls, app_folder: Path) -> HostSettings:
        """From the app's host.json. Raises SettingsError where it is missing or has no version."""
        file = app_folder / "host.json"
        try:
            told = json.loads(file.read_text())
        except (OSError, ValueError) as error:
            raise SettingsError(f"{file} can not be read: {error}") from error
        if told.get("version") != "2.0":
            raise SettingsError(f'{file} needs "version": "2.0"')
        extensions = told.get("extensions", {})
        bus = extensions.get("serviceBus", {})
        timeout = told.get("functionTimeout")
        return cls(
            route_prefix=extensions.get("http", {}).get("routePrefix", cls.route_prefix),
            function_timeout_s=seconds(timeout) if timeout else cls.function_timeout_s,
            concurrent_calls_max=int(bus.get("maxConcurrentCalls", cls.concurrent_calls_max)),
            batch_max=int(bus.get("maxMessageBatchSize", cls.batch_max)),
            auto_complete=bool(bus.get("autoCompleteMessages", cls.auto_complete)),
            lock_renewal_s=seconds(bus["maxAutoLockRenewalDuration"])
            if "maxAutoLockRenewalDuration" in bus
            else cls.lock_renewal_s,
        )


def seconds(span: str) -> float:
    """A .NET time span in seconds; -1 is for ever.

    >>> [seconds("00:05:00"), seconds("1.00:00:01"), seconds("00:00:00.5"), seconds("-1")]
    [300.0, 86401.0, 0.5, inf]
    """
    if span == "-1":
        return float("inf")
    found = re.fullmatch(r"(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)", span)
    if found is None:
        raise SettingsError(f"{span!r} is no time span; write it as hh:mm:ss")
    days, hours, minutes, rest = found.groups()
    return int(days or 0) * 86400 + int(hours) * 3600 + int(minutes) * 60 + float(rest)


def read_app_settings(file: Path) -> dict[str, str]:
    """App settings from a JSON file: names and values, or a local.settings.json with them under "Values"."""
    told = json.loads(file.read_text())
    values = told.get("Values", told)
    wrong = [name for name, value in values.items() if not isinstance(value, str)]
    if wrong:
        raise SettingsError(f"{file}: app settings are text, these are not: {', '.join(wrong)}")
    return dict(values)


def substituted(value: Any, settings: dict[str, str]) -> Any:
    """A binding's property with each %NAME% replaced by that app setting. Raises SettingsError when there is none."""
    if not isinstance(value, str):
        return value

    def resolve(found: re.Match[str]) -> str:
        if found[1] not in settings:
            raise SettingsError(f"'%{found[1]}%' does not resolve to a value: there is no such app setting")
        return settings[found[1]]

    return _NAMED.sub(resolve, value)


def bus_connection(name: str, settings: dict[str, str]) -> str:
    """The connection string that a binding's connection names, found as the host finds it.

    Raises    SettingsError where there is none, or where only an identity is given: this host has none to offer
    """
    for key in (f"AzureWebJobs{name}", name):
        if settings.get(key):
            return settings[key]
    if f"{name}__fullyQualifiedNamespace" in settings:
        raise SettingsError(
            f"{name}__fullyQualifiedNamespace asks for an identity; set {name} to a connection string here"
        )
    raise SettingsError(f"a binding's connection is {name!r}, and there is no app setting of that name")
