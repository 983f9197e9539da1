"""Words for telling stories about runs: graphs drawn as text, events that happened to them."""

from __future__ import annotations

from itertools import pairwise

from canalis.contract.graph import FromStep, Graph, Input, Node, Output, PythonWork, Settings
from canalis.contract.messages import Event, Message, StartStep, StepEnded
from canalis.contract.run import ComputeChoice, RunRequest, RunState
from canalis.contract.status import Outcome, StepStatus
from orchestrator.decide import apply, decide
from orchestrator.plan import Plan, first_state, make_plan

RUN = "7f3c0000-aaaa"


def a_graph(*lines: str, retries: int = 0, rest_s: float = 0.0, data: bool = False) -> Graph:
    """A graph from lines such as "prep > train > score": each step runs after the one before it.

    data   whether steps also hand each other data, instead of only their order
    """
    after: dict[str, list[str]] = {}
    for line in lines:
        names = [name.strip() for name in line.split(">")]
        for name in names:
            after.setdefault(name, [])
        for before, name in pairwise(names):
            if before not in after[name]:
                after[name].append(before)
    settings = Settings(retries=retries, retry_rest_s=rest_s, reuse=False)  # what a story tells happens in each run
    return Graph(nodes=tuple(_node(name, before, settings, data) for name, before in after.items()))


def _node(name: str, before: list[str], settings: Settings, data: bool) -> Node:
    return Node(
        key=name,
        name=name,
        work=PythonWork(script=f"{name}.py"),
        inputs=tuple(Input(name=f"from_{b}", source=FromStep(node=b, output="out")) for b in before if data),
        outputs=(Output(name="out"),) if data else (),
        after=() if data else tuple(before),
        settings=settings,
    )


def a_request(graph_id: str = "g", **changes: object) -> RunRequest:
    """A request for a run of a graph whose steps name no compute target."""
    known: dict[str, object] = {
        "experiment": "e",
        "graph": graph_id,
        "computes": {"": ComputeChoice(backend="process")},
    }
    return RunRequest.model_validate(known | changes)


def a_plan(graph: Graph, **changes: object) -> Plan:
    """The plan of a run of that graph."""
    return make_plan(RUN, a_request(**changes), graph)


def ended(node: str, attempt: int = 1, outcome: Outcome = Outcome.SUCCEEDED) -> StepEnded:
    """The news that an attempt ended."""
    return StepEnded(run_id=RUN, node=node, attempt=attempt, outcome=outcome)


def failed(node: str, attempt: int = 1) -> StepEnded:
    """The news that an attempt failed."""
    return ended(node, attempt, Outcome.FAILED)


def tell(graph: Graph, *events: Event, **changes: object) -> tuple[Story, list[str]]:
    """What became of a run after these events, and which steps were started, in order."""
    story = Story(a_plan(graph, **changes))
    for event in events:
        story.hear(event)
    return story, story.started


class Story:
    """A run that hears events, with no storage and no bus."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.sent: list[Message] = []
        self.delays: list[float] = []
        self.state: RunState = first_state(plan)
        self._settle()

    def hear(self, event: Event) -> None:
        """One event, and everything that follows from it."""
        self.state = apply(self.plan, self.state, event)
        self._settle()

    @property
    def started(self) -> list[str]:
        """Names of the steps that were ordered to start, in order."""
        return [message.node for message in self.sent if isinstance(message, StartStep)]

    @property
    def status(self) -> str:
        """How the run stands."""
        return self.state.status.value

    def step(self, name: str) -> StepStatus:
        """How a step stands."""
        return self.state.step(self.plan.index[name])

    def _settle(self) -> None:
        while True:
            after, sends = decide(self.plan, self.state)
            self.sent += [send.message for send in sends]
            self.delays += [send.delay_s for send in sends]
            if after is self.state:
                return
            self.state = after
