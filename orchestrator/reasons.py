"""Why each step of a run runs, or does not: told before the run, and of any run later.

    planned(ports, asked, computes)   of a run that nobody has submitted
    reasons_of(ports, run)            of one that somebody has

What has changed is found by comparing with the latest run of the experiment in which the step ran or was reused: not
with one that failed before it. It is never kept: it is told when somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from canalis.contract.errors import NotFound
from canalis.contract.graph import Node
from canalis.contract.graphs import stored_graph
from canalis.contract.masking import Mask
from canalis.contract.ports import Ports, Run, RunQuery
from canalis.contract.reasons import ChangeView, ReasonView, Why
from canalis.contract.reuse import SOURCE, Change, changes
from canalis.contract.run import RunRequest, check_experiment_name
from canalis.contract.snapshots import SnapshotFile, stored_snapshot
from canalis.contract.status import StepStatus
from orchestrator.reuse import consider, remembered
from orchestrator.settled import Settled
from orchestrator.submit import Submission

THIS_RUN = "this-run"  # the id of one that there is not yet
_RUNS_MAX = 10  # before it, in which a step is looked for
_HASH_SIGNS = 12


def planned(ports: Ports, asked: Submission, settled: Settled) -> list[ReasonView]:
    """What would run if this were submitted now, in the order of the graph."""
    request = RunRequest(
        experiment=check_experiment_name(asked.experiment),
        graph="",
        parameters=settled.parameters,
        regenerate_outputs=asked.regenerate_outputs,
        interpreter=asked.interpreter,
        default_datastore=asked.graph.default_datastore or "workspaceblobstore",
    )
    considered = consider(ports, THIS_RUN, request, asked.graph)
    verdicts = {key: found.as_document() for key, found in considered.verdicts.items()}
    return _told(ports, asked.experiment, None, verdicts)


def reasons_of(ports: Ports, run: Run, node: str | None = None) -> list[ReasonView]:
    """Why the steps of a run ran or did not, or one of them. Raises NotFound where nothing was kept of it."""
    verdicts = remembered(ports, run.run_id)
    if not verdicts:
        graph = stored_graph(ports.blobs, run.request.graph)
        if not any(one.settings.reuse for one in graph.nodes):
            return [_always_runs(one) for one in graph.nodes if node in (None, one.key)]
        raise NotFound(
            f"It is not known why the steps of run {run.run_id} ran: it was submitted before that was kept",
            kind="reasons",
            name=run.run_id,
        )
    wanted = {key: found for key, found in verdicts.items() if node in (None, key)}
    return _told(ports, run.request.experiment, run.request.submitted_at, wanted)


def _told(ports: Ports, experiment: str, before: float | None, verdicts: Mapping[str, Any]) -> list[ReasonView]:
    past = _Past(ports, experiment, before)
    mask = ports.vault.mask()
    return [_reason(past, mask, key, verdict) for key, verdict in verdicts.items()]


def _reason(past: _Past, mask: Mask, key: str, verdict: Mapping[str, Any]) -> ReasonView:
    why: Why = verdict["why"]
    made_of = verdict["made_of"]
    compared_with, found = None, list[Change]()
    if why in ("new", "switched_off"):
        compared_with, earlier = past.of(key, made_of["name"])
        found = past.in_words(changes(earlier, made_of)) if compared_with else []
    if why == "new" and compared_with and found:
        why = "changed"
    view = ReasonView(
        node=key,
        name=made_of["name"],
        runs=verdict["kept"] is None,
        why=why,
        reused_from=verdict["kept"],
        compared_with=compared_with,
        changes=tuple(
            ChangeView(name=one.name, before=_hidden(mask, one.before), now=_hidden(mask, one.now)) for one in found
        ),
        lost=tuple(verdict["lost"]),
        fingerprint=verdict["fingerprint"],
    )
    return view.model_copy(update={"said": _sentence(view)})


def _always_runs(node: Node) -> ReasonView:
    view = ReasonView(node=node.key, name=node.name, runs=True, why="switched_off")
    return view.model_copy(update={"said": _sentence(view)})


def _sentence(view: ReasonView) -> str:
    """What a reason comes to, for people."""
    before = f"run {view.compared_with.partition('.')[0][:8]}" if view.compared_with else ""
    match view.why:
        case "reused":
            return f"reused from run {str(view.reused_from).partition('.')[0][:8]}"
        case "changed":
            names = [change.name for change in view.changes[:3]]
            more = f" and {len(view.changes) - 3} more" if len(view.changes) > 3 else ""
            return f"runs: {', '.join(names)}{more} changed since {before}"
        case "switched_off":
            return "runs: allow_reuse=False"
        case "regenerated":
            return "runs: regenerate_outputs=True"
        case "resumed":
            return "runs: it was not kept of the run that this one goes on from"
        case "data":
            return "runs: files have changed that its schedule watches"
        case "unfinished":
            return "runs: the run that makes the same has not succeeded"
        case "gone":
            return f"runs: what an earlier run left in {', '.join(view.lost)} is not there any more as it was"
        case "new":
            return "runs: nobody has made this before"


class _Past:
    """The runs of an experiment before one, newest first, each read once."""

    def __init__(self, ports: Ports, experiment: str, before: float | None) -> None:
        self._ports = ports
        self._query = RunQuery(experiment=experiment, before=before, limit=_RUNS_MAX)
        self._runs: list[tuple[str, dict[str, Any]]] | None = None

    def of(self, key: str, name: str) -> tuple[str | None, dict[str, str]]:
        """The latest step run of that key, or else of that name, with its ingredients."""
        if self._runs is None:
            found = self._ports.runs.find(self._query)
            self._runs = [(run.run_id, _begun(run, remembered(self._ports, run.run_id))) for run in found]
        for run_id, verdicts in self._runs:
            alike = [other for other, verdict in verdicts.items() if verdict["made_of"]["name"] == name]
            same = key if key in alike else next(iter(alike), None)
            if same is not None:
                return f"{run_id}.{same}", verdicts[same]["made_of"]
        return None, {}

    def in_words(self, found: Iterable[Change]) -> list[Change]:
        """The same changes, with the files in the place of a whole source folder."""
        told: list[Change] = []
        for change in found:
            told += self._of_files(change) if change.name == SOURCE and change.before and change.now else [change]
        return told

    def _of_files(self, change: Change) -> list[Change]:
        try:
            before = stored_snapshot(self._ports.blobs, str(change.before)).files
            now = stored_snapshot(self._ports.blobs, str(change.now)).files
        except NotFound:
            return [change]
        return changes(_texts(before), _texts(now))


def _begun(run: Run, verdicts: Mapping[str, Any]) -> dict[str, Any]:
    """The verdicts on those steps of a run that began, or that an earlier result stands in for."""
    return {
        key: verdict
        for place, (key, verdict) in enumerate(verdicts.items())  # as Considered has them: in the order of the graph
        if run.state.step(place) not in (StepStatus.WAITING, StepStatus.READY, StepStatus.SKIPPED)
    }


def _texts(files: Mapping[str, SnapshotFile]) -> dict[str, str]:
    return {
        f"file {path}": file.sha256[:_HASH_SIGNS] + (", executable" if file.executable else "")
        for path, file in files.items()
    }


def _hidden(mask: Mask, text: str | None) -> str | None:
    return None if text is None else mask.hidden(text)
