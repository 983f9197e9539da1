"""python -m tests.schedules --oracle"""

from __future__ import annotations

import argparse
import random
import sys
import time
from datetime import UTC, datetime

from tests.schedules.corpus import RULES
from tests.schedules.judge import Tally
from tests.schedules.oracle import all_transitions

YEAR_ZONES = ("America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kolkata")


def whole(seed: int) -> Tally:
    """Every rule at every transition of every zone from 2000 to 2040; in some zones also through a year, and the
    rarest through thirteen years."""
    tally, chance = Tally(), random.Random(seed)
    for one in all_transitions():
        tally.around(one, RULES, chance)
        tally.begun_around(one, chance)
    for zone in YEAR_ZONES:
        tally.through(zone, datetime(2027, 12, 20, tzinfo=UTC), 366, 2_000, RULES)
        tally.through(zone, datetime(2028, 2, 20, tzinfo=UTC), 12, 20_000, RULES)
    tally.through("UTC", datetime(2015, 7, 1, tzinfo=UTC), 13 * 365, 400, RULES)
    return tally


def main() -> int:
    """Compare, print what came of it in one line, and fail when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.schedules", description=__doc__)
    parser.add_argument("--oracle", action="store_true", required=True, help="the walk against the oracle, all of it")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    began, cpu = time.monotonic(), time.process_time()
    tally = whole(asked.seed)
    spent = f"{time.monotonic() - began:.0f} s, {time.process_time() - cpu:.0f} s of processor"
    print(f"{tally.line()}; seed {asked.seed}, {spent}")
    for one in tally.wrong[:50]:
        print(f"  {one}")
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
