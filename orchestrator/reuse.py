"""Which steps of a run an earlier result stands in for, decided for the whole run before anything of it runs.

    considered = consider(ports, run_id, request, graph)    what runs, what does not, and why
    considered.kept                                         goes into the request; the walk knows what it means
    remember(ports, run_id, considered)                     so that later runs find what this one makes

A step that runs has a new identity, and its identity is an ingredient of all that reads from it. So a result is only
ever taken together with everything that it was made from, and what is planned is what happens.

Nothing hangs on what is remembered: what is lost of it is made once more.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from typing import Any

from pydantic_core import to_json

from canalis.contract.errors import NotFound, NotSupported, WorldError
from canalis.contract.graph import FromStep, Graph, Node
from canalis.contract.graphs import stored_graph
from canalis.contract.layout import MADE_OF, of_run, records
from canalis.contract.places import content_of, input_places, output_place, still_lies
from canalis.contract.ports import AttemptKey, Document, Ports, Run
from canalis.contract.reasons import Why
from canalis.contract.reuse import MADE, Ingredients, fingerprint, ingredients
from canalis.contract.run import RunRequest, StepRunId
from canalis.contract.status import StepStatus
from orchestrator.retention.cleared import is_cleared

_log = logging.getLogger("canalis.orchestrator")

_MAKERS_MAX = 3  # that are remembered: the newest may fail where one before it has succeeded

_LOOKED_UP = ("new", "regenerated", "resumed", "data")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a step runs.

    made_of      its ingredients, with their name in `fingerprint`
    made_by      <run>.<node> of the step that makes what it leaves: its own, or an earlier run's
    kept         the step run that stands in for it; None when it runs
    why          reused; new: nobody has made this yet; switched_off for itself, or regenerated in this run,
                 or resumed: a run that goes on from another runs all that it does not keep;
                 data: its run was started since files had changed, which no fingerprint sees;
                 unfinished: who makes it has not succeeded; gone: what an earlier run left is not there as it was
    lost         names of the outputs that are gone
    others       earlier steps that make the same
    """

    node: str
    made_of: Ingredients
    fingerprint: str
    made_by: str
    kept: StepRunId | None = None
    why: Why = "new"
    lost: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def as_document(self) -> Document:
        """As it is kept with the run."""
        said: Document = {"made_of": dict(self.made_of), "fingerprint": self.fingerprint, "made_by": self.made_by}
        said |= {"why": self.why, "lost": list(self.lost)}
        return said | {"kept": str(self.kept) if self.kept else None}


@dataclass(frozen=True, slots=True)
class Considered:
    """The verdicts on all steps of a run, by key."""

    verdicts: Mapping[str, Verdict]

    @property
    def kept(self) -> dict[str, str]:
        """By node, the step run that stands in for the step."""
        return {key: str(found.kept) for key, found in self.verdicts.items() if found.kept is not None}


def consider(ports: Ports, run_id: str, request: RunRequest, graph: Graph) -> Considered:
    """What of a run that is not submitted yet would run. What was decided before, in `request.kept`, is held to.

    run_id   that the run would have: what its steps make is not what others have made
    """
    search = _Search(ports)
    verdicts: dict[str, Verdict] = {}
    made_by: dict[str, str] = {}
    sorter = TopologicalSorter({node.key: node.predecessors() for node in graph.nodes})
    sorter.prepare()
    while level := sorter.get_ready():
        found = [_at_first(ports, run_id, request, graph, graph.node(key), made_by) for key in level]
        for verdict in _looked_up(search, graph, found):
            verdicts[verdict.node] = verdict
            made_by[verdict.node] = verdict.made_by
        sorter.done(*level)
    return Considered({node.key: verdicts[node.key] for node in graph.nodes})


def can_reuse(graph: Graph) -> bool:
    """Whether any step may be reused at all: of a run in which none may, nothing is considered and nothing kept."""
    return any(node.settings.reuse for node in graph.nodes)


