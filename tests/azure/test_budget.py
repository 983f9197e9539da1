"""What a step costs, counted where it would be billed: at the proxies in front of the storage, and at the bus.

These are counts, so they are the same on any machine. Benchmarks (`python -m benchmarks --only azure`) have the times.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.azure.conftest import needs_stack

needs_stack()

import httpx2  # noqa: E402

from benchmarks.workloads import Edges, chain, fan_out  # noqa: E402
from canalis.contract.costs import CostView  # noqa: E402
from canalis.contract.status import RunStatus  # noqa: E402
from tests.azure.door import AzureDoor  # noqa: E402

REQUESTS_MAX = 4  # of a step: its claim, the look at its run, the commit that ends it, and what it sent is taken out
MESSAGES_MAX = 2  # of a step: its order, and the news of its end
ENDS = {"query": 1, "get": 1, "insert": 1}  # of a run: what was asked for; and its cost, read and written


@dataclass(frozen=True)
class Spent:
    """What one run of stub steps has cost, without its submission, which tests make past the proxies.

    tables, blobs   requests by kind
    messages        that were sent
    transfers       in which they were sent
    """

    run_id: str
    tables: dict[str, int]
    blobs: dict[str, int]
    messages: int
    transfers: int

    @property
    def requests(self) -> int:
        return sum(self.tables.values())


def spent_on(door: AzureDoor, edges: Edges) -> Spent:
    stack = door.stack
    before = sent(door)
    stack.tables.reset()
    stack.blobs.reset()
    run = door.ends(door.submits(edges).run_id)
    stack.host.wait_until(lambda: is_still(door))
    assert run.state.status is RunStatus.COMPLETED
    messages, transfers = (now - then for now, then in zip(sent(door), before, strict=True))
    of_ours = [proxy.counts().requests.get("canalis", {}) for proxy in (stack.tables, stack.blobs)]
    return Spent(run.run_id, *of_ours, messages, transfers)


def sent(door: AzureDoor) -> tuple[int, int]:
    counts = door.stack.bus.counts().values()
    return sum(one["messages"] for one in counts), sum(one["transfers"] for one in counts)


def is_still(door: AzureDoor) -> bool:
    """Whether nothing is under way: the last thing that is done for a run comes after its end."""
    is_idle = all(not one.get("running", 0) for one in door.stack.host.counts().values())
    return is_idle and all(one.active + one.locked == 0 for one in door.stack.bus.queues().values())


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    with AzureDoor(tmp_path_factory.mktemp("budget"), timers=False) as door:
        door.ends(door.submits(chain(1)).run_id)
        yield door


def test_a_step_of_a_chain_costs_four_requests_and_two_messages(door):
    spent = spent_on(door, chain(50))
    steps = {"insert": 50, "get": 50, "batch": 50, "delete": 49}  # the last commit sends nothing
    assert spent.tables == {kind: steps.get(kind, 0) + ENDS.get(kind, 0) for kind in steps | ENDS}
    assert spent.requests - sum(ENDS.values()) <= 50 * REQUESTS_MAX
    assert spent.messages == spent.transfers == 50 * MESSAGES_MAX
    assert sum(spent.blobs.values()) <= 1  # the graph, by a process that has not seen it


def test_steps_that_end_together_cost_less_than_those_of_a_chain(door):
    edges = fan_out(200)
    spent = spent_on(door, edges)
    steps = len(edges)
    assert spent.tables["insert"] == steps + 1  # each step is claimed by itself,
    assert steps <= spent.tables["get"] <= steps + 8  # and looks at its run; side by side, some also ask what it is
    assert spent.requests < 0.75 * REQUESTS_MAX * steps
    assert spent.messages <= 1.02 * MESSAGES_MAX * steps  # a commit that is full sends itself on
    assert spent.transfers < 0.75 * MESSAGES_MAX * steps  # orders that follow together travel together


def test_what_a_run_is_said_to_have_cost_is_what_the_storage_was_asked(door):
    for edges in (chain(10), fan_out(30)):
        spent = spent_on(door, edges)
        headers = {"Authorization": f"Bearer {door.token('Reader')}"}
        answer = httpx2.get(f"{door.url}/api/v1/runs/{spent.run_id}/cost", headers=headers)
        cost = CostView.model_validate_json(answer.content)
        assert cost.is_final
        assert cost.table_operations == spent.requests, (cost, spent)
        assert cost.messages == spent.messages - len([1 for before in edges if not before])  # those of the submission


def test_a_run_that_goes_from_instance_to_instance_costs_a_look_more_for_each_change(tmp_path):
    """Who has not written last looks again before it writes: a request for each step that comes from elsewhere."""
    with AzureDoor(tmp_path, timers=False, instances=2) as door:
        door.ends(door.submits(chain(1)).run_id)
        spent = spent_on(door, chain(50))
        assert spent.messages == 50 * MESSAGES_MAX
        assert (spent.tables["insert"], spent.tables["delete"]) == (51, 49)
        assert spent.tables["batch"] == 50  # nobody else writes meanwhile, so no commit is lost
        assert 0 <= spent.tables["get"] - 51 <= 50
        assert spent.requests <= 50 * (REQUESTS_MAX + 1) + sum(ENDS.values()) + 1  # each asks what was asked for
