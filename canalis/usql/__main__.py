"""`python -m canalis.usql SCRIPT --put NAME VALUE ...`: runs a script, or tells everything that is wrong with it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from canalis.usql.faults import ScriptFailed, ScriptInvalid

INVALID, FAILED = 2, 1


def main(words: list[str]) -> int:
    """Run a script. 0 when it has run, 1 when it failed, 2 when it is invalid and nothing was done."""
    parser = argparse.ArgumentParser(prog="python -m canalis.usql", description="Runs a U-SQL script on DuckDB.")
    parser.add_argument("script", type=Path)
    parser.add_argument("--put", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="of @@NAME@@")
    parser.add_argument("--threads", type=int, help="how many cores it may use; all, when not given")
    parser.add_argument("--check", action="store_true", help="tell what is wrong, and run nothing")
    given = parser.parse_args(words)
    try:
        from canalis.usql.running import Engine
    except ImportError as error:
        print(f"{error.name} is not installed here; pip install 'canalis[usql]' brings it", file=sys.stderr)
        return INVALID
    try:
        text = given.script.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        print(f"{given.script} cannot be read: {error}", file=sys.stderr)
        return INVALID
    try:
        with Engine(given.threads) as engine:
            made = engine.plan(text, dict(given.put))
            if not given.check:
                engine.run(made, print)
    except ScriptInvalid as error:
        for fault in error.faults:
            print(f"{given.script}: {fault}", file=sys.stderr)
        return INVALID
    except ScriptFailed as error:
        print(f"{given.script}: {error}", file=sys.stderr)
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
