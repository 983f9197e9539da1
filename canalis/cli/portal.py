"""The portal, opened by who is known here: with a link that signs a browser in once."""

from __future__ import annotations

import sys
import webbrowser
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from canalis.cli import output, where
from canalis.cli.words import Json, WorkspaceName, app

if TYPE_CHECKING:
    from canalis.workspace import Workspace


@app.command("open")
def open_portal(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="A run or a step's run to open.")] = None,
    browser: Annotated[bool, typer.Option(help="Open a browser; else the link is only printed.")] = True,
    workspace: WorkspaceName = None,
    as_json: Json = False,
) -> None:
    """Open the portal in a browser, signed in. The link is good once, within fifteen minutes."""
    found = where.workspace(workspace) if run is None else where.holding(workspace, run)
    whole = None if run is None else found._client.get(f"/runs/{quote(run)}")["id"]
    link = portal_link(found, "/" if whole is None else f"/runs/{quote(whole)}")
    if as_json:
        output.print_json({"url": link})
        return
    print(link)
    # Where nobody sits at this machine a browser would open for nobody, or in the terminal.
    if browser and sys.stdout.isatty():
        webbrowser.open(link)


def portal_link(workspace: Workspace, to: str) -> str:
    """The address of a page of the portal that signs in who opens it first.

    to   the page, as it stands behind the `#`
    """
    client = workspace._client
    path = client.post("/sign-ins")["path"]
    return f"{client.endpoint.url}{path}&to={quote(to, safe='')}"
