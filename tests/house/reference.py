"""The pages of docs/reference, made from the code: `make docs` writes them, a test holds them against it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer

from canalis.cli.pipeline.words import COMMON_PANEL

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "reference"
_MADE = "<!-- Made from the code by `make docs`. -->\n"


_STEPS_WITH_ERRORS = [f"steps.{name}" for name in ("environment_build", "jobs", "links", "stage", "transfer")]


def _errors() -> str:
    # Errors of rooms are known once these are loaded.
    for room in (*_STEPS_WITH_ERRORS, "adapters.sqlite"):
        importlib.import_module(room)
    from canalis.contract.errors import AuthorError, WorldError, all_errors
    from canalis.usql.faults import CODES

    rows = []
    for code, kind in sorted(all_errors().items()):
        who = "the author" if issubclass(kind, AuthorError) else "time, or an operator"
        who = who if issubclass(kind, (AuthorError, WorldError)) else "nobody outside: it is a fault of ours"
        rows.append(f"| `{code}` | {kind.http_status} | {who} | {(kind.__doc__ or '').strip().splitlines()[0]} |")
    return (
        f"# Errors\n\n{_MADE}\nEvery error has a stable code. Over HTTP it comes as "
        '`{"error": {"code", "message", "details"}}`; in Python it is an exception of `canalis.contract.errors`, or '
        "v1's own where v1 had one (`canalis.exceptions`, with the code in `.code`).\n\n"
        "| code | HTTP | who can mend it | what it says |\n|---|---|---|---|\n" + "\n".join(rows) + "\n\n"
        "## Why a step ended\n\nA step's `error.code`:\n\n"
        "| code | what happened |\n|---|---|\n"
        "| `script_failed` | The script ended with another exit code than 0, or was killed by a signal |\n"
        "| `timed_out` | It worked longer than its limit and was ended |\n"
        "| `cancelled` | It was stopped |\n"
        "| `lost` | It went away with its machine; it is tried again by itself, up to three times |\n"
        "| `staging_failed` | What it needs could not be put in place |\n"
        "| `environment_invalid`, `environment_unresolved`, `environment_not_built` | "
        "[Its environment](../how-to/install-packages-for-a-step.md) could not be had |\n"
        "| `service_refused`, `service_away` | Another service would not do what it asks, or was away for half an hour |\n"
        "| `transfer_failed` | [Data could not be copied](../how-to/copy-data.md) |\n"
        "| `internal` | Canalis could not run it; the service's log has the reason |\n\n"
        "## What can be wrong with a graph\n\n`graph_invalid` lists every fault, each with a code of its own:\n\n"
        + ", ".join(f"`{code}`" for code in _fault_codes())
        + "\n\n## What can be wrong with a U-SQL script\n\n"
        "| code | what it says |\n|---|---|\n" + "".join(f"| `{code}` | {said} |\n" for code, said in CODES.items())
    )


def _fault_codes() -> list[str]:
    import re

    folder = ROOT / "canalis" / "contract"
    source = "".join((folder / name).read_text() for name in ("faults.py", "limits.py", "value_faults.py"))
    return sorted(set(re.findall(r'Fault\(\s*"(\w+)"', source)))


def _command_line() -> str:
    from canalis.cli.commands import app

    group: Any = typer.main.get_command(app)
    parts = [
        f"# The command line\n\n{_MADE}\n`canalis COMMAND --help` says the same. Every command that shows "
        "something takes `--json`. `canalis ml pipeline` has the verbs of `canalis pipeline`, and `canalis ml run "
        "submit-pipeline` is `canalis pipeline submit`: the words of `az ml`. All of these take the "
        "[common options](#options-that-all-verbs-of-canalis-pipeline-have) as well. "
        "[How to use them](../how-to/run-from-ci.md).\n"
    ]
    common: list[Any] = []
    for name, command in sorted(_commands(group, "canalis")):
        if name.startswith("canalis ml "):
            continue
        parts.append(f"## {name}\n\n{(command.help or '').strip()}\n")
        own = [one for one in command.params if one.rich_help_panel != COMMON_PANEL]
        common = max(common, [one for one in command.params if one not in own], key=len)
        if rows := _rows(own):
            parts.append(rows)
    parts.append("## Options that all verbs of canalis pipeline have\n\nSave a letter that a verb uses otherwise.\n")
    return "\n".join([*parts, _rows(common)])


def _rows(parameters: Iterable[Any]) -> str:
    rows = []
    for parameter in parameters:
        words = ", ".join(f"`{word}`" for word in (*parameter.opts, *parameter.secondary_opts))
        if getattr(parameter, "param_type_name", "") == "argument":
            words = f"`{(parameter.metavar or parameter.name).upper()}`"
        if parameter.name != "help" and not parameter.hidden:
            rows.append(f"| {words} | {getattr(parameter, 'help', '') or ''} |")
    return "| word | meaning |\n|---|---|\n" + "\n".join(rows) + "\n" if rows else ""


def _commands(group: Any, prefix: str) -> list[tuple[str, Any]]:
    found, context = [], typer.Context(group)
    for name in group.list_commands(context):  # which loads those that are loaded late
        full, command = f"{prefix} {name}", group.get_command(context, name)
        found += _commands(command, full) if hasattr(command, "commands") else [(full, command)]
    return found


def _http() -> str:
    from adapters.clock import SystemClock
    from adapters.files import FileBlobs, FileStores
    from adapters.sqlite import Database, SqliteBus, SqliteDocuments, SqliteRuns
    from api.access import KeptToken
    from api.app import make_app
    from api.mlflow.base import is_mlflow
    from api.service import Service, WorkspaceView
    from api.v1.base import V1_PREFIX
    from canalis.contract.ports import Ports
    from tests.outside import outside

    with TemporaryDirectory() as folder:
        root, clock = Path(folder), SystemClock()
        database = Database(root / "canalis.db")
        bus = SqliteBus(database, clock)
        runs = SqliteRuns(database, bus, clock)
        documents = SqliteDocuments(database)
        ports = Ports(runs, documents, FileBlobs(root), FileStores(root), bus, clock, **outside(documents))
        workspace = WorkspaceView(name="w", subscription_id="s", resource_group="r", location="l")
        app = make_app(Service(ports, workspace, "i", True, 1, "0"), KeptToken("t", "n"))
        spec = app.openapi()
        database.close()
    head = "| method | path | who | a script | what it does |\n|---|---|---|---|---|\n"
    rows: dict[str, list[str]] = {"ours": [], "v1": [], "mlflow": []}
    for path, methods in sorted(spec["paths"].items()):
        for method, operation in methods.items():
            said = " ".join(operation.get("description", "").split())
            who, script = operation["x-role"], operation["x-script"]
            who, script = ("anybody", "as anybody") if who == "nobody" else (who, script)
            shown = path.replace(V1_PREFIX, "")
            kind = "v1" if shown != path else "mlflow" if is_mlflow(path) else "ours"
            rows[kind].append(f"| `{method.upper()}` | `{shown}` | {who} | {script} | {said} |")
    return (
        f"# The HTTP API\n\n{_MADE}\nJSON over HTTP, described by OpenAPI at `/api/v1/openapi.json`. Every request but "
        "those that anybody may send carries `Authorization: Bearer <token>`; on a laptop the token is in "
        "`.canalis/token`. Every request may be sent twice without harm; one that makes a run must bring an "
        "`Idempotency-Key`, or its `run_id`, for that. A JSON body has at most 64 MiB and no key twice in an object; files have no limit. "
        "Errors are in [errors.md](errors.md). Who may use a route is the least role that people need; a script that runs "
        "reaches so far by its token, whatever its author's role ([what that means](../why/0013-who-may-do-what.md)).\n\n"
        + head
        + "\n".join(rows["ours"])
        + "\n\n## v1's contract\n\nThe routes of Azure ML v1, for callers that know them already, each behind\n\n"
        f"```\n{V1_PREFIX}\n```\n\n"
        "with the names of the workspace that this service serves, in any letter case. Requests and answers are in v1's "
        "JSON (`ExperimentName`, `ParameterAssignments`, `Id`...), errors are "
        '`{"error": {"code", "message", "details": [{"code", "message", "target"}], "innerError"}}`. A request that '
        "starts a run takes an `Idempotency-Key`. [How to call a pipeline](../how-to/call-a-published-pipeline.md).\n\n"
        + head
        + "\n".join(rows["v1"])
        + "\n\n## MLflow's\n\nThe routes that MLflow's own client asks, in its JSON. Errors have its `error_code` and `message`, and "
        "beside them the `error` of all other routes. [How to log with MLflow](../how-to/log-with-mlflow.md).\n\n"
        + head
        + "\n".join(rows["mlflow"])
        + "\n"
    )


def _coverage() -> str:
    from canalis.azureml import coverage
    from canalis.cli.here import members
    from canalis.planned import NAMES

    rows = [f"| `{module}` | {', '.join(f'`{name}`' for name in names)} |" for module, names in coverage().items()]
    classes = [
        f"| `{name}` | {_code(states['there'])} | {_code(states['planned'])} |" for name, states in members().items()
    ]
    never = {name: instead for name, instead in NAMES.items() if instead}
    never |= {f"{name}.{one}": how for name, found in members().items() for one, how in found["will_not_come"].items()}
    return (
        f"# What of azureml is here\n\n{_MADE}\nEvery import path that resolves, and the names in it. Anything else "
        "below `azureml` fails when it is imported, and says so; so does a member of a class that is not here when it "
        "is asked for. `canalis check SCRIPT` lists all that a script asks for and that is missing, without running "
        "it; `canalis coverage` prints the same as this page.\n\n| module | names |\n|---|---|\n"
        + "\n".join(rows)
        + "\n\n## Members of classes\n\n| class | there | planned |\n|---|---|---|\n"
        + "\n".join(classes)
        + f"\n\n## Planned\n\n{_code(name for name, instead in NAMES.items() if not instead)}\n"
        + "\n## Will not come\n\n| name | instead |\n|---|---|\n"
        + "\n".join(f"| `{name}` | {instead} |" for name, instead in never.items())
        + "\n"
    )


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _times() -> str:
    from canalis.cli.segments import SIGNS
    from canalis.contract.times import SEGMENTS

    rows = [f"| `{segment}` | `{SIGNS[segment]}` | {said} |" for segment, said in SEGMENTS.items()]
    return (
        f"# Segments of a step's time\n\n{_MADE}\nIn the order in which a step passes through them; `capacity` comes "
        "on both sides of `data_in`, since steps are put in place before a slot is free. They do not overlap, and "
        "together they are the time from the submission of the run to the step's end as the run records it, or to now. "
        "The names do not change. What took no time is left out. "
        "[How to read them](../how-to/see-where-the-time-went.md).\n\n"
        "| segment | in the bars | what it is |\n|---|---|---|\n" + "\n".join(rows) + "\n"
    )


_COST = """# What a deployed service costs

