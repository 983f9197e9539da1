"""A workspace's file that an earlier version wrote."""

from __future__ import annotations

import dataclasses
import sqlite3

from adapters.clock import SystemClock
from adapters.sqlite import Database, SqliteBus, SqliteRuns
from canalis.contract.ports import RunQuery
from canalis.contract.run import Origin
from canalis.contract.status import RunStatus
from orchestrator.plan import first_state
from tests.stories import a_graph, a_plan, a_request

FORMAT_1 = """
CREATE TABLE runs (run_id TEXT PRIMARY KEY, version INTEGER NOT NULL, status TEXT NOT NULL, is_open INTEGER NOT NULL,
    state BLOB NOT NULL, request TEXT NOT NULL, experiment TEXT NOT NULL, parent TEXT, submitted_at REAL NOT NULL,
    updated_at REAL NOT NULL, ended_at REAL) WITHOUT ROWID;
CREATE TABLE attempts (run_id TEXT NOT NULL, node TEXT NOT NULL, attempt INTEGER NOT NULL, owner TEXT NOT NULL,
    fence INTEGER NOT NULL, lease_until REAL NOT NULL, ended INTEGER NOT NULL, facts TEXT NOT NULL,
    PRIMARY KEY (run_id, node, attempt)) WITHOUT ROWID;
CREATE TABLE documents (kind TEXT NOT NULL, name TEXT NOT NULL, etag INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE TABLE messages (seq INTEGER PRIMARY KEY, queue TEXT NOT NULL, visible_at REAL NOT NULL,
    failures INTEGER NOT NULL DEFAULT 0, reason TEXT, body BLOB NOT NULL);
PRAGMA user_version = 1;
"""


def test_runs_of_the_first_format_go_on_in_this_one(tmp_path):
    state = first_state(a_plan(a_graph("a > b")))
    request = a_request(submitted_at=5.0)
    old = sqlite3.connect(tmp_path / "canalis.db")
    old.executescript(FORMAT_1)
    old.execute(
        "INSERT INTO runs VALUES ('r-1', 3, 'running', 1, ?, ?, 'e', NULL, 5.0, 6.0, NULL)",
        (state.pack(), request.model_dump_json(exclude_defaults=True)),
    )
    old.commit()
    old.close()

    database = Database(tmp_path / "canalis.db")
    runs = SqliteRuns(database, SqliteBus(database, SystemClock()), SystemClock())
    run = runs.load("r-1")
    assert (run.request, run.state, run.version, run.attention) == (request, state, 3, "")
    assert runs.commit(run, state).version == 4
    assert run.state.status is RunStatus.RUNNING
    runs.create("r-2", a_request(origin=Origin(pipeline="p")), state, [])
    assert [found.run_id for found in runs.find(RunQuery(pipeline="p"))] == ["r-2"]
    done = dataclasses.replace(state, status=RunStatus.COMPLETED)
    runs.hide(runs.commit(runs.load("r-1"), done))
    assert [found.run_id for found in runs.every()] == ["r-2"]
    database.close()

    Database(tmp_path / "canalis.db").close()  # and once more, with nothing left to do
