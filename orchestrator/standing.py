"""How the steps of a run stand, for who looks again and again. Reads only; costs two small reads, whatever the run."""

from __future__ import annotations

from collections import OrderedDict

from canalis.contract.graphs import stored_graph
from canalis.contract.ports import Ports
from canalis.contract.status import Phase, StepStatus
from canalis.contract.views import PictureView, StandingView
from orchestrator.picture import picture

_DRAWN_MAX = 16
_drawn: OrderedDict[str, PictureView] = OrderedDict()
_WORDS = [status.name.lower() for status in StepStatus]


def standing(ports: Ports, run_id: str, seen: str = "") -> StandingView:
    """How each step stands; without the steps when the mark is still the one that was `seen`."""
    run = ports.runs.load(run_id)
    at_work = []
    if not run.state.status.is_terminal:
        places = stored_graph(ports.blobs, run.request.graph).places
        live = ports.runs.attempts(run_id, live=True)
        at_work = sorted(places[one.key.node] for one in live if one.facts.get("phase") == Phase.RUNNING.value)
    mark = f"{run.version}:{run.state.status.value}:{'.'.join(map(str, at_work))}"
    steps = [] if mark == seen else list(run.state.steps)
    return StandingView(mark=mark, status=run.state.status.value, words=_WORDS, steps=steps, at_work=at_work)


def picture_of(ports: Ports, graph: str) -> PictureView:
    """The drawing of a graph that is stored. The last ones are remembered, since graphs never change."""
    known = _drawn.get(graph)
    if known is None:
        known = _drawn[graph] = picture(stored_graph(ports.blobs, graph), graph)
        while len(_drawn) > _DRAWN_MAX:
            _drawn.popitem(last=False)
    return known
