"""What runs leave behind: metrics, files, and where the data lies that they wrote."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from canalis import transfer
from canalis.cli import output, where
from canalis.cli.words import Json, RunId, WorkspaceName, app
from canalis.client import Client
from canalis.contract.layout import artifacts, of_run
from canalis.contract.metrics import fold
from canalis.contract.mlflow_ids import PARAMS
from canalis.contract.run import StepRunId, split_step_run_id
from canalis.exceptions import UserErrorException
from canalis.telling import aligned, duration, label
from canalis.workspace import Workspace

_CHILDREN_MAX = 50  # that are shown
_ASKED_MAX = 200  # steps whose metrics are asked for one by one


@app.command()
def files(run: RunId, workspace: WorkspaceName = None, as_json: Json = False) -> None:
    """List the files of a run or a step, and the data that it wrote, with the folders where they lie.

    In the cloud data lies in a datastore; `canalis download` copies files here.
    """
    found = where.holding(workspace, run)
    held = [_held(found, view) for view in _parts(found._client, run)]
    if as_json:
        output.print_json(held)
        return
    for part in held:
        if part["files"]:
            print(f"{part['name']}: {part['folder']}" if part["folder"] else part["name"])
            print("\n".join(aligned([("", file["path"], size_text(file["size"])) for file in part["files"]])))
        for port in part["outputs"]:
            print(f"{part['name']} wrote {port['name']}: {port['folder']}")


@app.command()
def download(
    run: RunId,
    prefix: Annotated[str, typer.Argument(help="Only files whose paths begin so, such as outputs/.")] = "",
    folder: Annotated[Path, typer.Option("--output", "-o", help="Where to; a run's steps get a folder each.")] = Path(),
    workspace: WorkspaceName = None,
    as_json: Json = False,
) -> None:
    """Copy the files of a run or a step here."""
    client = where.holding(workspace, run)._client
    parts = _parts(client, run)
    copied = []
    for view in parts:
        below = folder / view.get("node", "_run") if len(parts) > 1 else folder
        paths = [file["path"] for file in client.get(_path(view) + "/artifacts", prefix=prefix)]
        wanted = [(path, below / path) for path in paths]
        list(transfer.receive(client, transfer.of_run(_path(view)), wanted))
        copied += [str(target) for _, target in wanted]
    if not copied:
        raise UserErrorException(f"Run {run} has no file that begins with '{prefix}'; `canalis files {run}` lists all")
    if as_json:
        output.print_json(copied)
    else:
        print("\n".join(copied))


def metrics_of(client: Client, run: dict[str, Any], steps: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What was logged, by the id of the run or step it was logged on; of the first steps only, when there are many."""
    asked = [run, *(step for step in steps if step["id"] != run["id"])][:_ASKED_MAX]
    began = [view for view in asked if view["kind"] == "pipeline" or view["started_at"] or view["kept_from"]]
    found = {view["id"]: fold(client.get(_path(view) + "/metrics")) for view in began}
    return {identity: metrics for identity, metrics in found.items() if metrics}


def print_metrics(metrics: Mapping[str, Mapping[str, Any]], run: dict[str, Any], steps: list[dict[str, Any]]) -> None:
    """What was logged, in a line for each run or step: last values, and the shapes of tables."""
    names = {run["id"]: "the run"} | {step["id"]: label(step) for step in steps}
    rows = [("", names[identity], ", ".join(brief(logged))) for identity, logged in metrics.items()]
    if rows:
        print("\n".join(["Metrics", *aligned(rows)]))


def print_parameters(run: dict[str, Any], steps: list[dict[str, Any]]) -> None:
    """The parameters that scripts have logged with MLflow, in a line for each run or step."""
    seen = {view["id"]: view for view in (run, *steps)}
    rows = []
    for view in seen.values():
        named = view["properties"].items()
        said = [f"{name.removeprefix(PARAMS)} {value}" for name, value in named if name.startswith(PARAMS)]
        if said:
            rows.append(("", label(view) if view["kind"] == "step" else "the run", ", ".join(said)))
    if rows:
        print("\n".join(["Parameters that were logged", *aligned(rows)]))


