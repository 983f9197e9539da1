"""Registered models are kept, found by what people call them, changed, and deleted.

A version's number is never given twice: of a deleted version the document stays, and says only that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from canalis.contract.datasets import LATEST, split_name
from canalis.contract.errors import BadRequest, Conflict, KeyReused, NotFound, TooLarge
from canalis.contract.layout import snapshot_key
from canalis.contract.models import (
    FILES_MAX,
    MODELS,
    ModelChange,
    ModelRegistration,
    RegisteredModel,
    check_model_name,
)
from canalis.contract.ports import Document, DocumentStore, Ports, Run, Stored
from canalis.contract.snapshots import Snapshot, stored_snapshot
from orchestrator import views
from orchestrator.model_files import files_of_run
from orchestrator.retention.doomed import spare

_VERSION_DIGITS = 6
_TAGS_MAX = 50
_DELETED = "deleted_at"
_ONCE = "once"  # of which request a version is; not shown


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for a registration, and as which: the same key with the same fingerprint is the same version."""

    by: str = ""
    key: str | None = None
    fingerprint: str = ""


def register(ports: Ports, name: str, said: ModelRegistration, asked: Asked | None = None) -> RegisteredModel:
    """Give files a name, in the next version of it. It is there for everybody when this returns, or not at all.

    Raises   NameInvalid, NotFound for a snapshot, a run or a path of it, BadRequest for files without a common
             folder, KeyReused
    """
    check_model_name(name)
    asked = asked or Asked()
    if (known := _asked_before(ports.documents.list(MODELS, f"{name}:"), asked)) is not None:
        return known
    run, experiment = _run_of(ports, said.run)
    identity, snapshot = _snapshot_of(ports, said, run)
    now = ports.clock.now()
    made = RegisteredModel(
        **said.model_dump(exclude={"snapshot", "path", "run"}),
        id="",
        name=name,
        version=0,
        snapshot=identity,
        root=_root_of(snapshot),
        files=len(snapshot.files),
        bytes=sum(file.size for file in snapshot.files.values()),
        run=run,
        experiment=experiment,
        created_at=now,
        created_by=asked.by,
        updated_at=now,
    )
    while True:
        versions = ports.documents.list(MODELS, f"{name}:")
        if (known := _asked_before(versions, asked)) is not None:
            return known
        version = _number(versions[-1]) + 1 if versions else 1
        made = made.model_copy(update={"id": f"{name}:{version}", "version": version})
        body = made.model_dump(mode="json") | {_ONCE: {"key": asked.key, "fingerprint": asked.fingerprint}}
        try:
            ports.documents.put(MODELS, _key(name, version), body, if_absent=True)
        except Conflict:
            continue  # somebody registered the same version at the same moment
        return made


def find(documents: DocumentStore, said: str) -> RegisteredModel:
    """The model of that name in its newest version, or of that `<name>:<version>`. Raises NotFound."""
    return _model(_stored(documents, said))


def listed(
    documents: DocumentStore, name: str | None = None, run: str | None = None, newest: bool = False
) -> list[RegisteredModel]:
    """Registered models, the newest first. `newest` leaves one version of each name."""
    found = [_model(one) for one in documents.list(MODELS, f"{name}:" if name else "") if _is_there(one)]
    if newest:
        found = [*{one.name: one for one in found}.values()]
    return sorted((one for one in found if run in (None, one.run)), key=lambda one: (-one.created_at, -one.version))


def change(ports: Ports, said: str, news: ModelChange) -> RegisteredModel:
    """Tag and describe a model. Raises NotFound, and BadRequest for a property that would change."""
    while True:
        stored = _stored(ports.documents, said)
        known = _model(stored)
        changed = [name for name, value in news.properties.items() if known.properties.get(name, value) != value]
        if changed:
            raise BadRequest(
                f"Properties of a model cannot be changed once they are set: {', '.join(sorted(changed))} of "
                f"'{known.id}'. Tags can be"
            )
        tags = {name: value for name, value in {**known.tags, **news.tags}.items() if value is not None}
        properties = {**known.properties, **news.properties}
        if max(len(tags), len(properties), len(known.datasets) + len(news.datasets)) > _TAGS_MAX:
            raise TooLarge(f"A model has {_TAGS_MAX} tags, properties and datasets each at most", maximum=_TAGS_MAX)
        given: dict[str, Any] = {
            name: value
            for name in ("description", "sample_input", "sample_output", "resources")
            if (value := getattr(news, name)) is not None
        }
        after = known.model_copy(
            update=given
            | {
                "tags": tags,
                "properties": properties,
                "datasets": (*known.datasets, *news.datasets),
                "updated_at": ports.clock.now(),
            }
        )
        body = after.model_dump(mode="json") | {_ONCE: stored.body.get(_ONCE)}
        try:
            ports.documents.put(MODELS, stored.name, body, etag=stored.etag)
        except Conflict:
            continue  # somebody else changed it at the same moment
        return after


