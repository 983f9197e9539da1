"""Where a service pays for requests, a run is said to have cost those that the tables were asked for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.counted import Meter, asked, counted
from adapters.tables import AskedTable, Insert, TableDocuments, TableRuns
from adapters.tables.index import OPEN
from benchmarks.workloads import chain
from canalis.contract.costs import SERVICE
from tests.simulation.table import MemoryTable
from tests.unit.test_cost import Engine, of_kind


class TableEngine(Engine):
    """The same engine on a table, as the Azure door has it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.table = MemoryTable()
        self.plain = self.on(self.table)
        self.meter = Meter(self.plain.documents)
        told = AskedTable(self.table, lambda run_id: asked(self.meter, run_id))
        self.ports = counted(self.on(told), self.meter, is_asked_below=True)

    def on(self, table):
        runs = TableRuns(table, self.bus, self.plain.clock)
        return self.plain.with_changes(runs=runs, documents=TableDocuments(table))


@pytest.fixture
def engine(tmp_path):
    engine = TableEngine(tmp_path)
    yield engine
    engine.database.close()


def test_what_is_answered_from_memory_costs_nothing_and_what_is_taken_out_does(engine):
    run_id = engine.submit(chain(3)).run_id
    for _ in range(3):
        engine.turn(run_id)
    found = {line.kind: (line.calls, line.counted) for line in engine.cost(run_id).kinds if line.sort == "table"}
    assert found == {
        "create": (1, 3),  # in the two indexes, and the run itself
        "load": (
            7,
            5,
        ),  # after the submission, with what was asked for; by each worker; by the orchestrator from memory
        "deliver": (4, 3),  # the last commit sends nothing
        "claim": (3, 3),
        "commit": (3, 3),
        "cost": (2, 2),
    }


def test_looking_at_all_runs_is_for_each_run_as_far_as_its_rows_are_read(engine):
    runs = [engine.submit(chain(1)).run_id for _ in range(2)]
    engine.ports.runs.open_runs()
    assert engine.meter.counts(SERVICE)["table.open_runs"] == (1, 1)
    assert [of_kind(engine.cost(run_id), "open_runs") for run_id in runs] == [1, 1]


def test_each_page_of_rows_is_a_request():
    told: list[str] = []
    table = AskedTable(MemoryTable(), told.append)
    table.transact("the-run", [Insert(f"row{number}", {}) for number in range(5)])
    assert len(list(table.rows("the-run", at_once=2))) == 5
    assert told == ["the-run"] * 4  # once written, and three pages
    list(table.rows(OPEN))
    list(table.rows("doc:costs"))
    assert told[4:] == ["", ""]
