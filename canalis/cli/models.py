"""Registered models: which there are, what is in one, and its files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from canalis.cli import output, where
from canalis.cli.kept import size_text
from canalis.cli.words import Json, WorkspaceName, app
from canalis.telling import aligned

models = typer.Typer(help="Registered models, which scripts make and read by Model.", no_args_is_help=True)
app.add_typer(models, name="models")

ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model's name, in its newest version, or NAME:VERSION.")
]


@models.command("list")
def models_list(
    name: Annotated[str, typer.Argument(help="Only this name, in all its versions.")] = "",
    workspace: WorkspaceName = None,
    as_json: Json = False,
) -> None:
    """List the newest version of each model, or all versions of one."""
    query = {"name": name} if name else {"latest": "true"}
    found = where.workspace(workspace)._client.get("/models", **query)
    if as_json:
        output.print_json(found)
        return
    rows = [
        (one["id"], _words(one["tags"]), str(one["files"]), size_text(one["bytes"]), one["run"], _when(one))
        for one in found
    ]
    if rows:
        output.table(("model", "tags", "files", "size", "made by", "registered"), rows)
    elif name:
        print(f"There is no model '{name}'. `canalis models list` lists all.")
    else:
        print("No models yet. Model.register and run.register_model make them.")


@models.command("show")
def models_show(model: ModelName, workspace: WorkspaceName = None, as_json: Json = False) -> None:
    """Show what is known of a model, and its files."""
    client = where.workspace(workspace)._client
    found = client.get(f"/models/{quote(model, safe='')}")
    files = client.get(f"/models/{quote(found['id'], safe='')}/files")
    if as_json:
        output.print_json(found | {"files": files})
        return
    facts = {
        "": found["description"],
        "framework": f"{found['framework']} {found['framework_version']}".strip(),
        "tags": _words(found["tags"]),
        "properties": _words(found["properties"]),
        "datasets": ", ".join(f"{one['scenario']}: {_dataset(one['dataset'])}" for one in found["datasets"]),
        "made by": f"{found['run']} of {found['experiment']}" if found["run"] else "",
        "registered": f"{_when(found)} by {found['created_by']}",
    }
    print(f"Model {found['id']}")
    print("\n".join(aligned([(name, text) for name, text in facts.items() if text])))
    print("\n".join(["Files", *aligned([("", file["path"], size_text(file["size"])) for file in files])]))


@models.command("download")
def models_download(
    model: ModelName,
    folder: Annotated[Path, typer.Option("--output", "-o", help="Where to.")] = Path(),
    overwrite: Annotated[bool, typer.Option(help="Replace files that are there.")] = False,
    workspace: WorkspaceName = None,
    as_json: Json = False,
) -> None:
    """Copy the files of a model here."""
    from canalis.model import Model

    chosen = where.workspace(workspace)
    path = Model(chosen, id=model).download(folder, exist_ok=overwrite)
    if as_json:
        output.print_json(path)
    else:
        print(path)


def _words(named: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" if value else name for name, value in named.items())


def _dataset(value: dict[str, Any]) -> str:
    known = value["registered"]
    if known:
        return f"{known['name']}:{known['version']}"
    return ", ".join(f"{place['datastore']}/{place['path']}" for place in value["places"])


def _when(view: dict[str, Any]) -> str:
    return datetime.fromtimestamp(view["created_at"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
