"""What compute targets cannot do is said before the run."""

from __future__ import annotations

from canalis.contract.graph import CommandWork, FromStore, Graph, Input, Node, ServiceWork, Settings
from canalis.contract.limits import unfit
from canalis.contract.run import ComputeChoice

HERE = ComputeChoice(backend="process")
INSTANCE = ComputeChoice(backend="process", seconds_max=50.0, has_paths=False)


def node(name: str, **parts: object) -> Node:
    return Node.model_validate({"key": name, "name": name, "work": CommandWork(line=("true",)), **parts})


def told(*nodes: Node, **computes: ComputeChoice) -> list[tuple[str, str]]:
    return [(fault.code, fault.node) for fault in unfit(Graph(nodes=nodes), {"": INSTANCE, **computes}, {})]


def test_a_time_out_longer_than_a_target_allows_is_told():
    long, short = node("long", settings=Settings(timeout_s=51)), node("short", settings=Settings(timeout_s=50))
    assert told(long, short) == [("too_long_there", "long")]


def test_a_step_without_a_time_out_may_try():
    assert told(node("any")) == []


def test_data_cannot_be_shown_at_absolute_paths_of_a_machine_that_is_shared():
    source = FromStore(datastore="d", path="p")
    ports = (
        Input(name="there", source=source, path_on_compute="/data"),
        Input(name="here", source=source, path_on_compute="data"),
    )
    (fault,) = unfit(Graph(nodes=(node("reads", inputs=ports),)), {"": INSTANCE}, {})
    assert (fault.code, fault.node) == ("no_mount_there", "reads")
    assert "'there' of step 'reads' shall be seen at /data" in fault.message


def test_a_step_whose_work_its_target_does_not_take_is_told():
    asks = node("asks", work=ServiceWork(service="databricks"), compute="dbr")
    runs = node("runs", compute="dbr")
    dbr = ComputeChoice(backend="databricks", works=("databricks",))
    assert told(asks, runs, dbr=dbr) == [("work_unfit", "runs")]
    assert told(asks, dbr=HERE) == [("work_unfit", "asks")]
    assert told(asks, runs, dbr=ComputeChoice(backend="own", works=None)) == []


def test_the_target_that_a_step_names_is_the_one_that_counts():
    long = node("long", settings=Settings(timeout_s=3600), compute="cluster")
    assert told(long, cluster=HERE) == []
    assert told(long, cluster=INSTANCE) == [("too_long_there", "long")]
