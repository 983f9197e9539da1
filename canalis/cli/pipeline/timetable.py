"""When schedules fire, for people: by the clocks of their zones and in UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from canalis.contract.zones import zone_of
from canalis.telling import duration


def timetable(trigger: Mapping[str, Any], preview: Mapping[str, Any]) -> dict[str, Any]:
    """The next firings as texts: by the clocks of the rule's zone, or of this machine when that is UTC, and in UTC."""
    named = trigger.get("time_zone") or "UTC"
    zone: tzinfo | None = zone_of(named)
    if zone_of(named).key in ("UTC", "Etc/UTC"):
        zone, named = None, f"here ({datetime.now().astimezone().tzname()})"
    return {
        "time_zone": named,
        "next": [{"local": _text(at, zone), "utc": moment(at)} for at in preview["next"]],
        "warnings": list(preview["warnings"]),
    }


def moment(seconds: float) -> str:
    """A moment in UTC.

    >>> moment(0.0)
    '1970-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def moment_here(seconds: float) -> str:
    """A moment by the clock of this machine."""
    return _text(seconds, None).replace("T", " ")


def when(next_times: Sequence[str]) -> str:
    """How long it is until the first of these moments.

    >>> when([])
    '-'
    """
    if not next_times:
        return "-"
    left_s = datetime.fromisoformat(next_times[0]).timestamp() - datetime.now(UTC).timestamp()
    return f"in {duration(left_s)}" if left_s > 0 else "now"


def rule_words(schedule: Mapping[str, Any]) -> str:
    """When a schedule fires, in short.

    >>> rule_words({"Recurrence": {"frequency": "Week", "interval": 1, "week_days": ["Monday"], "hours": [6, 7],
    ...     "minutes": [30], "time_zone": "UTC"}})
    'every week on Monday at 6:30, 7:30, UTC'
    >>> rule_words({"Recurrence": None, "DataStoreName": "blobs", "PathOnDataStore": "in", "PollingInterval": 5})
    'when blobs/in changes, looked at every 5 min'
    """
    rule = schedule["Recurrence"]
    if rule is None:
        place = f"{schedule['DataStoreName']}/{schedule['PathOnDataStore'] or ''}".rstrip("/")
        return f"when {place} changes, looked at every {schedule['PollingInterval']} min"
    zone = f", {rule['time_zone']}" if rule.get("time_zone") else ""
    if "expression" in rule:
        return f"{rule['expression']}{zone}"
    unit, count = rule["frequency"].lower(), rule["interval"]
    every = f"every {unit}" if count == 1 else f"every {count} {unit}s"
    days = f" on {', '.join(rule['week_days'])}" if rule.get("week_days") else ""
    clock = [f"{hour}:{minute:02d}" for hour in rule.get("hours") or () for minute in rule.get("minutes") or (0,)]
    times = f" at {', '.join(clock)}" if clock else ""
    return f"{every}{days}{times}{zone}"


def _text(seconds: float, zone: tzinfo | None) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone(zone).isoformat(timespec="seconds")
