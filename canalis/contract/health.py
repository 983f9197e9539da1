"""Whether what a service depends on can be used, in words for whoever has to mend it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from canalis.contract.errors import CanalisError
from canalis.contract.logs import masked, one_line

_TROUBLE_MAX = 500
_AHEAD_S_MAX = 60.0  # what clocks may differ: leases and the sweep allow for as much

_log = logging.getLogger("canalis.health")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a service depends on. `trouble` says what is wrong and what to do; "" when nothing is."""

    name: str
    trouble: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether it can be used."""
        return not self.trouble


def checked(name: str, trouble: Callable[[], object]) -> Check:
    """What a look at something finds: the words that it gives, or the error that it raises.

    trouble   gives "" or None when nothing is wrong
    """
    try:
        found = str(trouble() or "")
    except CanalisError as error:
        found = error.message
    except Exception as error:
        # Its text may hold what is not the reader's; the log has it.
        _log.warning("the check of %s failed", name, exc_info=True)
        found = f"It cannot be checked ({type(error).__name__}): the service's log says why"
    return Check(name, one_line(masked(found))[:_TROUBLE_MAX])


def clock_trouble(now: float, other: float, whose: str) -> str:
    """What is wrong with this machine's clock, by another one; "" when nothing is. Seconds since 1970."""
    ahead_s = now - other
    if abs(ahead_s) <= _AHEAD_S_MAX:
        return ""
    way = "ahead of" if ahead_s > 0 else "behind"
    return f"The clock is {abs(ahead_s):.0f} s {way} that of {whose}: set it, since leases are kept by it"
