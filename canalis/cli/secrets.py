"""Secrets of a workspace. Values come from a terminal or a pipe, and are printed nowhere."""

from __future__ import annotations

import sys
import warnings
from typing import Annotated

import typer

from canalis.cli import output, where
from canalis.cli.words import Json, WorkspaceName, app
from canalis.exceptions import UserErrorException

secrets = typer.Typer(help="Secrets that steps read, kept encrypted and masked in logs.", no_args_is_help=True)
app.add_typer(secrets, name="secrets")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Of letters, digits and hyphens.")]


@secrets.command("set")
def set_secret(name: Name, workspace: WorkspaceName = None) -> None:
    """Keep a secret: asked for, or all that comes through a pipe but the end of its last line."""
    vault = where.workspace_or_new(workspace).get_default_keyvault()
    value = typer.prompt("Value", hide_input=True) if sys.stdin.isatty() else sys.stdin.read()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        vault.set_secret(name, value if sys.stdin.isatty() else value.removesuffix("\n").removesuffix("\r"))
    for warning in said:
        print(warning.message, file=sys.stderr)
    print(f"Kept secret '{name}'")


@secrets.command("list")
def list_secrets(workspace: WorkspaceName = None, as_json: Json = False) -> None:
    """List the names of all secrets."""
    found = where.workspace(workspace).get_default_keyvault().list_secrets()
    if as_json:
        output.print_json(found)
    else:
        print("\n".join(one["name"] for one in found) or "There are no secrets")


@secrets.command("delete")
def delete_secret(name: Name, workspace: WorkspaceName = None) -> None:
    """Forget a secret."""
    vault = where.workspace(workspace).get_default_keyvault()
    names = [one["name"] for one in vault.list_secrets()]
    if name.lower() not in map(str.lower, names):
        raise UserErrorException(f"There is no secret '{name}' (there: {', '.join(names) or 'none'})", code="not_found")
    vault.delete_secret(name)
    print(f"Deleted secret '{name}'")