def print_children(children: Sequence[dict[str, Any]]) -> None:
    """The runs that scripts have begun below their steps', in a line each; of many the first ones."""
    rows = []
    for child in children[:_CHILDREN_MAX]:
        took = duration((child["ended_at"] or time.time()) - child["started_at"])
        why = f"{took}: {child['error']['message'].splitlines()[0]}" if child["error"] else took
        rows.append(("", child["step"], child["name"], child["run_status_v1"].lower(), why))
    if rows:
        more = len(children) - len(rows)
        print("\n".join(["Runs that scripts have begun", *aligned(rows), *([f"  and {more} more"] if more else [])]))


def brief(logged: Mapping[str, Any]) -> list[str]:
    """Each metric in short.

    >>> brief({"loss": [0.5, 0.25], "confusion": {"a": [1, 2], "b": [3, 4]}, "roc": "aml://artifactId/roc.png"})
    ['loss 0.25 (last of 2)', 'confusion (table of 2 columns, 2 rows)', 'roc (file roc.png)']
    """
    return [f"{name} {_said(value)}" for name, value in logged.items()]


def _said(value: Any) -> str:
    if isinstance(value, list):
        return f"{_said(value[-1])} (last of {len(value)})" if value else "(empty)"
    if isinstance(value, dict):
        rows = max((len(column) if isinstance(column, list) else 1 for column in value.values()), default=0)
        return f"(table of {len(value)} columns, {rows} rows)"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return f"(file {text.rpartition('/')[2]})" if text.startswith("aml://") else text


def _parts(client: Client, name: str) -> list[dict[str, Any]]:
    """The views of what has files: a step; or a run, and its steps."""
    view = client.get(f"/runs/{quote(name)}")
    return [view] if view["kind"] == "step" else [view, *client.get(_path(view) + "/steps")]


def _held(workspace: Workspace, view: dict[str, Any]) -> dict[str, Any]:
    client, root = workspace._client, workspace._root
    outputs = client.get(_path(view) + "/outputs") if view["kind"] == "step" else []
    return {
        "id": view["id"],
        "name": label(view) if view["kind"] == "step" else "the run",
        "folder": str(root / "blobs" / artifacts(_owner(view))) if root else None,
        "files": client.get(_path(view) + "/artifacts"),
        "outputs": [{"name": port["name"], "folder": place} for port in outputs if (place := _place(workspace, port))],
    }


def _place(workspace: Workspace, port: dict[str, Any]) -> str:
    """Where an output lies: its folder here, or its datastore and the path below it; "" when nothing was written."""
    store = workspace.datastores.get(port["datastore"])
    if store is None:
        return ""
    if workspace._root is not None and store._lies_here:
        folder = workspace._root / "datastores" / port["datastore"] / port["path"]
        return str(folder) if folder.exists() else ""
    path = port["path"].rstrip("/")
    found = workspace._client.get(f"/datastores/{quote(port['datastore'])}/files", prefix=path)
    is_there = any(file["path"] == path or file["path"].startswith(f"{path}/") for file in found)
    return f"{port['datastore']}/{path}" if is_there else ""


def _owner(view: dict[str, Any]) -> StepRunId:
    """Under whose name the files lie: of a step that was kept, the one that stands in for it."""
    named = split_step_run_id(view.get("kept_from") or view["id"])
    return StepRunId(named[0], named[1], named[2] or 1) if named else of_run(view["id"])


def _path(view: dict[str, Any]) -> str:
    return f"/runs/{quote(view['id'])}"


def size_text(size: int) -> str:
    """A number of bytes, for people."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024  # type: ignore[assignment]
    return f"{size:.3g} GiB"
