"""Runs as MLflow's client knows them: which run of ours is meant, and whether it is within reach of who asks."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from api.access import Caller
from api.mlflow.shapes import CreateRun
from api.reach import Reach, check_reach
from api.service import Service
from canalis.contract.errors import AlreadyExists, Conflict, NotFound, NotSupported
from canalis.contract.layout import artifacts, of_run
from canalis.contract.mlflow_ids import RUNS, child_of, mlflow_id, named
from canalis.contract.ports import Document, Run, Stored
from canalis.contract.run import StepRunId
from orchestrator import step_views, views

PARENT_TAG = "mlflow.parentRunId"
_OF_MLFLOW = "mlflow."  # how tags begin that MLflow sets by itself
_TRIES = 8
_HEX = 3


@dataclass(frozen=True, slots=True)
class Tracked:
    """A run that MLflow's client has named.

    run          of ours: a pipeline run or the run of a step
    owner        under which its metrics and files lie
    child        the run that a script began below it; "" for the run itself
    experiment   of the run
    """

    run: str
    owner: StepRunId
    child: str
    experiment: str

    @property
    def id(self) -> str:
        """What MLflow calls it, with the attempt."""
        return mlflow_id(self.run, self.child)

    @property
    def prefix(self) -> str:
        """How the names of its values begin on the run of ours, and the paths of its files there."""
        return f"{self.child}/" if self.child else ""

    @property
    def files(self) -> str:
        """Prefix of the keys of its files."""
        return artifacts(self.owner) + self.prefix


def tracked(here: Service, who: Caller, identity: str, reach: Reach) -> Tracked:
    """The run that is meant. Raises NotFound where there is none, or it is beyond the reach of a script that asks."""
    meant = named(identity)
    if who.run is not None:
        check_reach(here.ports, who.run, reach, meant.run)
    found = views.find(here.ports, meant.run)
    if isinstance(found, Run):
        return Tracked(found.run_id, of_run(found.run_id), "", found.request.experiment)
    if meant.child and here.ports.documents.get(RUNS, mlflow_id(str(found), meant.child)) is None:
        raise NotFound(f"There is no run {identity}", kind="run", name=identity)
    owner = step_views.maker_of(here.ports, found)
    return Tracked(str(found), owner, meant.child, here.ports.runs.load(found.run_id).request.experiment)


def known_of(here: Service, run: Tracked) -> Document:
    """What only MLflow knows of a run."""
    found = here.ports.documents.get(RUNS, run.id)
    return found.body if found else {}


def remember(here: Service, run: Tracked, news: dict[str, Any], added: dict[str, list[Any]] | None = None) -> None:
    """Write down what only MLflow knows of a run: `news` in the place of what was known, `added` behind it."""
    mask = here.ports.vault.mask()
    news, added = mask.hidden_in(news), mask.hidden_in(added or {})
    for _ in range(_TRIES):
        known: Stored | None = here.ports.documents.get(RUNS, run.id)
        body = dict(known.body) if known else {}
        body |= news | {part: [*body.get(part, []), *more] for part, more in added.items()}
        with suppress(Conflict):
            here.ports.documents.put(RUNS, run.id, body, etag=known.etag if known else None, if_absent=known is None)
            return
    raise Conflict(f"{run.id} was changed by others {_TRIES} times in a row", name=run.id)


def begin_child(here: Service, who: Caller, asked: CreateRun) -> Tracked:
    """A run below the step that a script runs in, or below the run that it names as its parent.

    Its values land on the step's run under its name. Raises NotSupported where there is no step to put it below.
    """
    tags = {tag.key: tag.value for tag in asked.tags}
    parent = tags.get(PARENT_TAG) or (str(who.run) if who.run else "")
    if not parent:
        raise NotSupported(
            "Runs begin here when a pipeline is submitted, not with mlflow.start_run() from outside. Log within a "
            "step, where start_run() finds the step's run, or say start_run(run_id=...) for a run that is there"
        )
    above = tracked(here, who, parent, Reach.OWN)
    if StepRunId.parse(above.run) is None:
        raise NotSupported(
            f"{above.run} is the run of a pipeline, below which there are its steps alone: name the run of a step "
            f"as the parent, or log on it with start_run(run_id='{above.run}')"
        )
    mask = here.ports.vault.mask()
    name = mask.hidden_in(asked.run_name or tags.get("mlflow.runName", ""))
    body = {
        "user": asked.user_id,
        "status": "RUNNING",
        "start_time": asked.start_time,
        "tags": {key: value for key, value in tags.items() if key.startswith(_OF_MLFLOW)},
    }
    return _new_child(here, above, name, mask.hidden_in(body))


def _new_child(here: Service, above: Tracked, name: str, body: Document) -> Tracked:
    """Keep a child under its name, or one like it where another of that name is there."""
    wanted = "-".join(filter(None, (above.child, child_of(name))))
    label = wanted if child_of(name) else _with_chance(wanted or "child")
    for _ in range(_TRIES):
        found = Tracked(above.run, above.owner, label, above.experiment)
        with suppress(Conflict):
            here.ports.documents.put(RUNS, found.id, body | {"name": name or label}, if_absent=True)
            return found
        label = _with_chance(wanted)
    raise AlreadyExists(f"{above.id} has too many runs of the name '{name}' below it: name them otherwise")


def _with_chance(label: str) -> str:
    return f"{label}-{secrets.token_hex(_HEX)}"
