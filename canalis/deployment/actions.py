"""What a deployment does, as commands of `az` in order. Pure: they are shown as a shell script, or run.

Each may be run again: it looks for what is there first, or says only how it shall be.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

_GRAPH = "https://graph.microsoft.com/v1.0"
_ADMIN = "6d0f3a52-6c35-4f0b-9d0e-0a8d2b0c1a04"  # Canalis.Admin in infra/entra-app.json
_JSON = ("--headers", "Content-Type=application/json")
_TEXT = ("--output", "tsv")
_QUIET = ("--output", "none")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the author asks for.

    root            the clone's folder
    package         the zip file of the app
    email           whom to tell; nobody when ""
    budget          of a month, in the currency of the bill; 0 for none
    budget_start    first day of this month, for a budget that is new
    new_run_key     make another key for the tokens of runs, whether there is one or not
    """

    name: str
    resource_group: str
    location: str
    workspace: str
    profile: str
    root: str
    package: str
    budget_start: str
    email: str = ""
    budget: int = 20
    new_run_key: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """A command, or a value that is known already.

    line      the words of the command after `az`; `$NAME` in a word stands for what was saved under it
    value     what is saved when there is no command
    saves     the name under which its output is saved; "" when it is not
    when      only when something was saved under that name
    unless    not when something was saved under that name
    """

    said: str
    line: tuple[str, ...] = ()
    value: str = ""
    saves: str = ""
    when: str = ""
    unless: str = ""


def actions(wanted: Wanted) -> list[Action]:
    """Everything that a deployment does, in order."""
    return [*_application(wanted), *_resources(wanted), *_code(wanted)]


def filled(words: tuple[str, ...], saved: Mapping[str, str]) -> list[str]:
    """The words of a command with what was saved in the place of its names.

    >>> filled(("--id", "$APP_ID", "--url", "/x/$SITE/y"), {"APP_ID": "1", "SITE": "s"})
    ['--id', '1', '--url', '/x/s/y']
    """
    found = []
    for word in words:
        for name in sorted(saved, key=len, reverse=True):  # a name may begin with another
            word = word.replace(f"${name}", saved[name])
        found.append(word)
    return found


def script(found: list[Action]) -> str:
    """The actions as a shell script, which does the same."""
    names = {action.saves for action in found if action.saves}
    return "\n".join(line for action in found for line in (f"# {action.said}", _shell(action, names)))


def _shell(action: Action, names: set[str]) -> str:
    line = " ".join(["az", *(_quoted(word, names) for word in action.line)]) if action.line else action.value
    if action.saves:
        line = f'{action.saves}="$({line})"' if action.line else f"{action.saves}={shlex.quote(action.value)}"
    if action.unless:
        line = f'[ -n "${action.unless}" ] || {line}'
    if action.when:
        line = f'[ -z "${action.when}" ] || {line}'
    return line


def _quoted(word: str, names: set[str]) -> str:
    """A word as a shell takes it, with what was saved put in its place."""
    if not any(f"${name}" in word for name in names):
        return shlex.quote(word)
    for sign in ("\\", '"', "`"):
        word = word.replace(sign, f"\\{sign}")
    return f'"{word}"'


def _application(wanted: Wanted) -> list[Action]:
    """The service's own application in Entra ID: its roles, its scope, and who has it first."""
    named = f"canalis-{wanted.name}-{wanted.resource_group}"
    assigned = f"{_GRAPH}/servicePrincipals/$PRINCIPAL/appRoleAssignedTo"
    object_url = f"{_GRAPH}/applications/$OBJECT"
    body = f'{{"principalId": "$ME", "resourceId": "$PRINCIPAL", "appRoleId": "{_ADMIN}"}}'
    return [
        Action(
            "The application that callers ask tokens for",
            ("ad", "app", "list", "--filter", f"displayName eq '{named}'", "--query", "[0].appId", *_TEXT),
            saves="APP",
        ),
        Action(
            "made when there is none",
            ("ad", "app", "create", "--display-name", named, "--sign-in-audience", "AzureADMyOrg",
             "--query", "appId", *_TEXT),
            saves="APP",
            unless="APP",
        ),
        Action("its object", ("ad", "app", "show", "--id", "$APP", "--query", "id", *_TEXT), saves="OBJECT"),
        Action(
            "Roles Reader, Submitter, Operator and Admin, and the scope access_as_user",
            ("rest", "--method", "PATCH", "--url", object_url, *_JSON,
             "--body", f"@{wanted.root}/infra/entra-app.json"),
        ),
        Action(
            "The Azure command line may ask for its tokens without a question",
            ("rest", "--method", "PATCH", "--url", object_url, *_JSON,
             "--body", f"@{wanted.root}/infra/entra-clients.json"),
        ),
        Action(
            "its name, as callers ask for it",
            ("ad", "app", "update", "--id", "$APP", "--identifier-uris", "api://$APP", *_QUIET),
        ),
        Action(
            "Its principal in this tenant",
            ("ad", "sp", "list", "--filter", "appId eq '$APP'", "--query", "[0].id", *_TEXT),
            saves="PRINCIPAL",
        ),
        Action(
            "made when there is none",
            ("ad", "sp", "create", "--id", "$APP", "--query", "id", *_TEXT),
            saves="PRINCIPAL",
            unless="PRINCIPAL",
        ),
        Action(
            "Nobody gets a token who has no role",
            ("ad", "sp", "update", "--id", "$PRINCIPAL", "--set", "appRoleAssignmentRequired=true", *_QUIET),
        ),
        Action("You", ("ad", "signed-in-user", "show", "--query", "id", *_TEXT), saves="ME"),
        Action(
            "are Admin, the first one",
            ("rest", "--method", "GET", "--url", assigned,
             "--query", f"value[?principalId=='$ME' && appRoleId=='{_ADMIN}'].id | [0]", *_TEXT),
            saves="ASSIGNED",
        ),
        Action(
            "made so when you are not",
            ("rest", "--method", "POST", "--url", assigned, *_JSON, "--body", body, *_QUIET),
            unless="ASSIGNED",
        ),
    ]  # fmt: skip