{made}
Nobody has deployed this to Azure yet, and no bill is behind these figures. They are counts times prices. The
operations and messages of a step were counted on one machine, [as below](#counts); the prices are
assumptions: {said}, as we knew them on {as_of}. Look them up for your region, and change
`infra/plan.json`: this page and `canalis deploy --plan` are made from it. `canalis show RUN --cost` counts what a run of yours has used.

## In short

| profile | a month in which nothing runs | 1,000 steps of {script_s} s | 1,000 steps of 1 s | an hour in which a run is open |
|---|---|---|---|---|
{short}

- What costs is **the bus's base price** while nothing runs, and **the time of the scripts** while something does.
  Storage operations and messages are a few per cent of what steps of {script_s} s cost.
- The time of scripts is counted as if each had an instance to itself. An instance takes up to eight at once, and its time
  is billed once: steps that run side by side and mostly wait cost down to an eighth.
- While a run is open, a call looks after it every 15 s: {watched}. Runs that are open at the same time share it.
- Free grants are not taken off. The subscription's {free} GB-seconds a month without always-ready instances are more than
  the timer of `frugal` uses, and the first {included} million operations of the bus are in its base price; so
  **`frugal` at rest costs about the bus's base price**, whatever the number of its queues.
- What lies in storage is paid by the GB and month, and is yours: outputs, logs, data. It is not in these figures, nor
  is what leaves the region.
- `responsive` buys the first answer and the first step without a cold start, for the price of its ready instances.

## Idle, a month of {hours} hours

{idle}

## 1,000 steps of {script_s} s

{steps}

## Assumed prices, USD

| name in `infra/plan.json` | price |
|---|---|
{prices}

## Counts

| name in `infra/plan.json` | count |
|---|---|
{counts}

Messages, executions and operations were counted on what stands for Azure on one machine, at the storage and at the bus
(`tests/azure/test_budget.py`), on steps whose script reads one file of the step before and writes one. Of table
operations, a step of the engine uses 4 (`tests/unit/test_cost.py`): its claim, a look at its run, the commit that ends it,
and what that commit sent is taken out. A script that takes a second has its attempt noted as well, which made 4 to 5.8; one of 10 s is
looked after every 4 s, which makes 8. Where a run goes from instance to instance, each change costs one more. Of blob
operations, 4 put, 1 append to the log and 2 listings, which have the price of a write, are `blob_writes_per_step`; 3 get
and 3 looks are `blob_reads_per_step`. They grow with the files of a step, and with a log that is written for long. The
operations of the bus take a message for three: sent, received, completed. `log_bytes_per_step` and `script_s` are estimates.
"""


def _cost() -> str:
    from canalis.deployment import costs
    from canalis.deployment.project import Project

    plan = Project.at(ROOT).plan
    profiles = list(plan["counts"]["ready_instances"])
    bills = {name: (costs.idle(plan, name), costs.of_steps(plan, name)) for name in profiles}
    quick = {name: costs.of_steps(plan, name, script_s=1) for name in profiles}
    watched = [costs.watching(plan)]
    rows = [
        f"| {name} | {' | '.join(f'${costs.total(bill):.2f}' for bill in (*bills[name], quick[name], watched))} |"
        for name in profiles
    ]
    prices = {name: price for name, price in plan["prices"].items() if not isinstance(price, str)}
    counts = {name: count for name, count in plan["counts"].items() if not isinstance(count, dict)}
    return _COST.format(
        made=_MADE,
        watched=watched[0].formula,
        said=plan["prices"]["said"],
        as_of=plan["prices"]["as_of"],
        free=f"{plan['prices']['demand_free_gb_s']:,}",
        included=plan["prices"]["bus_included_millions"],
        script_s=plan["counts"]["script_s"],
        hours=costs.HOURS,
        short="\n".join(rows),
        idle=_bill("responsive", bills["responsive"][0]),
        steps=_bill("frugal", bills["frugal"][1]),
        prices="\n".join(f"| `{name}` | {f'{price:f}'.rstrip('0').rstrip('.')} |" for name, price in prices.items()),
        counts="\n".join(f"| `{name}` | {count} |" for name, count in counts.items()),
    )


def _bill(profile: str, lines: list[Any]) -> str:
    rows = "\n".join(f"| {line.what} | {line.formula} | {line.usd:.4f} |" for line in lines)
    return f"With profile `{profile}`:\n\n| what | formula | USD |\n|---|---|---|\n{rows}"


PAGES: Mapping[str, Callable[[], str]] = {  # by file name, what makes the text of each
    "errors.md": _errors,
    "command-line.md": _command_line,
    "http.md": _http,
    "azureml-coverage.md": _coverage,
    "times.md": _times,
    "cost.md": _cost,
}


def write() -> None:
    """Write all pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, made in PAGES.items():
        (FOLDER / name).write_text(made())


if __name__ == "__main__":
    write()
