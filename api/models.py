"""Registered models: files that have a name, in versions. The files of one never change."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from api.access import GuardedRoute, Role, needs
from api.files import BYTES_GIVEN, no_file, send_file
from api.links import LinksAnswer, LinksAsked, checked, links_to_read
from api.reach import Reach, check_reach
from api.service import PREFIX, Asking, Here, Service
from api.starting import OnlyOnce
from canalis.contract.errors import NotSupported
from canalis.contract.layout import content_key
from canalis.contract.models import ModelChange, ModelRegistration, RegisteredModel
from canalis.contract.snapshots import SnapshotFile, stored_snapshot
from canalis.contract.views import FileView
from orchestrator import models

router = APIRouter(prefix="/models", route_class=GuardedRoute, tags=["models"])


@router.get("", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def list_models(
    here: Here, name: str | None = None, run: str | None = None, latest: Annotated[bool, Query()] = False
) -> list[RegisteredModel]:
    """Registered models, the newest first; with `latest` one version of each name."""
    return models.listed(here.ports.documents, name, run, latest)


@router.get("/{name}", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def get_model(here: Here, name: str) -> RegisteredModel:
    """A registered model by its name, in its newest version, or by `<name>:<version>`."""
    return models.find(here.ports.documents, name)


@router.post("/{name}", dependencies=[needs(Role.SUBMITTER, step=Reach.WORKSPACE)], status_code=201)
def register_model(
    here: Here, who: Asking, once: OnlyOnce, name: str, asked: ModelRegistration, response: Response
) -> RegisteredModel:
    """Give the files of a snapshot, or some of a run's, a name, in the next version of it."""
    if who.run is not None and asked.run:
        check_reach(here.ports, who.run, Reach.RUNS, asked.run)
    by = models.Asked(by=who.name, key=once.run_id, fingerprint=once.fingerprint)
    made = models.register(here.ports, name, asked, by)
    response.headers["Location"] = f"{PREFIX}/models/{quote(made.id, safe=':')}"
    return made


@router.patch("/{name}", dependencies=[needs(Role.SUBMITTER, step=Reach.WORKSPACE)])
def change_model(here: Here, name: str, said: ModelChange) -> RegisteredModel:
    """Tag and describe a model. Its files stay as they are, and properties once they are set."""
    return models.change(here.ports, name, said)


@router.delete("/{name}", dependencies=[needs(Role.OPERATOR)], status_code=204)
def delete_model(here: Here, name: str) -> None:
    """Delete the version that `<name>:<version>` names, or find that it is gone. Its number is not given again."""
    models.delete(here.ports, name)


@router.get("/{name}/files", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def list_model_files(here: Here, name: str) -> list[FileView]:
    """The files of a model, by path."""
    found = models.find(here.ports.documents, name)
    files = stored_snapshot(here.ports.blobs, found.snapshot).files
    return [FileView(path=path, size=file.size, modified_at=found.created_at) for path, file in sorted(files.items())]


@router.post("/{name}/links", dependencies=[needs(Role.READER, step=Reach.WORKSPACE)])
def link_model_files(here: Here, name: str, asked: LinksAsked) -> LinksAnswer:
    """Links to fetch files of a model past the service, up to 1000 at once."""
    checked(asked.paths)
    if asked.purpose == "write":
        raise NotSupported("The files of a model never change: register a new version")
    files = _files(here, name)
    keys = {path: content_key(files[path].sha256) for path in asked.paths if path in files}
    return links_to_read(here.ports.blobs, keys)


@router.get(
    "/{name}/files/{path:path}",
    dependencies=[needs(Role.READER, step=Reach.WORKSPACE)],
    response_class=Response,
    responses=BYTES_GIVEN,
)
def get_model_file(here: Here, name: str, path: str) -> StreamingResponse:
    """One file of a model, by its path there."""
    file = _files(here, name).get(path)  # never a path of ours: what is not in the list is not there
    if file is None:
        raise no_file(path)
    return send_file(here.ports.blobs, content_key(file.sha256), path)


def _files(here: Service, name: str) -> dict[str, SnapshotFile]:
    return stored_snapshot(here.ports.blobs, models.find(here.ports.documents, name).snapshot).files