def remember(ports: Ports, run_id: str, considered: Considered, graph: Graph) -> None:
    """Keep what a run's steps are made of, and where later runs find what those make that run.

    The run goes on without it: what cannot be kept is told in the log.
    """
    try:
        _remember(ports, run_id, considered, graph)
    except WorldError as error:
        _log.warning("what run %s makes will not be reused: %s", run_id, error)


def _remember(ports: Ports, run_id: str, considered: Considered, graph: Graph) -> None:
    made_of = {key: verdict.as_document() for key, verdict in considered.verdicts.items()}
    ports.blobs.put(records(of_run(run_id)) + MADE_OF, to_json(made_of))
    makes = {
        verdict.fingerprint: {"by": [verdict.made_by, *verdict.others][:_MAKERS_MAX]}
        for key, verdict in considered.verdicts.items()
        if verdict.kept is None and graph.node(key).settings.reuse
    }
    if makes:
        ports.documents.put_all(MADE, makes)


def remembered(ports: Ports, run_id: str) -> dict[str, Any]:
    """By node, the documents of the verdicts on a run's steps; none for a run of which nothing is known."""
    try:
        found: dict[str, Any] = json.loads(ports.blobs.get(records(of_run(run_id)) + MADE_OF))
    except NotFound:
        return {}
    return found


def _at_first(
    ports: Ports, run_id: str, request: RunRequest, graph: Graph, node: Node, made_by: Mapping[str, str]
) -> Verdict:
    """The verdict on a step before anything was looked up: that it runs, and why it must."""
    made_of = ingredients(graph, node, request, made_by, _contents(ports, run_id, request, node))
    verdict = Verdict(node.key, made_of, fingerprint(made_of), f"{run_id}.{node.key}")
    if (kept := StepRunId.parse(request.kept.get(node.key, ""))) is not None:
        return replace(verdict, kept=kept, made_by=f"{kept.run_id}.{kept.node}", why="reused")
    if not node.settings.reuse:
        return replace(verdict, why="switched_off")
    if request.resumed_from is not None:
        return replace(verdict, why="resumed")
    if request.origin.changed:
        return replace(verdict, why="data")
    if request.regenerate_outputs:
        return replace(verdict, why="regenerated")
    return verdict


def _contents(ports: Ports, run_id: str, request: RunRequest, node: Node) -> dict[str, str]:
    """What lies at each place that a step reads and no step has made, where that counts."""
    if not node.settings.reuse_by_content:
        return {}
    found = {}
    for port in node.inputs:
        if not isinstance(port.source, FromStep):
            try:
                found[port.name] = content_of(ports.stores, input_places(request, port.source))
            except NotFound:  # a datastore that is gone; the step will say so
                continue
            except NotSupported:  # a database: nobody can tell whether its rows are the same
                found[port.name] = f"rows, as they are for {run_id}"
    return found


def _looked_up(search: _Search, graph: Graph, found: Collection[Verdict]) -> Iterable[Verdict]:
    """The same verdicts, with what earlier runs have made for those steps that it may stand in for."""
    open_ = [verdict for verdict in found if verdict.why in _LOOKED_UP]
    makers = search.makers([verdict.fingerprint for verdict in open_])
    for verdict in found:
        known = makers.get(verdict.fingerprint, ())
        if verdict.why == "new":
            yield search.judged(verdict, graph.node(verdict.node), known)
        else:
            yield replace(verdict, others=tuple(known)) if verdict.why in _LOOKED_UP else verdict


