"""The protocol with one safeguard taken away: each of these must be noticed.

A mutant is a piece of the production source and what stands in its place. Where a second safeguard covers for the
first, so that nothing goes wrong, its name stands here as well, and then both are taken away together: that must be
noticed. A piece that is no longer in the source fails the suite, so this list cannot go stale.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_ROOMS = ("orchestrator", "steps", "adapters", "canalis.contract", "tests.simulation")


@dataclass(frozen=True)
class Mutant:
    """One safeguard less.

    where    module and function or method
    cover    name of the mutant whose safeguard covers for this one, or of a test in tests/ that notices it
    """

    name: str
    where: str
    old: str
    new: str
    cover: str = ""

    @property
    def is_covered_by_test(self) -> bool:
        """Whether a test notices it, since no schedule of a small pipeline can."""
        return self.cover.startswith("tests/")


@contextmanager
def planted(*mutants: Mutant) -> Iterator[None]:
    """The production code without these safeguards."""
    by_place: dict[str, list[Mutant]] = {}
    for mutant in mutants:
        by_place.setdefault(mutant.where, []).append(mutant)
    undo: list[tuple[Any, str, Any]] = []
    try:
        for where, group in by_place.items():
            owner, name = _found(where)
            original = inspect.getattr_static(owner, name)
            changed = without(original, group)
            for place, key in [(owner, name)] if inspect.isclass(owner) else _everywhere(original):
                undo.append((place, key, original))
                setattr(place, key, changed)
        yield
    finally:
        for place, key, original in reversed(undo):
            setattr(place, key, original)


def check_all() -> list[str]:
    """Mutants whose piece is not in the source, or not once."""
    stale = []
    for mutant in MUTANTS:
        owner, name = _found(mutant.where)
        try:
            without(inspect.getattr_static(owner, name), [mutant])
        except (AssertionError, SyntaxError) as error:
            stale.append(str(error))
    return stale


def without(original: Any, mutants: Sequence[Mutant]) -> Any:
    """That function with other pieces in the place of some of its own."""
    plain = getattr(original, "__wrapped__", original)
    source = textwrap.dedent(inspect.getsource(plain))
    for mutant in mutants:
        count = source.count(mutant.old)
        assert count == 1, f"mutant '{mutant.name}': its piece is {count} times in {mutant.where}"
        source = source.replace(mutant.old, mutant.new)
    scope: dict[str, Any] = {}
    code = compile(f"from __future__ import annotations\n{source}", mutants[0].where, "exec")
    exec(code, vars(sys.modules[plain.__module__]), scope)
    return scope[plain.__name__]


def _found(where: str) -> tuple[Any, str]:
    module, _, path = where.partition(":")
    owner: Any = importlib.import_module(module)
    *classes, name = path.split(".")
    for part in classes:
        owner = getattr(owner, part)
    return owner, name


def _everywhere(original: Callable[..., Any]) -> list[tuple[Any, str]]:
    """All modules of ours that have taken this function in."""
    found = []
    for name, module in list(sys.modules.items()):
        if name.startswith(_ROOMS):
            found += [(module, key) for key, value in vars(module).items() if value is original]
    return found


_D, _A, _S = "orchestrator.decide", "orchestrator.advance", "orchestrator.sweep"
_W, _F, _T = "steps.worker", "steps.follow", "adapters.tables.runs:TableRuns"
_N = "orchestrator.notices"
_UNIT = "tests/unit/test_decide.py"
_HEARS = "tests/simulation/test_notices.py"

MUTANTS = (
    # What an event means
    Mutant(
        "a run that has ended hears on",
        f"{_D}:apply",
        "if state.status.is_terminal:",
        "if False:",
        "a step that is not in work can end",
    ),
    Mutant("the end of any attempt counts", f"{_D}:_step_ended", "state.attempts[place] != event.attempt", "False"),
    Mutant("a step that is not in work can end", f"{_D}:_step_ended", "state.step(place) not in _IN_WORK", "False"),
    Mutant(
        "what was to stop and stopped has failed",
        f"{_D}:_step_ended",
        "if status is not StepStatus.STARTED and",
        "if False and",
        f"{_UNIT}",
    ),
    Mutant(
        "a lost attempt spends a retry", f"{_D}:_step_ended", "if event.outcome is Outcome.LOST:", "if False:", _UNIT
    ),
    Mutant(
        "any attempt can be abandoned",
        f"{_D}:_step_abandoned",
        "state.attempts[place] != event.attempt",
        "False",
        _UNIT,
    ),
    Mutant(
        "what was not told to stop can be abandoned",
        f"{_D}:_step_abandoned",
        "state.step(place) is not StepStatus.STOPPING",
        "False",
        _UNIT,
    ),
    # What follows from it
    Mutant("a step starts with the first of its inputs", f"{_D}:_Draft.tell_successors", "if count == 1 and", "if"),
    Mutant(
        "steps after a step are told again and again",
        f"{_D}:_Draft.tell_successors",
        "self.steps[place] = StepStatus.SUCCEEDED",
        "pass",
    ),
    Mutant(
        "a cancelled run tries again",
        f"{_D}:_Draft.face_failures",
        "self.status is RunStatus.RUNNING and self.may",
        "self.may",
    ),
    Mutant(
        "a step is tried for ever",
        f"{_D}:_Draft.may_try_again",
        "attempts - lost <= self.plan.settings[place].retries and",
        "",
    ),
    Mutant("a lost step is tried for ever", f"{_D}:_Draft.may_try_again", "and lost <= LOST_MAX", "", _UNIT),
    Mutant(
        "an attempt has the number of the one before",
        f"{_D}:_Draft.start",
        "self.attempts[place] += 1",
        "self.attempts[place] = max(1, self.attempts[place])",
    ),
    Mutant("what waits is not called off", f"{_D}:decide", "draft.start_nothing_further()", "pass"),
    Mutant(
        "what waits for a failed step is not skipped",
        f"{_D}:_Draft.face_failures",
        "self.skip_all_after(place)",
        "pass",
    ),
    Mutant(
        "a cancelled run does not stop its steps",
        f"{_D}:decide",
        "draft.call_off(StopStep, StepStatus.STOPPING, StepStatus.STARTED, StepStatus.RECALLED)",
        "pass",
    ),
    Mutant(
        "what is told to stop counts as stopped",
        f"{_D}:_Draft.call_off",
        "self.steps[place] = then",
        "self.steps[place] = StepStatus.CANCELLED",
    ),
    Mutant(
        "a run ends while steps are open",
        f"{_D}:_Draft.roll_up",
        "if any(status in self.steps for status in _OPEN):",
        "if False:",
    ),
    Mutant(
        "a commit takes any number of orders",
        f"{_D}:_Draft.is_full",
        "len(self.sends) >= SENDS_MAX - 1",
        "False",
        _UNIT,
    ),
    Mutant(
        "the rest of a full commit is forgotten", f"{_D}:_Draft.result", "if self.is_unfinished:", "if False:", _UNIT
    ),
    Mutant(
        "a retry does not rest",
        "canalis.contract.graph:Settings.rest_s",
        "self.retry_rest_s * 2 ** (attempt - 1)",
        "0.0",
        _UNIT,
    ),
    # Carrying an event
    Mutant(
        "who lost against another writer gives up",
        f"{_A}:_carry",
        "continue  # somebody",
        "break  # somebody",
        "nothing is swept",
    ),
    Mutant(
        "what a host remembers of a run is taken for the record",
        f"{_A}:_carry",
        "if after is run.state and fresh:",
        "if after is run.state:",
        "nothing is swept",
    ),
    Mutant("messages are left in the outbox", f"{_A}:_carry", "ports.runs.deliver(run_id)", "pass"),
    Mutant(
        "messages go out before the commit",
        f"{_A}:_carry",
        "ports.runs.commit(run, after, sends, facts)",
        "(ports.bus.send(sends), ports.runs.commit(run, after, sends, facts))",
    ),
    Mutant(
        "messages are not kept with the commit",
        f"{_A}:_carry",
        "ports.runs.commit(run, after, sends, facts)",
        "(ports.runs.commit(run, after, [], facts), ports.bus.send(sends))",
        "nothing is swept",
    ),
    Mutant(
        "the end of an attempt is not kept with the commit",
        f"{_A}:_carry",
        "ports.runs.commit(run, after, sends, facts)",
        "ports.runs.commit(run, after, sends, [])",
    ),
    Mutant(
        "a submission leaves its messages in the outbox",
        "orchestrator.submit:create",
        "ports.runs.deliver(run_id)",
        "pass",
    ),
    # Rows
    Mutant(
        "a commit goes over whatever is there",
        f"{_T}.commit",
        'Replace("run", properties, self._etag(run))',
        'Merge("run", properties)',
    ),
    Mutant(
        "a run is created over another",
        f"{_T}.create",
        'Insert("run", properties)',
        'Merge("run", properties)',
        "a request is written over another",
    ),
    Mutant(
        "a run is not announced before it is created",
        f"{_T}.create",
        'self._put(index.OPEN, Merge(run_id, {"since": self._clock.now()}))',
        "pass",
    ),
    Mutant(
        "a claim goes over whatever is there",
        f"{_T}.claim",
        "Insert(try_key(key.node, key.attempt), claim_properties(fresh))",
        "Merge(try_key(key.node, key.attempt), claim_properties(fresh))",
    ),
    Mutant("a claim is taken from who has it", f"{_T}.claim", "found.lease_until > now", "False", "a job has no name"),
    Mutant("a claim never runs out", f"{_T}.claim", "and found.lease_until > now", ""),
    Mutant(
        "an attempt that has ended can be claimed", f"{_T}.claim", "found.ended or", "", "what is not wanted is begun"
    ),
    Mutant("a claim keeps its fence", f"{_T}.claim", "found.fence + 1", "found.fence", "tests/contract/test_runs.py"),
    Mutant(
        "a hold does not look at the fence",
        "adapters.tables.rows:is_still",
        'row.properties.get("fence", 0) == attempt.fence and',
        "",
        "tests/contract/test_runs.py",
    ),
    Mutant("a hold keeps its fence", f"{_T}.hold", "attempt.fence + 1", "attempt.fence", "tests/contract/test_runs.py"),
    Mutant(
        "a claim is written over another",
        f"{_T}._write_claim",
        "claim_properties(attempt), etag)",
        "claim_properties(attempt))",
        "a job has no name",
    ),
    Mutant(
        "an outbox is emptied before it is sent",
        f"{_T}._empty",
        'self._bus.send(sends, f"{run_id}.{version}")\n',
        'self._put(run_id, Delete(out_key(version))); self._bus.send(sends, f"{run_id}.{version}")\n',
        "nothing is swept",
    ),
    Mutant("an outbox is never emptied", f"{_T}._empty", "self._put(run_id, Delete(out_key(version)))", "pass"),
    Mutant(
        "an outbox that another has left is not seen",
        f"{_T}.deliver",
        "[known] if known is not None else self._outbox(run_id)",
        "[known] if known is not None else []",
        "nothing is swept",
    ),
    Mutant("messages of all commits have one name", f"{_T}._empty", '"{run_id}.{version}"', '"{run_id}"'),
    # Work
    Mutant(
        "work begins without a claim",
        f"{_W}:start_all",
        "claims = ports.runs.claim_all(keys, owner, LEASE_S)",
        "from canalis.contract.ports import Attempt as A\n    claims = [A(key, owner, 0, 1e12) for key in keys]",
    ),
    Mutant("what is not wanted is begun", f"{_W}:_start", "if is_wanted(run, graph, attempt.key):", "if True:"),
    Mutant(
        "work begins under a claim that has run out",
        f"{_W}:_begin",
        "check_has_time(ports, attempt)",
        "pass",
        "tests/unit/test_follow.py",
    ),
    Mutant(
        "what is to stop is not claimed",
        f"{_W}:_stop",
        "attempt = ports.runs.claim(key, owner, LEASE_S)",
        "from canalis.contract.ports import Attempt as A\n    attempt = A(key, owner, 1, 1e12)",
        "what is not wanted is begun",
    ),
    Mutant("what is called off is not stopped", f"{_W}:_call_off", "if backend.stop(key):", "if False:"),
    Mutant(
        "what is called off is looked at only once",
        f"{_W}:_call_off",
        "if attempt.fence > 1 and not backend.forestalls:",
        "if False:",
        "tests/unit/test_follow.py",
    ),
    Mutant("what goes on elsewhere is not told to stop", f"{_W}:_stop", "elif backend.stop(key):", "elif False:"),
    Mutant(
        "an order that fails for ever ends nothing",
        f"{_W}:give_up",
        'report(ports, attempt, Ended(Outcome.LOST, error_code="gave_up", error=error))',
        "pass",
        "nothing is swept",
    ),
    Mutant(
        "a claim is not given back after a failure",
        f"{_F}:release",
        'ports.runs.hold(attempt, "", 0.0, {})',
        "pass",
        "nothing is swept",
    ),
    Mutant(
        "a chain of looks does not know its fence",
        f"{_F}:check",
        "or attempt.fence != fence",
        "",
        "tests/unit/test_follow.py",
    ),
    Mutant("a look does not hold its attempt", f"{_F}:follow", "answer.check_after_s + LEASE_S", "0.0"),
    Mutant(
        "nobody looks at a job again",
        f"{_F}:come_back",
        "ports.bus.send([Send(queue=steps_queue(backend), message=message, delay_s=after_s, trace=current())])",
        "pass",
    ),
    Mutant(
        "a job that nobody wants is left alone",
        f"{_F}:_leave",
        "backend.stop(work.key)",
        "pass",
        "tests/unit/test_follow.py",
    ),
    Mutant("a time-out stops nothing", f"{_F}:_held_to_limit", "backend.stop(work.key)", "pass"),
    Mutant("a time-out does not wait for the end", f"{_F}:_held_to_limit", "now - overdue_at >= KILL_S", "True"),
    Mutant(
        "a time-out waits for ever",
        f"{_F}:_held_to_limit",
        "if overdue_at is not None and now - overdue_at >= KILL_S:",
        "if False:",
        "tests/unit/test_follow.py",
    ),
    Mutant("no step has a time-out", f"{_F}:_held_to_limit", "limit_s is None", "True"),
    # Looking after runs
    Mutant("nothing is swept", f"{_S}:missing_messages", "if run.state.status.is_terminal:", "if True:"),
    Mutant("outboxes are not swept", f"{_S}:Sweeper._look_after", "runs.deliver(run_id)", "pass", "nothing is swept"),
    Mutant("what somebody has is sent again", f"{_S}:_Look.is_lost", "live.lease_until <= self.now", "True"),
    Mutant("what a dead worker had is left to it", f"{_S}:_Look.is_lost", "live.lease_until <= self.now", "False"),
    Mutant(
        "what nobody has taken up is left", f"{_S}:_Look._is_due", "return self.passed - first >= due_s", "return False"
    ),
    Mutant("a step that rests is started", f"{_S}:Sweeper._rests", "return look.now <", "return False and look.now <"),
    Mutant(
        "a lost order to stop is not made again",
        f"{_S}:missing_messages",
        "look.is_quiet(stopping_since)",
        "False",
        "what does not stop is waited for",
    ),
    Mutant(
        "what does not stop is waited for",
        f"{_S}:missing_messages",
        "if look.now - stopping_since > KILL_S:",
        "if False:",
    ),
    Mutant(
        "what is not decided is left",
        f"{_S}:missing_messages",
        "if is_undecided and look.is_quiet(run.updated_at):",
        "if False:",
        "tests/unit/test_sweep.py",
    ),
    Mutant(
        "a request is written over another",
        "adapters.tables.rows:request_rows",
        "return [Insert(f",
        "from adapters.tables.table import Merge; return [Merge(f",
        "a run is created over another",
    ),
    # Who hears of the end of a run
    Mutant("nobody says that a run has ended", f"{_D}:_Draft.roll_up", "if self.plan.announces:", "if False:", _HEARS),
    Mutant(
        "what is to be told is not on record",
        f"{_N}.announce:prepared",
        "expect(ports, run_id)",
        "pass",
        "tests/unit/test_notices.py",
    ),
    Mutant(
        "who could not be told at once is forgotten",
        f"{_N}.announce:_told_at_once",
        "elif not is_told(ports, run, listener):",
        "elif is_told(ports, run, listener) is None:",
        _HEARS,
    ),
    Mutant(
        "the record goes with the first who has heard", f"{_N}.announce:announce", "if not owed:", "if True:", _HEARS
    ),
    Mutant(
        "what goes on is told as ended",
        f"{_N}.announce:announce",
        "if not run.state.status.is_terminal:",
        "if False:",
        "tests/unit/test_notices.py",
    ),
    Mutant(
        "a listener is told once and never again",
        f"{_N}.deliver:deliver",
        "next_try(owed, now)",
        "None",
        _HEARS,
    ),
    Mutant(
        "any turn is carried out",
        f"{_N}.deliver:deliver",
        "or owed.turn != turn",
        "",
        "tests/unit/test_notices.py",
    ),
    Mutant("a lost notice is not made again", f"{_N}.sweep:_look_after", "if not late:", "if True:", _HEARS),
    Mutant(
        "a lost end is not made again",
        f"{_N}.sweep:_remind",
        'if not _is_written(ports, stored, record.model_copy(update={"asked_at": now})):',
        "if True:",
        _HEARS,
    ),
    Mutant(
        "what is on its way is made again",
        f"{_N}.sweep:_is_late",
        "return not -_AHEAD_S_MAX < now - due_at < LATE_S",
        "return True",
        "tests/unit/test_notices.py",
    ),
    Mutant(
        "a message that comes again is looked at anew",
        "orchestrator.requests:start",
        "_known(ports, run_id, fingerprint) or ",
        "",
        "tests/unit/test_requests.py",
    ),
    Mutant(
        "the tag of what others wrote is ours",
        "tests.simulation.table:MemoryTable.transact_again",
        "row.etag if row is not None and row.etag == tag else",
        "row.etag if row is not None else",
    ),
    Mutant(
        "the tag of what others wrote in Azure is ours",
        "adapters.azure_tables:AzureTable._done_before",
        "if entity and own else",
        "if entity else",
        "tests/contract/test_azure_tables.py",
    ),
    # Names of jobs
    Mutant("a job has no name", "tests.simulation.jobs:JobService.submit", "if token in self.jobs:", "if False:"),
    Mutant("all attempts of a step have one job", "tests.simulation.jobs:token_of", ".{key.attempt}", ""),
)
