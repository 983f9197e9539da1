"""Who hears of the end of a run, and what is still to be told to whom.

A run whose end somebody may want to hear of has a record, from before it is created until everybody has been told. The
record is what counts; a message that a listener is to be told is only a hint, and is made again from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from canalis.contract.errors import SettingInvalid
from canalis.contract.graph import Part

ANNOUNCEMENTS = "announcements"  # kind of the documents with these records, under the names of runs

# Listeners: who has asked for the run by a message, the topic, the Azure DevOps task that waits, and each webhook.
REPLY, TOPIC, CALLBACK, WEBHOOK = "reply", "topic", "callback", "webhook:"

TOPIC_SETTING = "CANALIS_EVENTS_TOPIC"
WEBHOOK_HOSTS_SETTING = "CANALIS_WEBHOOK_HOSTS"
CALLBACK_HOSTS_SETTING = "CANALIS_CALLBACK_HOSTS"

EVENTS_TOPIC = "run-events"  # as infra/ makes it; nothing is published to it unless a setting names it

ANY = "*"
_TOPIC = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_HOST = re.compile(r"\*|(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:.]{2,45}")


@dataclass(frozen=True, slots=True)
class Listening:
    """What a door knows of who may want to hear of runs.

    source           the workspace's address: where events say that they come from
    topic            to which the end of every run is published; "" for none
    callback_hosts   hosts of Azure DevOps that may be called back: names, and *.<suffix>
    """

    source: str
    topic: str = ""
    callback_hosts: tuple[str, ...] = ()


class Owed(Part):
    """A listener that is still to be told.

    turn     of the tries and rests; a message of an earlier turn ends by itself
    tries    that have failed
    due_at   when the next one is, in seconds since 1970
    """

    turn: int = 0
    tries: int = 0
    due_at: float


class Announcement(Part):
    """What is to be told of a run.

    since      when it was known that somebody may want to hear of it
    asked_at   when its end was last called to mind, since nobody had taken it up; 0 before
    owed       by listener, from when it has ended; None before that
    """

    since: float
    asked_at: float = 0.0
    owed: dict[str, Owed] | None = Field(default=None)


def topic_of(environ: Mapping[str, str]) -> str:
    """The topic that a setting names; "" for none. Raises SettingInvalid."""
    found = environ.get(TOPIC_SETTING, "").strip()
    if found and not _TOPIC.fullmatch(found):
        raise SettingInvalid(f"{TOPIC_SETTING} is '{found[:80]}': it must be the name of a topic, {EVENTS_TOPIC}")
    return found


def webhook_hosts_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The hosts that webhooks may be on; "*" among them for all that are public. Raises SettingInvalid."""
    return _hosts(WEBHOOK_HOSTS_SETTING, environ.get(WEBHOOK_HOSTS_SETTING, "") or ANY)


def callback_hosts_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The hosts of Azure DevOps that may be called back, each of them named. Raises SettingInvalid."""
    found = _hosts(CALLBACK_HOSTS_SETTING, environ.get(CALLBACK_HOSTS_SETTING, ""))
    if ANY in found:
        raise SettingInvalid(f"{CALLBACK_HOSTS_SETTING} is for hosts that are named: dev.azure.com, *.visualstudio.com")
    return found


def _hosts(name: str, listed: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in listed.split(",") if part.strip())
    odd = [host for host in found if not _HOST.fullmatch(host)]
    if odd:
        raise SettingInvalid(f"{name} has '{odd[0][:80]}': write hooks.example.com, *.example.com or 10.1.2.3")
    return found
