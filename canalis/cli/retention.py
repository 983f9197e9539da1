"""What is kept and what goes: runs and experiments are deleted, and a workspace says how long it keeps things."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import quote

import typer

from canalis.cli import output, where
from canalis.cli.kept import size_text
from canalis.cli.words import Json, RunId, WorkspaceName, app
from canalis.exceptions import UserErrorException
from canalis.telling import aligned

delete = typer.Typer(help="Delete runs and experiments, with all that belongs to them.", no_args_is_help=True)
app.add_typer(delete, name="delete")

_HOUR_S = 3600.0
_UNITS_S = {"h": _HOUR_S, "d": 24 * _HOUR_S, "w": 7 * 24 * _HOUR_S}
_AGE = re.compile(r"([0-9]{1,6})([hdw])")
_FOR_GOOD = "forever"
_WORDS = {
    "runs": "runs, with all that belongs to them",
    "intermediate": "runs with intermediate data",
    "graphs": "graphs of no run",
    "snapshots": "snapshots of no graph",
    "content": "source files of no snapshot",
    "incoming": "source files that were sent and not used",
    "leftovers": "files of no run",
}
_NAMED_MAX = 5


@delete.command("run")
def delete_run(run: RunId, workspace: WorkspaceName = None, as_json: Json = False) -> None:
    """Delete a run that has ended, and the runs that its steps have submitted.

    Nobody sees them any more; ten minutes later their logs, files and data are gone. Refused while something else needs
    one. In the cloud it takes the role operator.
    """
    client = where.holding(workspace, run)._client
    identity = client.get(f"/runs/{quote(run)}")["id"]
    done = client.delete(f"/runs/{quote(identity)}")
    _say_deleted(done, f"run {identity}", as_json, beside=1)


@delete.command("experiment")
def delete_experiment(
    name: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Its name.")],
    workspace: WorkspaceName = None,
    as_json: Json = False,
) -> None:
    """Delete an experiment with all its runs. Refused while one goes on, or something else needs one."""
    client = where.workspace(workspace)._client
    client.get(f"/experiments/{quote(name, safe='')}")
    _say_deleted(client.delete(f"/experiments/{quote(name, safe='')}"), f"experiment {name}", as_json)


@app.command()
def retention(
    runs: Annotated[
        str | None, typer.Option(metavar="AGE", help="Delete runs so long after their end: 90d, 12h, 4w, or forever.")
    ] = None,
    intermediate: Annotated[
        str | None, typer.Option(metavar="AGE", help="The same for what steps have handed each other.")
    ] = None,
    workspace: WorkspaceName = None,
    as_json: Json = False,
) -> None:
    """Say how long the workspace keeps runs and their intermediate data; without options, how long it does."""
    client = where.workspace(workspace)._client
    policy = client.get("/retention")
    asked = {"runs_s": runs, "intermediate_s": intermediate}
    if any(asked.values()):
        policy |= {name: seconds_of(said) for name, said in asked.items() if said is not None}
        policy = client.put("/retention", policy)
    if as_json:
        output.print_json(policy)
        return
    print(f"Runs are kept {_age(policy['runs_s'])}, their intermediate data {_age(policy['intermediate_s'])}.")
    if any(policy.values()):
        print("`canalis gc --dry-run` says what would go. What a model, a dataset or a later run needs stays.")


@app.command()
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    workspace: WorkspaceName = None,
    as_json: Json = False,
) -> None:
    """Clear away what the retention lets go and what nothing needs any more. The service does so once a day by itself.

    What goes is out of sight at once, and gone ten minutes later, unless something has come to need it by then. In the
    cloud it takes the role operator.
    """
    client = where.workspace(workspace)._client
    found = client.get("/retention/clearing") if dry_run else client.post("/retention/clearing")
    if as_json:
        output.print_json(found)
        return
    print("\n".join(_told(found)))


def seconds_of(said: str) -> float | None:
    """An age that somebody has typed; None for good. Raises UserErrorException.

    >>> seconds_of("2d"), seconds_of("forever")
    (172800.0, None)
    """
    if said == _FOR_GOOD:
        return None
    found = _AGE.fullmatch(said)
    if found is None:
        raise UserErrorException(
            f"'{said}' is no age: say hours, days or weeks, such as 12h, 90d or 4w, or {_FOR_GOOD}"
        )
    return int(found[1]) * _UNITS_S[found[2]]


def _age(seconds: float | None) -> str:
    if seconds is None:
        return "for good"
    return f"{seconds / _UNITS_S['d']:g} days" if seconds >= _UNITS_S["d"] else f"{seconds / _HOUR_S:g} hours"


def _told(found: dict[str, Any]) -> list[str]:
    amounts = [(kind, found["found"][kind]) for kind in _WORDS if kind in found["found"]]
    rows = [("", f"{one['count']} {_WORDS[kind]}", size_text(one["bytes"])) for kind, one in amounts]
    what = "What would go" if found["dry_run"] else f"Gone in {found['rest_s'] / 60:.0f} minutes"
    lines = [what, *aligned(rows)] if rows else ["There is nothing that nobody needs."]
    if found["largest"]:
        largest = [
            ("", f"{one['kind']} {one['name']}", size_text(one["bytes"])) for one in found["largest"][:_NAMED_MAX]
        ]
        lines += ["The largest", *aligned(largest)]
    waiting = [f"{one['count']} {_WORDS[kind]}" for kind, one in found["waiting"].items()]
    lines += [f"Out of sight already, and soon gone: {', '.join(waiting)}"] if waiting else []
    if found["spared"]:
        lines += [f"Old enough, and needed: {found['spared_count']} runs"]
        lines += aligned([("", one["run"], f"by {one['needed_by']}") for one in found["spared"][:_NAMED_MAX]])
    return lines


def _say_deleted(done: dict[str, Any], what: str, as_json: bool, beside: int = 0) -> None:
    if as_json:
        output.print_json(done)
        return
    more = len(done["runs"]) - beside
    below = "that its steps have submitted" if beside else "of it"
    print(f"Deleted {what}" + (f" and {more} runs {below}" if more > 0 else ""))