@dataclass(slots=True)
class _Search:
    """Looks for what earlier runs have made, reading nothing twice."""

    ports: Ports
    _runs: dict[str, Run | None] = field(default_factory=dict)
    _left: dict[str, dict[AttemptKey, Document]] = field(default_factory=dict)
    _beside: dict[str, str] = field(default_factory=dict)  # by fingerprint: what was made beside what was found
    _cleared: dict[str, bool] = field(default_factory=dict)
    _known: set[str] = field(default_factory=set)  # ids of the runs in which it was

    def makers(self, fingerprints: Collection[str]) -> dict[str, list[str]]:
        """By fingerprint, the steps that make it, the newest first."""
        beside = {name: [self._beside[name]] for name in fingerprints if name in self._beside}
        return beside | self._stored([name for name in fingerprints if name not in beside])

    def judged(self, verdict: Verdict, node: Node, makers: Iterable[str]) -> Verdict:
        """The verdict, now that it is known who makes the same."""
        found = self._judged(verdict, node, tuple(makers))
        if found.kept is None and verdict.fingerprint in self._beside:
            # Who has made what it reads did not make it, or not so that it is still there: somebody else may have.
            stored = self._stored([verdict.fingerprint])
            return self._judged(verdict, node, tuple(stored.get(verdict.fingerprint, ())))
        return found

    def _stored(self, fingerprints: Collection[str]) -> dict[str, list[str]]:
        stored = self.ports.documents.get_all(MADE, fingerprints) if fingerprints else {}
        return {name: list(body["by"]) for name, body in stored.items()}

    def _judged(self, verdict: Verdict, node: Node, known: tuple[str, ...]) -> Verdict:
        for maker in known:
            made = self._made(maker)
            if made is None:
                verdict = replace(verdict, why="unfinished") if verdict.why == "new" else verdict
                continue
            if lost := self._lost(made, node):
                verdict = replace(verdict, why="gone", lost=tuple(lost))
                continue
            self._look_beside(made.run_id)
            return replace(verdict, kept=made, made_by=f"{made.run_id}.{made.node}", why="reused", lost=())
        return replace(verdict, others=known)

    def _made(self, maker: str) -> StepRunId | None:
        """The step run that has made it; None while there is none, and when it is gone."""
        step = StepRunId.parse(maker)
        run = self._run(step.run_id) if step else None
        if run is None or step is None:
            return None
        try:
            place = stored_graph(self.ports.blobs, run.request.graph).places[step.node]
        except NotFound:
            return None  # somebody has taken its graph away
        return run.maker(step.node, place) if run.state.step(place) is StepStatus.SUCCEEDED else None

    def _lost(self, made: StepRunId, node: Node) -> list[str]:
        """Names of the outputs that are not there any more as that step run left them."""
        if not node.outputs:
            return []
        run = self._run(made.run_id)
        assert run is not None, made
        imprints = self._imprints(made)
        passing = [port.name for port in node.outputs if not port.pipeline_output]
        if passing and self._is_cleared(made.run_id):
            return passing  # part of it may lie there still
        return [
            port.name
            for port in node.outputs
            if not self._is_there(run.request, made, port.name, str(imprints.get(port.name, "")))
        ]

    def _is_there(self, request: RunRequest, made: StepRunId, output: str, imprint: str) -> bool:
        port = stored_graph(self.ports.blobs, request.graph).node(made.node).output(output)
        try:
            return still_lies(self.ports.stores, output_place(request, port, made), imprint)
        except NotFound:
            return False  # its datastore is gone

    def _is_cleared(self, run_id: str) -> bool:
        if run_id not in self._cleared:
            self._cleared[run_id] = is_cleared(self.ports.documents, run_id)
        return self._cleared[run_id]

    def _imprints(self, made: StepRunId) -> Document:
        if made.run_id not in self._left:
            attempts = self.ports.runs.attempts(made.run_id)
            self._left[made.run_id] = {one.key: one.facts.get("left", {}) for one in attempts}
        return self._left[made.run_id].get(AttemptKey(made.run_id, made.node, made.attempt), {})

    def _look_beside(self, run_id: str) -> None:
        """Whoever has made one step has most often made the others: one read for all of them."""
        if run_id in self._known:
            return
        self._known.add(run_id)
        for known in remembered(self.ports, run_id).values():
            self._beside.setdefault(known["fingerprint"], known["made_by"])

    def _run(self, run_id: str) -> Run | None:
        if run_id not in self._runs:
            try:
                self._runs[run_id] = self.ports.runs.load(run_id)
            except NotFound:
                self._runs[run_id] = None
        return self._runs[run_id]
