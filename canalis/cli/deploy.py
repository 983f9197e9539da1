"""`canalis deploy`: the service into the author's own subscription, or what that would do and cost."""

from __future__ import annotations

import json
import re
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from canalis.cli import output
from canalis.cli.words import Json, app
from canalis.deployment import costs
from canalis.deployment.actions import Action, Wanted, actions, script
from canalis.deployment.package import write_package
from canalis.deployment.project import Project
from canalis.exceptions import UserErrorException
from canalis.telling import aligned

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)
PROFILES = ("frugal", "responsive")


@app.command()
def deploy(
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what would be made, done and paid, and do nothing.")
    ] = False,
    name: Annotated[
        str, typer.Option(help="Begins the names of all resources: 3 to 12 of a-z, 0-9 and -.")
    ] = "canalis",
    resource_group: Annotated[
        str | None, typer.Option("--resource-group", "-g", help="rg-NAME when not given.")
    ] = None,
    location: Annotated[str, typer.Option(help="The Azure region.")] = "westeurope",
    workspace: Annotated[str | None, typer.Option("--workspace", "-w", help="Its name; NAME when not given.")] = None,
    profile: Annotated[
        str, typer.Option(help="frugal: nothing is kept warm; responsive: two instances are.")
    ] = "frugal",
    email: Annotated[str, typer.Option(help="Whom to tell of dead letters, a backlog and the month's cost.")] = "",
    budget: Annotated[int, typer.Option(min=0, help="Of a month, for the mail about it; it stops nothing.")] = 20,
    rotate_run_key: Annotated[
        bool, typer.Option("--rotate-run-key", help="Another key for the tokens of runs; ends those under way.")
    ] = False,
    config: Annotated[Path, typer.Option(help="Where to write how scripts find the service.")] = Path("config.json"),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Bring the service into your own Azure subscription. Run it again to upgrade; it changes what differs.

    Needs a clone of the repository and the Azure command line, signed in.
    """
    project = Project.here()
    group = resource_group or f"rg-{name}"
    wanted = Wanted(
        name=_checked(name),
        resource_group=group,
        location=location,
        workspace=workspace or name,
        profile=profile,
        root=str(project.root),
        package=str(Path(tempfile.gettempdir()) / f"canalis-{name}.zip") if plan else "",
        budget_start=time.strftime("%Y-%m-01", time.gmtime()),
        email=email,
        budget=budget,
        new_run_key=rotate_run_key,
    )
    if profile not in PROFILES:
        raise UserErrorException(f"There is no profile '{profile}': it is frugal or responsive")
    if plan:
        _show_plan(project, wanted, as_json)
        return
    from canalis.deployment import az  # what it needs takes a while to load

    target = config.absolute()
    account = az.signed_in()
    said = {"workspace_name": wanted.workspace, "subscription_id": account.subscription_id, "resource_group": group}
    _check_config(target, said)
    if not yes:
        print(
            f"Into {account.subscription} as {account.person}: resource group {group} in {location}, profile {profile}"
        )
        print("(`canalis deploy --plan` says what is made, done and paid)")
        typer.confirm("Deploy", abort=True)
    saved = _deployed(project, wanted, quiet=as_json)
    url = saved["URL"]
    answers = az.wait_for_answer(url)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps({**said, "canalis_url": url}, indent=2) + "\n")
    if as_json:
        output.print_json({"url": url, "config": str(target), "answers": answers, "application": saved["APP"]})
    else:
        print(f"{url}\n{target} names it: scripts and commands from this folder run there now")
    if not answers:
        raise UserErrorException(
            f"{url} is deployed and does not answer yet. Its log says why: docs/how-to/operate.md", code="no_answer"
        )


def _deployed(project: Project, wanted: Wanted, quiet: bool) -> dict[str, str]:
    """Do all of it; what the commands have said."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "canalis.zip"
        count = write_package(project.root, package)
        found = actions(Wanted(**{**asdict(wanted), "package": str(package)}))
        if not quiet:
            print(f"The app: {count} files, {package.stat().st_size / 1024:.0f} KiB")
        from canalis.deployment import az

        return az.run(found, (lambda said: None) if quiet else print)


def _show_plan(project: Project, wanted: Wanted, as_json: bool) -> None:
    plan, found = project.plan, actions(wanted)
    idle = costs.idle(plan, wanted.profile, alerts=bool(wanted.email))
    steps = costs.of_steps(plan, wanted.profile)
    if as_json:
        kept = {key: plan[key] for key in ("resources", "identities", "roles", "queues", "settings")}
        bill: dict[str, Any] = {"idle_month_usd": costs.total(idle), "thousand_steps_usd": costs.total(steps)}
        bill["open_hour_usd"] = costs.watching(plan).usd
        bill |= {"idle": [asdict(line) for line in idle], "steps": [asdict(line) for line in steps]}
        output.print_json({**kept, "cost": bill, "prices": plan["prices"], "commands": script(found).splitlines()})
        return
    print(f"Resource group {wanted.resource_group} in {wanted.location}, profile {wanted.profile}\n")
    for title in ("resources", "identities", "roles"):
        print(f"{title.capitalize()}\n" + "\n".join(f"  {line}" for line in aligned(plan[title])) + "\n")
    for title in ("queues", "settings"):
        print(f"{title.capitalize()}\n  {', '.join(plan[title])}\n")
    _print_bill(f"A month in which nothing runs, {wanted.profile}", idle)
    count = plan["counts"]
    _print_bill(f"A thousand steps of {count['script_s']} s each", steps)
    _print_bill("An hour in which a run is open", [costs.watching(plan)])
    price = plan["prices"]
    print(f"(assumed {price['said']}, {price['as_of']}; your bill is what counts. docs/reference/cost.md)\n")
    _print_commands(found)


def _print_bill(title: str, lines: list[costs.Line]) -> None:
    rows = [(f"${line.usd:.4f}", line.what, line.formula) for line in lines]
    print(f"{title}: ${costs.total(lines):.2f}\n" + "\n".join(f"  {row}" for row in aligned(rows)) + "\n")


def _print_commands(found: list[Action]) -> None:
    print("Commands, which can all be run again (the zip file is made by `canalis deploy`)\n")
    print(script(found))


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name) or not 3 <= len(name) <= 12:
        raise UserErrorException(
            f"'{name}' cannot begin the names of resources: 3 to 12 of a-z, 0-9 and -, a letter first"
        )
    return name


def _check_config(target: Path, said: dict[str, Any]) -> None:
    """Somebody's own config.json is not written over: it may be that of another workspace."""
    if not target.exists():
        return
    try:
        found = json.loads(target.read_text())
        same = all(found.get(key) == value for key, value in said.items())
    except (ValueError, AttributeError):
        same = False
    if not same:
        raise UserErrorException(f"{target} is there, and is not this workspace's: name another file with --config")