def delete(ports: Ports, said: str) -> None:
    """Delete one version, or find that it is gone. Raises BadRequest when none is named.

    Its files stay, since others may have the same.
    """
    name, version = split_name(said)
    if version == LATEST:
        raise BadRequest(f"Say which version of model '{name[:80]}' is to be deleted: <name>:<version>")
    stored = _version(ports.documents, name, version)
    if stored is not None:
        body = {"name": name, "version": _number(stored), _DELETED: ports.clock.now()}
        ports.documents.put(MODELS, stored.name, body)


def _asked_before(versions: list[Stored], asked: Asked) -> RegisteredModel | None:
    if asked.key is None:
        return None
    for stored in reversed(versions):
        once = stored.body.get(_ONCE) or {}
        if once.get("key") == asked.key:
            if once["fingerprint"] != asked.fingerprint:
                raise KeyReused("This Idempotency-Key came with another registration before; take a new one")
            return _model(stored)
    return None


def _run_of(ports: Ports, said: str) -> tuple[str, str]:
    """The id and the experiment of the run, or of the step's run, that is meant. Raises NotFound."""
    if not said:
        return "", ""
    found = views.find(ports, said)
    run = found if isinstance(found, Run) else ports.runs.load(found.run_id)
    return (found.run_id if isinstance(found, Run) else str(found)), run.request.experiment


def _snapshot_of(ports: Ports, said: ModelRegistration, run: str) -> tuple[str, Snapshot]:
    if said.path is not None:
        return files_of_run(ports, run, said.path)
    assert said.snapshot is not None
    spare(ports, [snapshot_key(said.snapshot)])
    return said.snapshot, stored_snapshot(ports.blobs, said.snapshot)


def _root_of(snapshot: Snapshot) -> str:
    roots = {path.partition("/")[0] for path in snapshot.files}
    if len(roots) != 1:
        raise BadRequest(f"The files of a model lie below one folder, or there is only one; these are {len(roots)}")
    if len(snapshot.files) > FILES_MAX:
        raise TooLarge(f"A model has {FILES_MAX} files at most", maximum=FILES_MAX)
    return roots.pop()


def _stored(documents: DocumentStore, said: str) -> Stored:
    name, version = split_name(said)
    if version == LATEST:
        known = [one for one in documents.list(MODELS, f"{name}:") if _is_there(one)] if name else []
        stored = known[-1] if known else None
    else:
        stored = _version(documents, name, version)
    if stored is None:
        raise NotFound(_not_there(documents, name, version), kind="model", name=said[:80])
    return stored


def _version(documents: DocumentStore, name: str, version: str) -> Stored | None:
    if not (version.isascii() and version.isdecimal()):
        return None
    digits = version.lstrip("0")
    stored = documents.get(MODELS, _key(name, int(digits))) if 0 < len(digits) <= _VERSION_DIGITS else None
    return stored if stored is not None and _is_there(stored) else None


def _not_there(documents: DocumentStore, name: str, version: str) -> str:
    known = [one for one in documents.list(MODELS, f"{name}:") if _is_there(one)] if name else []
    if known and version != LATEST:
        return f"Model '{name[:80]}' has no version '{version[:80]}' (the newest is {_number(known[-1])})"
    there = sorted({one.name.rpartition(":")[0] for one in documents.list(MODELS) if _is_there(one)})
    more = f" and {len(there) - 20} more" if len(there) > 20 else ""
    return f"There is no model '{name[:80]}' (there: {', '.join(there[:20]) or 'none'}{more})"


def _is_there(stored: Stored) -> bool:
    return _DELETED not in stored.body


def _number(stored: Stored) -> int:
    return int(stored.body["version"])


def _model(stored: Stored) -> RegisteredModel:
    body: Document = {name: value for name, value in stored.body.items() if name != _ONCE}
    return RegisteredModel.model_validate(body)


def _key(name: str, version: int) -> str:
    return f"{name}:{version:0{_VERSION_DIGITS}d}"  # zeros, so that versions sort as numbers do
