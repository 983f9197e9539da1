"""The same for all backends: claim, look again whether the step is still wanted, start, report.

Jobs that do not report by themselves are looked after in `steps/follow.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from canalis.contract.about import about
from canalis.contract.errors import AuthorError
from canalis.contract.graph import Graph
from canalis.contract.messages import CheckStep, Command, RecallStep, Send, StartStep, StopStep, steps_queue
from canalis.contract.parameters import compute_in
from canalis.contract.ports import Attempt, AttemptKey, Ports, Run
from canalis.contract.status import Outcome
from canalis.contract.trace import continued, current
from steps.backend import Backend, Ended
from steps.follow import LEASE_S, check, check_has_time, follow, look, release, take_up, wake
from steps.report import News, report
from steps.work import is_wanted, make_work


def work(ports: Ports, backend: Backend, owner: str, command: Command, trace: str = "") -> None:
    """Carry out one order. Safe to call twice with the same order, from several workers at once.

    owner   under whose name attempts are claimed: who asks again under that name gets them again, so a service
            whose workers work side by side gives each call a name of its own
    trace   that the order came with from the bus; "" goes on with the current one
    """
    key = AttemptKey(command.run_id, command.node, command.attempt)
    with about(run_id=key.run_id, step=key.node, attempt=key.attempt), continued(trace):
        _carry_out(ports, backend, owner, command, key)


def _carry_out(ports: Ports, backend: Backend, owner: str, command: Command, key: AttemptKey) -> None:
    if isinstance(command, StartStep):
        start_all(ports, backend, owner, [command])
    elif isinstance(command, CheckStep):
        check(ports, backend, owner, key, command.fence)
    elif isinstance(command, RecallStep):
        _recall(ports, backend, owner, key)
    elif isinstance(command, StopStep):
        _stop(ports, backend, owner, key)


def start_all(
    ports: Ports, backend: Backend, owner: str, commands: Sequence[StartStep], traces: Sequence[str] = ()
) -> None:
    """Begin what is ordered: one claim for all, one look at each run, and what has ended at once is told together.

    traces   that the orders came with, one each, when they came from the bus
    Safe to call again, with the same orders or with some of them, also after it has raised.
    """
    held = backend.held() if commands else ()
    ordered = {
        AttemptKey(command.run_id, command.node, command.attempt): trace
        for command, trace in zip(commands, traces or [""] * len(commands), strict=True)
    }
    keys = [key for key in ordered if key not in held]  # an order may come twice
    if not keys:
        return
    claims = ports.runs.claim_all(keys, owner, LEASE_S)  # None: it has ended, or another worker has it
    ours = {attempt.key: attempt for attempt in claims if attempt is not None}
    news = News(ports.bus)
    looks: dict[str, tuple[Run, Graph]] = {}
    with _released_on_failure(ports, ours):
        for key, attempt in list(ours.items()):
            # Claimed first, then looked: a cancel that is decided after this look finds the claim, and stops it.
            run, graph = looks[key.run_id] = looks.get(key.run_id) or look(ports, key)
            with about(run_id=key.run_id, step=key.node, attempt=key.attempt), continued(ordered[key]):
                _start(ports.with_changes(bus=news), backend, owner, attempt, run, graph)
            if key not in news:
                del ours[key]  # it goes on, so the claim stays
        news.go_out()


def give_up(ports: Ports, backend: Backend, owner: str, command: Command, reason: str, trace: str = "") -> None:
    """End an attempt whose order failed again and again. What is at work already is left to itself.

    It counts as lost: tried again, and failed in the end with the reason.
    """
    key = AttemptKey(command.run_id, command.node, command.attempt)
    if key in backend.held():
        return
    attempt = ports.runs.claim(key, owner, LEASE_S)
    if attempt is None or backend.has_begun(key):
        return  # somebody else has it, or its end will be found
    error = f"The order to work on it failed again and again: {reason}"
    with continued(trace):
        report(ports, attempt, Ended(Outcome.LOST, error_code="gave_up", error=error))


def _start(ports: Ports, backend: Backend, owner: str, attempt: Attempt, run: Run, graph: Graph) -> None:
    if is_wanted(run, graph, attempt.key):
        _begin(ports, backend, owner, attempt, run, graph)
    elif backend.recall(attempt.key) or backend.has_begun(attempt.key):
        release(ports, attempt)  # an earlier worker began it: the order that called it off is on its way
    else:
        _call_off(ports, backend, owner, attempt, "It was no longer wanted when a worker took it up")


def _begin(ports: Ports, backend: Backend, owner: str, attempt: Attempt, run: Run, graph: Graph) -> None:
    try:
        described = make_work(run, graph, attempt)
    except AuthorError as error:
        report(ports, attempt, Ended(Outcome.FAILED, error_code=error.code, error=error.message))
        return
    check_has_time(ports, attempt)
    follow(ports, backend, owner, described, backend.start(described))


def _recall(ports: Ports, backend: Backend, owner: str, key: AttemptKey) -> None:
    if backend.recall(key):
        return  # whoever has it will report
    attempt = ports.runs.claim(key, owner, LEASE_S)
    if attempt is None:
        return  # it has ended, or is going on elsewhere
    with _released_on_failure(ports, {key: attempt}):
        if backend.has_begun(key):  # an earlier worker began it, so it may end
            _begin(ports, backend, owner, attempt, *look(ports, key))
        else:
            _call_off(ports, backend, owner, attempt, "Never began, since another step failed")


def _stop(ports: Ports, backend: Backend, owner: str, key: AttemptKey) -> None:
    if key in backend.held():
        backend.stop(key)
        return  # whoever waits for it will report
    attempt = ports.runs.claim(key, owner, LEASE_S)
    if attempt is not None:
        with _released_on_failure(ports, {key: attempt}):
            _call_off(ports, backend, owner, attempt, "Cancelled before it started")
    elif backend.stop(key):
        known = ports.runs.attempt(key)
        if known is not None and not known.ended:
            wake(ports, _queue_of(ports, key), known)


def _call_off(ports: Ports, backend: Backend, owner: str, attempt: Attempt, why: str) -> None:
    """End an attempt that is ours: with the claim no late order can start it any more."""
    key = attempt.key
    if backend.stop(key):  # an earlier worker began it
        take_up(ports, backend, owner, attempt)
        return
    if attempt.fence > 1 and not backend.forestalls:
        # That worker may be asleep just before it begins, and die right after. So this is looked at once more.
        order = StopStep(run_id=key.run_id, node=key.node, attempt=key.attempt)
        queue = steps_queue(_queue_of(ports, key))
        ports.bus.send([Send(queue=queue, message=order, delay_s=LEASE_S, trace=current())])
    report(ports, attempt, Ended(Outcome.CANCELLED, error=why))


@contextmanager
def _released_on_failure(ports: Ports, ours: dict[AttemptKey, Attempt]) -> Iterator[None]:
    try:
        yield
    except Exception:  # whoever is given the order next must find out for himself, and so to the last delivery
        for attempt in ours.values():
            release(ports, attempt)
        raise


def _queue_of(ports: Ports, key: AttemptKey) -> str:
    run, graph = look(ports, key)
    return run.request.computes[compute_in(graph.node(key.node), run.request.parameters)].backend
