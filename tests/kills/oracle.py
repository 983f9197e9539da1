"""What must be so once a last life went undisturbed. Reads the database, the ledger and the machine's processes."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.clock import SystemClock
from adapters.sqlite import Database, SqliteBus, SqliteRuns
from canalis.contract.errors import NotFound
from canalis.contract.ports import Run
from canalis.contract.run import StepRunId
from canalis.contract.status import RunStatus, StepStatus
from tests.kills.errands import Errand, errand
from tests.kills.life import Known

if TYPE_CHECKING:
    from tests.kills.loop import Tally


def what_is_wrong(root: Path, seed: int, known: Known, hurt: set[str], tally: Tally) -> list[str]:
    """Everything that is not as it must be, each in one line that begins with what kind of wrong it is.

    hurt   attempts of which a process was killed: only those may have been lost
    """
    ledger = [(words[0], words[1]) for line in (root / "ledger").read_text().splitlines() if (words := line.split())]
    database = Database(root / "canalis.db")
    runs = SqliteRuns(database, SqliteBus(database, SystemClock()), SystemClock())
    wrong = [*_ledger_alone(ledger, hurt)]
    for number in range(known.submitted):
        asked = errand(seed, number, root)
        try:
            run = runs.load(asked.run_id)
        except NotFound:
            wrong.append(f"lost: {asked.run_id} was acknowledged and is not there")
            continue
        tally.runs[run.state.status.value] += 1
        wrong += _run(run, asked, hurt)
        wrong += _scripts(run, asked, ledger, hurt)
        wrong += _attempts(runs, run, hurt)
    tally.begun += sum(what == "begin" for what, _ in ledger)
    database.close()
    return wrong + [*_left_behind(root)]


def _ledger_alone(ledger: list[tuple[str, str]], hurt: set[str]) -> Iterator[str]:
    begun = Counter(name for what, name in ledger if what == "begin")
    yield from (f"doubled: {name} began {count} times" for name, count in begun.items() if count > 1)
    done = Counter(_step(name) for what, name in ledger if what == "end" and name not in hurt)
    yield from (f"doubled: {step} was done {count} times" for step, count in done.items() if count > 1)
    over: set[str] = set()
    for what, name in ledger:
        if what == "over":
            over.add(name)
        elif name.partition(".")[0] in over:
            yield f"too late: {what} of {name} after its run was over"


def _run(run: Run, asked: Errand, hurt: set[str]) -> Iterator[str]:
    """A run ends as its script says. One of which a step was killed may also have failed by that."""
    status = run.state.status
    may_end = {asked.ends}
    if any(name.startswith(f"{asked.run_id}.") for name in hurt):
        may_end |= {RunStatus.COMPLETED, RunStatus.FAILED}
    if status not in may_end:
        what = "wrong" if status.is_terminal else "lost"
        yield f"{what}: {asked.run_id} is {status.value} and not {asked.ends.value} ({asked.kinds})"


def _scripts(run: Run, asked: Errand, ledger: list[tuple[str, str]], hurt: set[str]) -> Iterator[str]:
    """What a run says of its steps is what their scripts say."""
    own = [(what, name) for what, name in ledger if name.startswith(f"{asked.run_id}.")]
    ends = {name for what, name in own if what == "end"}
    for place, node in enumerate(asked.graph.nodes):
        status, number = run.state.step(place), run.state.attempts[place]
        name = str(StepRunId(asked.run_id, node.key, max(1, number)))
        if not status.is_terminal:
            yield f"lost: {name} is {status.name} at the end"
        if status is StepStatus.SUCCEEDED and name not in ends:
            yield f"wrong: {name} counts as succeeded, and its script did not say so"
        done = {one for one in ends if _step(one) == _step(name)}
        if status is not StepStatus.SUCCEEDED and done - hurt and run.state.status is not RunStatus.CANCELLED:
            yield f"lost: {name} is {status.name}, and its script has succeeded"
        for earlier in node.after:
            seen = False
            for what, one in own:
                seen = seen or (what == "end" and _step(one) == f"{asked.run_id}.{earlier}")
                if what == "begin" and _step(one) == _step(name) and not seen:
                    yield f"too early: {one} began before {earlier} had ended"


def _attempts(runs: SqliteRuns, run: Run, hurt: set[str]) -> Iterator[str]:
    for attempt in runs.attempts(run.run_id):
        key = attempt.key
        name = str(StepRunId(key.run_id, key.node, key.attempt))
        outcome, code = attempt.facts.get("outcome"), attempt.facts.get("exit_code")
        if name in hurt or (outcome == "failed" and code == 3):
            continue
        if outcome in ("lost", "failed") or (outcome == "timed_out" and attempt.facts.get("exit_code") == 0):
            yield f"wrong: {name} {outcome} by itself: {attempt.facts}"
        if not attempt.ended:
            yield f"lost: the end of {name} was never written down: {attempt.facts}"


def _left_behind(root: Path) -> Iterator[str]:
    yield from (f"left: working folder {path.name}" for path in (root / "work").glob("*"))
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{root}/".encode() in path.read_bytes():
                yield f"left: process {path.parent.name}: {(path.parent / 'cmdline').read_bytes()!r}"
        except OSError:
            continue
    database = sqlite3.connect(root / "canalis.db")
    try:
        (whole,) = database.execute("PRAGMA integrity_check").fetchone()
        if whole != "ok":
            yield f"broken: {whole}"
        for queue, reason, body in database.execute("SELECT queue, reason, body FROM messages"):
            yield f"left: message on {queue} ({reason}): {body!r}"
    finally:
        database.close()
    yield from (f"said: {line}" for line in (root / "log").read_text().splitlines() if line.startswith("ERROR"))


def _step(name: str) -> str:
    """The step of an attempt."""
    return ".".join(name.split(".")[:2])
