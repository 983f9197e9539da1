"""What a step costs, counted where it would be billed: at the proxies in front of the storage, and at the bus.

These are counts, so they are the same on any machine. Benchmarks (`python -m benchmarks --only azure`) have the times.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.azure.conftest import needs_stack

needs_stack()

import httpx2  # noqa: E402

from benchmarks.workloads import Edges, chain, fan_out  # noqa: E402
from canalis.authentication import TokenAuthentication  # noqa: E402
from canalis.contract.costs import CostView  # noqa: E402
from canalis.contract.messages import WATCH_QUEUE  # noqa: E402
from canalis.contract.status import RunStatus  # noqa: E402
from canalis.dataset import OutputFileDatasetConfig  # noqa: E402
from canalis.experiment import Experiment  # noqa: E402
from canalis.pipeline import Pipeline  # noqa: E402
from canalis.steps import PythonScriptStep  # noqa: E402
from canalis.workspace import Workspace  # noqa: E402
from tests.azure.door import AzureDoor  # noqa: E402
from tests.azure.parts import ROOT  # noqa: E402

REQUESTS_MAX = 4  # of a step: its claim, the look at its run, the commit that ends it, and what it sent is taken out
MESSAGES_MAX = 2  # of a step: its order, and the news of its end
ENDS = {"query": 1, "get": 1, "insert": 1}  # of a run: what was asked for; and its cost, read and written


PASS_ON = """
import argparse, os
asked = argparse.ArgumentParser()
asked.add_argument("--from", dest="source")
asked.add_argument("--to")
given = asked.parse_args()
text = open(os.path.join(given.source, "file.txt")).read() if given.source else "begun"
os.makedirs(given.to, exist_ok=True)
open(os.path.join(given.to, "file.txt"), "w").write(text)
print("passed on")
"""


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
    """Messages about runs. Calls for looks are a few a minute, whatever runs."""
    counts = [one for name, one in door.stack.bus.counts().items() if name != WATCH_QUEUE]
    return sum(one["messages"] for one in counts), sum(one["transfers"] for one in counts)


def said_of(door: AzureDoor, run_id: str) -> CostView:
    headers = {"Authorization": f"Bearer {door.token('Reader')}"}
    answer = httpx2.get(f"{door.url}/api/v1/runs/{run_id}/cost", headers=headers, timeout=60.0)
    return CostView.model_validate_json(answer.content)


def is_still(door: AzureDoor) -> bool:
    """Whether nothing is under way: the last thing that is done for a run comes after its end."""
    is_idle = all(not one.get("running", 0) for one in door.stack.host.counts().values())
    return is_idle and all(one.active + one.locked == 0 for one in door.stack.bus.queues().values())


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    with AzureDoor(tmp_path_factory.mktemp("budget"), timers=False) as door:
        door.stack.bus.faults(WATCH_QUEUE, drop=1.0)  # a look in between is asked for by time, not by a run
        spent_on(door, chain(1))
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
        cost = said_of(door, spent.run_id)
        assert cost.is_final
        assert cost.table_operations == spent.requests, (cost, spent)
        assert cost.messages == spent.messages - len([1 for before in edges if not before])  # those of the submission


def test_a_run_that_goes_from_instance_to_instance_costs_a_look_more_for_each_change(tmp_path):
    """Who has not written last looks again before it writes: a request for each step that comes from elsewhere."""
    with AzureDoor(tmp_path, timers=False, instances=2) as door:
        door.stack.bus.faults(WATCH_QUEUE, drop=1.0)
        spent_on(door, chain(1))
        spent = spent_on(door, chain(50))
        assert spent.messages == 50 * MESSAGES_MAX
        assert (spent.tables["insert"], spent.tables["delete"]) == (51, 49)
        assert spent.tables["batch"] == 50  # nobody else writes meanwhile, so no commit is lost
        assert 0 <= spent.tables["get"] - 51 <= 50
        assert spent.requests <= 50 * (REQUESTS_MAX + 1) + sum(ENDS.values()) + 1  # each asks what was asked for


def of_scripts(door: AzureDoor, source: Path, count: int) -> Counter[str]:
    """What a run costs of scripts each of which reads the file of the one before and writes one."""
    stack = door.stack
    ws = Workspace.get("scenes", auth=TokenAuthentication(lambda audience: door.token()), canalis_url=door.url)
    steps: list[PythonScriptStep] = []
    last: OutputFileDatasetConfig | None = None
    for number in range(count):
        output = OutputFileDatasetConfig(f"file{number}")
        arguments = ["--to", output] + (["--from", last.as_input(f"file{number - 1}")] if last else [])
        name = f"s{number}"
        steps.append(PythonScriptStep("pass_on.py", name, arguments, source_directory=str(source), allow_reuse=False))
        last = output
    (messages, _), executions = sent(door), executed(door)
    stack.tables.reset()
    stack.blobs.reset()
    run = Experiment(ws, "budget").submit(Pipeline(ws, steps=steps), show_output=False)
    ended = door.ends(run.id)
    stack.host.wait_until(lambda: is_still(door))
    assert ended.state.status is RunStatus.COMPLETED, [(one.name, one.get_stdout_log()) for one in run.get_steps()]
    found = Counter({"messages": sent(door)[0] - messages, "executions": executed(door) - executions})
    for name, proxy in (("table", stack.tables), ("blob", stack.blobs)):
        found.update({f"{name}.{kind}": n for kind, n in proxy.counts().requests.get("canalis", {}).items()})
    cost = said_of(door, run.id)
    found.update({"said.table": cost.table_operations, "said.blob": cost.blob_operations})
    return found


def executed(door: AzureDoor) -> int:
    """How often a function was called, those for HTTP aside."""
    return sum(one.get("succeeded", 0) for name, one in door.stack.host.counts().items() if name != "http_app_func")


def test_a_script_with_an_input_and_an_output_costs_what_the_plan_says(tmp_path):
    """The difference between a run of eight such steps and one of two: what a run costs once is not a step's."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "pass_on.py").write_text(PASS_ON)
    with AzureDoor(tmp_path / "stack", timers=False) as door:
        door.stack.bus.faults(WATCH_QUEUE, drop=1.0)
        _, two, eight = [of_scripts(door, tmp_path / "src", count) for count in (2, 2, 8)]
    step = {kind: (eight[kind] - two[kind]) / 6 for kind in sorted({*eight, *two})}
    plan = json.loads((ROOT / "infra" / "plan.json").read_text())["counts"]
    assert step["messages"] == plan["messages_per_step"]
    assert step["executions"] <= plan["executions_per_step"]
    # A listing has the price of a write. On a slow machine a log is copied once more, and what it does is noted.
    assert sum(step[f"blob.{kind}"] for kind in ("put", "appendblock", "list")) <= plan["blob_writes_per_step"] + 1
    assert sum(step[f"blob.{kind}"] for kind in ("get", "head")) <= plan["blob_reads_per_step"]
    # What is secret is asked every few seconds, whatever runs.
    requests = sum(each for kind, each in step.items() if kind.startswith("table.") and kind != "table.list")
    assert requests <= plan["table_operations_per_step"]  # of a step of 10 s; of a short one, what the engine asks
    assert step["said.table"] == pytest.approx(requests)
