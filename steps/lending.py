"""What an interpreter can lend to environments that are built for it. Runs in that interpreter, and prints JSON.

    python -I lending.py NAME ...

NAMES are distributions; what they need is lent with them. Imports nothing of ours and nothing that is installed.
"""

import json
import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any

_NEED = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*\(?([^;)]*)\)?\s*(?:;(.*))?")
_LEAST = re.compile(r">=\s*[\w.!+]+")


def lendable(wanted: list[str]) -> dict[str, Any]:
    """What of the wanted distributions is here, with what each needs.

    folders, distributions   of modules and of distributions, by name
    missing                  of the wanted ones, those that are not here
    at_least                 the versions that what is lent needs of others, in pip's words
    """
    found: dict[str, Any] = {"folders": {}, "distributions": {}, "missing": [], "at_least": []}
    seen: set[str] = set()
    waiting = list(wanted)
    while waiting:
        name = _plain(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        try:
            one = distribution(name)
        except PackageNotFoundError:
            found["missing"] += [asked for asked in wanted if _plain(asked) == name]
            continue
        folder = str(one.locate_file(""))
        found["distributions"][name] = folder
        found["folders"].update(dict.fromkeys(_modules(one), folder))
        for need in one.requires or ():
            read = _NEED.match(need)
            if read is None or "extra" in (read[3] or ""):
                continue
            waiting.append(read[1])
            least = _LEAST.search(read[2])
            if least is not None:
                found["at_least"].append(read[1] + least[0])
    found["version"] = "%d.%d.%d" % sys.version_info[:3]  # noqa: UP031
    return found


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _modules(one: Distribution) -> set[str]:
    """Names under which what a distribution has installed is imported."""
    found = set()
    for file in one.files or ():
        first = file.parts[0]
        if len(file.parts) > 1 and not first.endswith((".dist-info", ".data", "..")) and first != "__pycache__":
            found.add(first)
        elif len(file.parts) == 1 and first.endswith((".py", ".so", ".pyd")):
            found.add(first.partition(".")[0])
    return {name for name in found if name.isidentifier()}


if __name__ == "__main__":
    print(json.dumps(lendable(sys.argv[1:])))
