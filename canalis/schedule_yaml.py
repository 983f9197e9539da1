"""A schedule's YAML file becomes the arguments of Schedule.create, or all that is wrong with it is told at once.

Source   reference sections 12 and 16
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

from canalis.within import Within
from canalis.yaml_reading import Faults, read_file
from canalis.yaml_sections import Section, as_section, near, text_of, whole_of

ROOT = "Schedule"
FREQUENCIES = ("Minute", "Hour", "Day", "Week", "Month")
WEEK_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_WAIT_S = 3600
_POLLING_MINUTES = 5
_TIME_OF_DAY = re.compile(r"([01]?[0-9]|2[0-3]):[0-5][0-9]")


def load_schedule_yaml(workspace: Within, path: str | Path) -> dict[str, Any]:
    """The arguments of Schedule.create that a file names, with v1's defaults for the others.

    Returns   description, pipeline_parameters, wait_for_provisioning, wait_timeout (s), polling_interval (minutes),
              data_path_parameter_name, continue_on_step_failure, path_on_datastore; `datastore`, the datastore itself;
              and `recurrence`, the arguments of ScheduleRecurrence, or None
    Raises    YamlInvalid, a ValueError, naming everything that is wrong with the file, each with its line
    """
    faults = Faults()
    root = read_file(Path(path), faults, ROOT)
    top = as_section(root, faults) if root is not None else None
    section = top.section(ROOT) if top is not None else None
    if top is not None:
        if ROOT not in top:
            top.fault(ROOT, f"the section '{ROOT}' is missing, which all the rest belongs in")
        top.end()
    found = _arguments(section, workspace, faults) if section is not None else {}
    faults.raise_all()
    return found


def _arguments(section: Section, workspace: Within, faults: Faults) -> dict[str, Any]:
    recurrence = section.section("recurrence")
    store = section.text("datastore_name")
    if recurrence is not None and store is not None:
        section.fault("datastore_name", "a schedule has a `recurrence` or a datastore that it watches, not both")
    known = workspace.datastores if store is not None else {}
    if store is not None and store not in known:
        listed = f" (there: {', '.join(sorted(known)) or 'none'})"
        said = f"there is no datastore '{store}' in this workspace"
        section.fault("datastore_name", f"{said}{listed}{near(store, known)}")
    datastore = known.get(store) if store is not None else None
    if datastore is not None and datastore.datastore_type != "AzureBlob":
        kind = datastore.datastore_type
        section.fault("datastore_name", f"'{store}' is of type {kind}; only an AzureBlob datastore can be watched")
    continues = section.take("continue_on_step_failure")
    found = {
        "recurrence": _recurrence(recurrence, faults) if recurrence is not None else None,
        "description": section.text("description"),
        "pipeline_parameters": _parameters(section, faults),
        "wait_for_provisioning": section.flag("wait_for_provisioning", False),
        "wait_timeout": section.whole("wait_timeout", 0) or _WAIT_S,
        "datastore": datastore,
        "polling_interval": section.whole("polling_interval", 1) or _POLLING_MINUTES,
        "data_path_parameter_name": section.text("data_path_parameter_name"),
        "continue_on_step_failure": None if continues is None else section.flag("continue_on_step_failure", False),
        "path_on_datastore": section.text("path_on_datastore"),
    }
    section.end()
    return found


def _parameters(section: Section, faults: Faults) -> dict[str, Any]:
    inner = section.section("pipeline_parameters")
    found = {}
    for name, item in inner.entries.items() if inner is not None else ():
        if item.is_broken:
            continue
        if isinstance(item.value, (dict, list)) or item.value is None:
            faults.add(item, "the value of a parameter must be text, a number, true or false")
        found[name] = item.value
    return found


def _recurrence(section: Section, faults: Faults) -> dict[str, Any]:
    """The arguments of ScheduleRecurrence."""
    frequency = None
    if section.needed_text("frequency", f"one of {', '.join(FREQUENCIES)}") is not None:
        frequency = section.choice("frequency", FREQUENCIES)
    if section.take("interval") is None:
        section.fault("interval", "the key 'interval' is missing: after how many of `frequency` it starts again")
    found = {
        "frequency": frequency,
        "interval": section.whole("interval", 1),
        "start_time": _start_time(section),
        "time_zone": section.text("time_zone"),
        "hours": _numbers(section, "hours", 23, faults),
        "minutes": _numbers(section, "minutes", 59, faults),
        "week_days": _week_days(section, faults),
        "time_of_day": _time_of_day(section),
    }
    section.end()
    for key, fitting in (
        ("hours", ("Day", "Week")),
        ("minutes", ("Day", "Week")),
        ("time_of_day", ("Day", "Week")),
        ("week_days", ("Week",)),
    ):
        if found[key] is not None and frequency is not None and frequency not in fitting:
            section.fault(key, f"this goes with frequency {' or '.join(fitting)} only, not with {frequency}")
    if found["time_of_day"] is not None and (found["hours"] is not None or found["minutes"] is not None):
        section.fault("time_of_day", "the time is said by time_of_day, or by hours and minutes, not by both")
    return {key: value for key, value in found.items() if value is not None}


def _start_time(section: Section) -> str | None:
    said = section.text("start_time")
    if said is None:
        return None
    try:
        found = datetime.fromisoformat(said)
    except ValueError:
        section.fault("start_time", f"'{said[:80]}' is no time: YYYY-MM-DDTHH:MM:SS")
        return None
    if found.tzinfo is not None:
        section.fault("start_time", f"'{said}' names a time zone; that is said by `time_zone`")
    return found.strftime("%Y-%m-%dT%H:%M:%S")


def _time_of_day(section: Section) -> str | None:
    said = section.text("time_of_day")
    if said is not None and not _TIME_OF_DAY.fullmatch(said):
        section.fault("time_of_day", f"'{said[:80]}' is no time of day: H:MM or HH:MM, up to 23:59")
    return said


def _numbers(section: Section, key: str, most: int, faults: Faults) -> list[int] | None:
    if section.take(key) is None:
        return None
    return [one for item in section.listed(key) if (one := whole_of(item, faults, 0, most)) is not None]


def _week_days(section: Section, faults: Faults) -> list[str] | None:
    if section.take("week_days") is None:
        return None
    found = []
    for item in section.listed("week_days"):
        said = text_of(item, faults)
        if said is not None and said not in WEEK_DAYS:
            faults.add(item, f"'{said[:80]}' is none of: {', '.join(WEEK_DAYS)}{near(said, WEEK_DAYS)}")
        elif said is not None:
            found.append(said)
    return found
