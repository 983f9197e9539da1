"""Steps that end as soon as they are started, some of them badly: their line says how often."""

from __future__ import annotations

from benchmarks.engine import StubBackend
from benchmarks.workloads import Edges
from canalis.contract.graph import CommandWork, Graph, Node, Settings
from canalis.contract.status import Outcome
from steps.backend import Ended, Work

_OUTCOMES = {"fails": Outcome.FAILED, "is-lost": Outcome.LOST}
RETRIES = 2


class FickleBackend(StubBackend):
    """A step whose line is `fails 2` fails at its first two attempts, `is-lost 1` is lost at the first; others succeed."""

    def start(self, work: Work) -> Ended:
        """As its line says."""
        assert isinstance(work.node.work, CommandWork), work.node
        word, _, times = str(work.node.work.line[0]).partition(" ")
        if word in _OUTCOMES and work.key.attempt <= int(times):
            return Ended(_OUTCOMES[word], 1, error_code="stub", error=f"{word} {times} times")
        return super().start(work)


def fickle_graph(edges: Edges, failing_every: int = 9, lost_every: int = 13) -> Graph:
    """Steps that wait for each other; every so many-th fails once or twice, every so many-th is lost once."""

    def line(number: int) -> str:
        if number % failing_every == 1:
            return f"fails {1 + number % RETRIES}"
        return "is-lost 1" if number % lost_every == 2 else "true"

    return Graph(
        nodes=tuple(
            Node(
                key=f"s{number}",
                name=f"s{number}",
                work=CommandWork(line=(line(number),)),
                after=tuple(f"s{earlier}" for earlier in before),
                settings=Settings(retries=RETRIES, reuse=False),
            )
            for number, before in enumerate(edges)
        )
    )


def ill_fated(graph: Graph) -> dict[str, tuple[Outcome, int]]:
    """Steps of such a graph that do not succeed at once: how their first attempts end, and how many of them."""
    found = {}
    for node in graph.nodes:
        assert isinstance(node.work, CommandWork), node
        word, _, times = str(node.work.line[0]).partition(" ")
        if word in _OUTCOMES:
            found[node.key] = _OUTCOMES[word], int(times)
    return found
