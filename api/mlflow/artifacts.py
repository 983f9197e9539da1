"""MLflow's artifacts: the files of a run of ours, where run.get_file_names() and download_file() find them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from api import runs
from api.access import GuardedRoute, Role, needs
from api.files import BYTES_GIVEN, BYTES_SENT
from api.mlflow.shapes import FilesAnswer, FileShown, Nothing
from api.mlflow.showing import artifact_uri
from api.mlflow.tracked import Tracked, tracked
from api.reach import Reach
from api.service import Asking, Here, Service
from canalis.contract.errors import BadRequest

router = APIRouter(route_class=GuardedRoute, tags=["mlflow"])

_LOOK = [needs(Role.READER, step=Reach.CHOSEN)]
_PLAIN: dict[str, Any] = {"response_model_exclude_none": True}


@router.get("/mlflow/artifacts/list", dependencies=_LOOK, **_PLAIN)
def list_artifacts(here: Here, who: Asking, run_id: str = "", run_uuid: str = "", path: str = "") -> FilesAnswer:
    """What is in a folder of a run, by paths from the run on."""
    run = tracked(here, who, run_id or run_uuid, Reach.RUNS)
    return FilesAnswer(root_uri=artifact_uri(run), files=_in_folder(here, run, path, with_folder=True))


@router.get("/mlflow-artifacts/artifacts", dependencies=_LOOK, **_PLAIN)
def list_files(here: Here, who: Asking, path: str = "") -> FilesAnswer:
    """What is in a folder of the run with whose id `path` begins, by names in the folder."""
    identity, _, below = path.strip("/").partition("/")
    run = tracked(here, who, identity, Reach.RUNS)
    return FilesAnswer(files=_in_folder(here, run, below, with_folder=False))


@router.get(
    "/mlflow-artifacts/artifacts/{identity}/{path:path}",
    dependencies=_LOOK,
    response_class=Response,
    responses=BYTES_GIVEN,
)
def get_artifact(here: Here, who: Asking, identity: str, path: str) -> StreamingResponse:
    """One file of a run."""
    run = tracked(here, who, identity, Reach.RUNS)
    return runs.get_artifact(here, run.run, run.prefix + _checked(path))


@router.put(
    "/mlflow-artifacts/artifacts/{identity}/{path:path}",
    dependencies=[needs(Role.SUBMITTER, step=Reach.CHOSEN)],
    openapi_extra=BYTES_SENT,
)
async def put_artifact(here: Here, who: Asking, identity: str, path: str, request: Request) -> Nothing:
    """Keep a file among those of a run."""
    run = tracked(here, who, identity, Reach.OWN)
    await runs.put_artifact(here, run.run, run.prefix + _checked(path), request)
    return Nothing()


def _checked(path: str) -> str:
    """A path below a run. Raises BadRequest for one that leads elsewhere, which a nested run's could otherwise."""
    if not path or any(part in ("", ".", "..") for part in path.split("/")):
        raise BadRequest(f"{path[:200]!r} is not the path of a file below a run: it may have no empty part, . or ..")
    return path


def _in_folder(here: Service, run: Tracked, folder: str, with_folder: bool) -> list[FileShown]:
    """The files and folders right in a folder. A file has none: so MLflow's client tells it apart."""
    below = f"{_checked(folder.strip('/'))}/" if folder.strip("/") else ""
    found: dict[str, FileShown] = {}
    for file in runs.list_artifacts(here, run.run, run.prefix + below):
        name, _, inner = file.path[len(run.prefix + below) :].partition("/")
        shown = below + name if with_folder else name
        found[name] = FileShown(path=shown, is_dir=bool(inner), file_size=None if inner else file.size)
    return [found[name] for name in sorted(found)]
