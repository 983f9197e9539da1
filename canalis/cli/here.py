"""What of v1 is here: all of it, or what one script asks for."""

from __future__ import annotations

import importlib
import inspect
import re
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from canalis.cli import output
from canalis.cli.check import missing
from canalis.cli.words import Json, app


@app.command()
def check(
    scripts: Annotated[list[Path], typer.Argument(metavar="SCRIPT...", help="Python scripts, which are not run.")],
    as_json: Json = False,
) -> None:
    """List everything that scripts ask of azureml and that is not here, without running them.

    The exit code is 1 when there is something, else 0. Members of objects are found where it is plain what they are.
    """
    found = {str(script): missing(script) for script in scripts}
    if as_json:
        output.print_json({name: [one._asdict() for one in ones] for name, ones in found.items()})
    else:
        for name, ones in found.items():
            print(f"{name}: {'nothing is missing' if not ones else f'{len(ones)} missing'}")
            for one in ones:
                print(f"  {one}")
    raise typer.Exit(int(any(found.values())))


@app.command()
def coverage(as_json: Json = False) -> None:
    """List the names of azureml that are here, the members of its classes, and what of them is not, with its fate."""
    from canalis.azureml import coverage as names_of

    modules, classes = names_of(), members()
    if as_json:
        output.print_json({"modules": modules, "classes": classes})
        return
    for module, names in modules.items():
        print(f"{module}: {', '.join(names) or 'imports only'}")
    for name, states in classes.items():
        print(f"\n{name}: {', '.join(states['there']) or 'no members of its own'}")
        if states["planned"]:
            print(f"  planned: {', '.join(states['planned'])}")
        for member, instead in states["will_not_come"].items():
            print(f"  will not come: {member} ({instead})")


def members() -> dict[str, dict[str, Any]]:
    """Of each class of v1 that is here: the members that are there, planned, and that will not come."""
    from canalis.azureml import COVERED
    from canalis.planned import MEMBERS

    homes = {
        name.partition(":")[0]: home
        for modules in COVERED.values()
        for home, names in modules.items()
        for name in names.split()
    }
    found = {}
    for name, home in sorted(homes.items()):
        kind = getattr(importlib.import_module(home), name, None)
        if isinstance(kind, type) and not name.startswith("_") and not issubclass(kind, (Exception, Enum)):
            absent = MEMBERS.get(name, {})
            found[name] = {
                "there": sorted({member for member in dir(kind) if not member.startswith("_")} | _fields(kind)),
                "planned": sorted(member for member, instead in absent.items() if not instead),
                "will_not_come": {member: instead for member, instead in sorted(absent.items()) if instead},
            }
    return found


def _fields(kind: type) -> set[str]:
    """What the objects of a class are given when they are made."""
    sources = [inspect.getsource(one) for one in kind.__mro__ if one.__module__.startswith("canalis.")]
    return {name for source in sources for name in re.findall(r"self\.([a-z]\w*)(?:: [^=\n]+)? = ", source)}
