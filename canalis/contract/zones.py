"""Time zones by the names that authors give them: those of Windows, as v1 has them, and those of IANA.

Upper and lower case make no difference. Otherwise it would be up to the file system whether `europe/berlin` is a zone.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

NAME_CHARS_MAX = 100  # the longest name of a zone has 32

# Windows still has these for those who once chose them; the list that is kept of Windows names has them no more.
# It calls the first "Mid-Atlantic - Old": no place on earth, two hours behind UTC.
_FORMER = {"Mid-Atlantic Standard Time": "Etc/GMT+2", "Kamchatka Standard Time": "Asia/Kamchatka"}
_OFFSET = re.compile(r"[+-]\d")


def windows_names() -> tuple[str, ...]:
    """Every name that Windows has for a zone, in the order of the alphabet."""
    return tuple(sorted(_windows()))


def iana_name(name: str) -> str | None:
    """The IANA name of the zone that is called so; None when none is.

    >>> iana_name("W. Europe Standard Time"), iana_name("europe/berlin"), iana_name("Berlin")
    ('Europe/Berlin', 'Europe/Berlin', None)
    """
    return _known().get(name.lower()) if name.isascii() and len(name) <= NAME_CHARS_MAX else None


@cache
def zone_of(name: str | None) -> ZoneInfo:
    """The zone that is called so, by the data of the package; UTC for None.

    A system's own data may be years old, and that of two systems differs: a schedule would fire at other times here
    and there.
    """
    found = iana_name("UTC" if name is None else name)
    assert found is not None, name
    with files("tzdata").joinpath("zoneinfo", *found.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=found)


def near_names(name: str) -> list[str]:
    """Names of zones that somebody who wrote `name` may have meant, at most three, the likeliest first.

    >>> near_names("Berlin"), near_names("Pacific Time"), near_names("Europe/Berln")[0], near_names("?")
    (['Europe/Berlin'], ['Pacific Standard Time'], 'Europe/Berlin', [])
    """
    import difflib  # only after a mistake

    if not name.isascii() or len(name) > NAME_CHARS_MAX or _OFFSET.search(name):
        return []
    wanted = " ".join(name.lower().replace("_", " ").split())
    # Etc/GMT+2 lies two hours behind UTC: it looks like what somebody meant and is the opposite.
    named = (known for known in (*_windows(), *_iana()) if not _OFFSET.search(known))
    spelt = {known.lower().replace("_", " "): known for known in named}
    full = f"{wanted.removesuffix(' time')} standard time"
    parts = sorted(known for low, known in spelt.items() if low == full or low.rpartition("/")[2] == wanted)
    alike = [spelt[low] for low in difflib.get_close_matches(wanted, spelt, 3, 0.75)]
    return (parts or alike)[:3]


@cache
def _known() -> dict[str, str]:
    by_windows = {name.lower(): iana for name, iana in _windows().items()}
    return by_windows | {name.lower(): name for name in _iana()}


@cache
def _windows() -> dict[str, str]:
    from tzlocal.windows_tz import win_tz

    return _FORMER | win_tz


@cache
def _iana() -> frozenset[str]:
    """The names in the package of zone data."""
    return frozenset((files("tzdata") / "zones").read_text("ascii").split())
