"""python -m tests.kills --kills 10000 --seed 1"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.kills.defects import DEFECTS
from tests.kills.loop import Loop


def main() -> int:
    """Kill, print what came of it in one line, and fail when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without", choices=DEFECTS, help="a safeguard to take away, to see that it is missed")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="canalis-kills-"))
    began = time.monotonic()
    sabotage = DEFECTS[asked.without] if asked.without else None
    tally = Loop(folder, asked.seed, sabotage).kill(asked.kills)
    moments = ", ".join(f"{moment} {count}" for moment, count in tally.moments.most_common())
    print(f"{tally.line()}; seed {asked.seed}, {time.monotonic() - began:.0f} s")
    print(f"at the moment of a service's death: {moments}")
    for one in tally.wrong[:50]:
        print(f"  {one}")
    if tally.wrong:
        print(f"what is left of it: {folder}")
        return 1
    folder.rmdir()
    return 0


if __name__ == "__main__":
    sys.exit(main())
