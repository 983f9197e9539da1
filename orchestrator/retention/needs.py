"""Who needs which runs: other runs, registered models and datasets, published pipelines and drafts.

    needs = survey(ports)
    needs.of(run, places, going)   who needs it beside those that go with it

Nothing is decided on an old survey: what is to go was put out of sight before, so that nobody can come to need it, and
a survey that began after that tells who did until then.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from canalis.contract.datasets import DATASETS
from canalis.contract.drafts import DRAFTS
from canalis.contract.errors import NotFound
from canalis.contract.graph import DataPathValue, DatasetValue, FromParameter, FromStep, Graph, ParameterValue
from canalis.contract.graphs import stored_graph
from canalis.contract.models import RegisteredModel
from canalis.contract.patterns import escaped, is_pattern, listing_prefix
from canalis.contract.places import Place, input_places, tidy
from canalis.contract.ports import Document, Ports, Run
from canalis.contract.published import PUBLISHED
from canalis.contract.run import RunRequest, StepRunId
from canalis.contract.schedules import SCHEDULES
from orchestrator import models


@dataclass(frozen=True, slots=True)
class Use:
    """Somebody needs a run.

    by      who, in words
    run     id of the run that does; "" for others
    data    whether what its steps have written is needed, and not only what is known of it
    """

    by: str
    run: str = ""
    data: bool = False


@dataclass(frozen=True, slots=True)
class Brief:
    """What of a run counts here."""

    run_id: str
    experiment: str
    graph: str
    submitted_at: float
    ended_at: float | None


@dataclass(slots=True)
class Needs:
    """Who needs what, as it was found.

    runs     those that are seen, by id; `hidden` those that are not, with the time since when
    graphs   ids of all graphs that something names; `snapshots` those of models, beside what graphs name
    """

    runs: dict[str, Brief] = field(default_factory=dict)
    hidden: dict[str, tuple[Brief, float]] = field(default_factory=dict)
    graphs: set[str] = field(default_factory=set)
    snapshots: set[str] = field(default_factory=set)
    _uses: dict[str, list[Use]] = field(default_factory=lambda: defaultdict(list))
    _read: dict[str, dict[str, Use]] = field(default_factory=lambda: defaultdict(dict))  # by datastore and path
    _sorted: dict[str, list[str]] = field(default_factory=dict)

    def of(self, run_id: str, places: Iterable[Place] = (), going: Collection[str] = ()) -> list[Use]:
        """Who needs a run.

        places   that are its own
        going    ids of runs that do not count, since they go with it
        """
        found = [*self._uses.get(run_id, ()), *(use for place in places for use in self._readers(place))]
        return [use for use in dict.fromkeys(found) if use.run != run_id and use.run not in going]

    def below(self, run_id: str) -> list[str]:
        """Ids of the runs that its steps have submitted, and that theirs have."""
        found, ahead = list[str](), [run_id]
        while ahead:
            children = [use.run for use in self._uses.get(ahead.pop(), ()) if use.run and not use.data]
            ahead += children
            found += children
        return found

    def users_first(self, run_ids: Iterable[str]) -> list[str]:
        """The same runs, each behind those of them that need it: what is decided in this order is decided once."""
        chosen = dict.fromkeys(run_ids)
        users = {one: [use.run for use in self._uses.get(one, ()) if use.run in chosen] for one in chosen}
        return list(TopologicalSorter(users).static_order())

    def add(self, run: Run, hidden_at: float | None = None) -> None:
        """Count a run in."""
        request = run.request
        brief = Brief(run.run_id, request.experiment, request.graph, request.submitted_at, run.ended_at)
        if hidden_at is None:
            self.runs[run.run_id] = brief
        else:
            self.hidden[run.run_id] = brief, hidden_at
        self.graphs.add(request.graph)
        if request.parent:
            self.need(request.parent, Use(f"run {run.run_id}, which it has submitted", run.run_id))
        for maker in {_run_of(kept) for kept in request.kept.values()}:
            self.need(maker, Use(f"run {run.run_id}, for which its results stand in", run.run_id, data=True))

    def need(self, run: str, use: Use) -> None:
        """Count in who needs a run, or the run of a step run."""
        self._uses[_run_of(run)].append(use)

    def read(self, place: Place, use: Use) -> None:
        """Count in who needs what lies at a place, whose path may be a pattern."""
        path = listing_prefix(place.path)
        if is_pattern(place.path):
            path = path.rpartition("/")[0]
        self._read[place.datastore].setdefault(tidy(path), use)
        self._sorted.pop(place.datastore, None)

    def _readers(self, place: Place) -> Iterator[Use]:
        """Who needs what lies at a place, above it or below it."""
        read = self._read.get(place.datastore)
        if not read:
            return
        ordered = self._sorted.setdefault(place.datastore, sorted(read))
        parts = place.path.split("/")
        above = ["", *("/".join(parts[:end]) for end in range(1, len(parts) + 1))]
        yield from (read[path] for path in above if path in read)
        below = f"{place.path}/"
        for at in range(bisect_left(ordered, below), len(ordered)):
            if not ordered[at].startswith(below):
                return
            yield read[ordered[at]]


def survey(ports: Ports) -> Needs:
    """Look at everything that may need a run, or name a graph or a snapshot. It takes a while."""
    needs = Needs()
    for run in ports.runs.every():
        needs.add(run)
        if not run.state.status.is_terminal:
            use = Use(f"run {run.run_id}, which has not ended", run.run_id, data=True)
            with suppress(NotFound):
                _reads(needs, stored_graph(ports.blobs, run.request.graph), run.request, use)
    for run, since in ports.runs.hidden():
        needs.add(run, since)
    _pipelines(ports, needs)
    for stored in ports.documents.list(DATASETS):
        for place in stored.body["places"]:
            use = Use(f"dataset '{stored.body['name']}' in version {stored.body['version']}", data=True)
            needs.read(Place(place["datastore"], place["path"]), use)
    for model in models.listed(ports.documents):
        _model(needs, model)
    return needs


def _pipelines(ports: Ports, needs: Needs) -> None:
    for kind, words in ((PUBLISHED, "published pipeline"), (DRAFTS, "draft")):
        for stored in ports.documents.list(kind):
            graph_id, name = stored.body["graph"], stored.body.get("name", "")
            needs.graphs.add(graph_id)
            with suppress(NotFound):  # somebody has taken its graph away
                graph = stored_graph(ports.blobs, graph_id)
                values = {one.name: one.default for one in graph.parameters} | _given(stored.body)
                known: Document = {"experiment": "e", "graph": graph_id}
                known |= {"default_datastore": graph.default_datastore} if graph.default_datastore else {}
                request = RunRequest.model_validate(known).model_copy(update={"parameters": values})
                _reads(needs, graph, request, Use(f"{words} '{name}' ({stored.name})", data=True))
    for stored in ports.documents.list(SCHEDULES):
        name = stored.body.get("name") or stored.name
        _values(needs, _given(stored.body).values(), Use(f"schedule '{name}'", data=True))


def _given(body: Document) -> dict[str, ParameterValue]:
    """The values of parameters that a document has."""
    known = {"experiment": "e", "graph": "", "parameters": body.get("parameters") or {}}
    return RunRequest.model_validate(known).parameters


def _model(needs: Needs, model: RegisteredModel) -> None:
    needs.snapshots.add(model.snapshot)
    words = f"model '{model.id}'"
    if model.run:
        needs.need(model.run, Use(words))
    values = [one.dataset for one in model.datasets]
    values += [one for one in (model.sample_input, model.sample_output) if one is not None]
    _values(needs, values, Use(words, data=True))


def _reads(needs: Needs, graph: Graph, request: RunRequest, use: Use) -> None:
    """Count in what a graph reads that none of its steps makes."""
    for node in graph.nodes:
        for port in node.inputs:
            if not isinstance(port.source, (FromStep, FromParameter)):
                for place in input_places(request, port.source):
                    needs.read(place, use)
    _values(needs, request.parameters.values(), use)


def _values(needs: Needs, values: Iterable[ParameterValue], use: Use) -> None:
    """Count in what values of parameters name."""
    for value in values:
        if isinstance(value, DatasetValue):
            for place in value.places:
                needs.read(Place(place.datastore, place.path), use)
        elif isinstance(value, DataPathValue):
            needs.read(Place(value.datastore, escaped(value.path)), use)


def _run_of(name: str) -> str:
    """The run of a step run, or the run itself."""
    step = StepRunId.parse(name)
    return step.run_id if step else name
