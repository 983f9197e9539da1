"""Short words for rules and for what comes of them."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

from canalis.contract.recurring import Cron, Recurrence, Rule, rule_faults
from canalis.contract.zones import zone_of
from orchestrator.schedules.firings import firings

NEW_YORK, BERLIN = "America/New_York", "Europe/Berlin"


def cron(expression: str, zone: str = "UTC") -> Cron:
    """A cron rule that can be used."""
    rule = Cron(expression=expression, time_zone=zone)
    assert rule_faults(rule) == []
    return rule


def every(interval: int, frequency: str, start: str | None = None, zone: str | None = None, **times) -> Recurrence:
    """A recurrence that can be used."""
    asked = {"frequency": frequency, "interval": interval, "start_time": start, "time_zone": zone, **times}
    rule = Recurrence.model_validate(asked)
    assert rule_faults(rule) == []
    return rule


def at(text: str) -> float:
    """The moment that a text with an offset says; UTC without one."""
    return datetime.fromisoformat(text if "+" in text or text.count("-") > 2 else f"{text}+00:00").timestamp()


def fires(rule: Rule, after: str, times: int = 3, made: str = "2020-01-01T00:00:00") -> list[str]:
    """What the clocks of the rule's zone show when it fires next, with the offset where that is not UTC's."""
    found = islice(firings(rule, at(made), at(after)), times)
    zone = zone_of(rule.time_zone)
    return [datetime.fromtimestamp(moment, zone).isoformat().removesuffix("+00:00") for moment in found]
