"""python -m tests.fuzz --cases 100000"""

from __future__ import annotations

import argparse
import sys

from tests.fuzz.cores import ask_on_cores


def main() -> int:
    """Ask, print what came of it in one line, and fail when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    answers = ask_on_cores(asked.cases, asked.seed, asked.processes)
    print(answers.line())
    for one in answers.wrong[:50]:
        print(f"  {one}")
    return 1 if answers.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