def _resources(wanted: Wanted) -> list[Action]:
    """Everything in infra/, after a look at what must not be made anew."""
    group = f"/subscriptions/{{subscriptionId}}/resourceGroups/{wanted.resource_group}"
    given = {
        "name": wanted.name,
        "location": wanted.location,
        "workspace": wanted.workspace,
        "audience": "$APP",
        "makeRunKey": "$NEW_KEY",
        "alertEmail": wanted.email,
        "monthlyBudget": str(wanted.budget),
        "budgetStart": "$BUDGET_START",
    }
    has_key = Action(
        "The key that signs the tokens of runs is made once, or when it is asked for",
        ("rest", "--method", "GET", "--url", "$VAULT/secrets?api-version=2023-07-01",
         "--query", "length(value[?name=='run-key']) == `0`", *_TEXT),
        saves="NEW_KEY",
        when="VAULT",
    )  # fmt: skip
    return [
        Action(
            "The resource group",
            ("group", "create", "--name", wanted.resource_group, "--location", wanted.location, *_QUIET),
        ),
        Action(
            "The vault, when this is not the first deployment",
            ("resource", "list", "--resource-group", wanted.resource_group,
             "--resource-type", "Microsoft.KeyVault/vaults",
             "--query", f"[?tags.canalis=='{wanted.name}'].id | [0]", *_TEXT),
            saves="VAULT",
        ),
        Action("A key, unless one is found", value="true", saves="NEW_KEY"),
        *([] if wanted.new_run_key else [has_key]),
        Action(
            "A budget keeps the day that it began on",
            ("rest", "--method", "GET",
             "--url", f"{group}/providers/Microsoft.Consumption/budgets?api-version=2023-11-01",
             "--query", f"value[?name=='{wanted.name}-budget'].properties.timePeriod.startDate | [0]", *_TEXT),
            saves="BUDGET_START",
        ),
        Action(
            "a new one begins with this month",
            value=wanted.budget_start,
            saves="BUDGET_START",
            unless="BUDGET_START",
        ),
        Action(
            "All resources; what is there already is changed to what is written",
            ("deployment", "group", "create", "--resource-group", wanted.resource_group, "--name", "canalis",
             "--template-file", f"{wanted.root}/infra/main.bicep",
             "--parameters", f"{wanted.root}/infra/{wanted.profile}.parameters.json",
             "--parameters", *(f"{name}={value}" for name, value in given.items()), *_QUIET),
        ),
        *(
            Action(f"the {said}", ("deployment", "group", "show", "--resource-group", wanted.resource_group,
                   "--name", "canalis", "--query", f"properties.outputs.{output}.value", *_TEXT), saves=name)
            for said, output, name in (("app's name", "app", "SITE"), ("service's address", "url", "URL"))
        ),
    ]  # fmt: skip


def _code(wanted: Wanted) -> list[Action]:
    return [
        Action(
            "The code; its libraries are installed there, as requirements.txt has locked them",
            ("functionapp", "deployment", "source", "config-zip", "--resource-group", wanted.resource_group,
             "--name", "$SITE", "--src", wanted.package, "--build-remote", "true", "--timeout", "900", *_QUIET),
        ),
    ]  # fmt: skip
