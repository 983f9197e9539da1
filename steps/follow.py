"""Jobs at other services: asked again and again how they get on, held to their time, one chain of looks each."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from canalis.contract.errors import Conflict, WorldError
from canalis.contract.graph import Graph
from canalis.contract.graphs import stored_graph
from canalis.contract.messages import CheckStep, Send, steps_queue
from canalis.contract.ports import Attempt, AttemptKey, Document, Ports, Run
from canalis.contract.status import Outcome
from canalis.contract.trace import current
from steps.backend import Backend, Ended, Pending, Work
from steps.report import report
from steps.telling import tell_of
from steps.work import is_wanted, make_work

LEASE_S = 30.0  # renewed at a third of it; how long a dead worker's claim keeps others away
KILL_S = 30.0  # how long what was told to stop may take, before it is given up
_SPARE_S = 5.0  # of a lease: what clocks may differ, and what the last call may take
_SOON_S = 2.0  # when a job that was told to stop is looked at


def look(ports: Ports, key: AttemptKey) -> tuple[Run, Graph]:
    """The run of an attempt as it is now, and its graph."""
    run = ports.runs.load(key.run_id)
    return run, stored_graph(ports.blobs, run.request.graph)


def check_has_time(ports: Ports, attempt: Attempt) -> None:
    """Raises Conflict when the claim may have run out: then somebody else may act on it, and we may not."""
    if ports.clock.now() > attempt.lease_until - _SPARE_S:
        raise Conflict(f"the claim on {attempt.key} ran out before it could be used")


def follow(ports: Ports, backend: Backend, owner: str, work: Work, answer: Ended | Pending) -> None:
    """Do what an answer of the backend asks for: report an end, or come back later."""
    answer, facts = _held_to_limit(ports, backend, work, answer)
    if isinstance(answer, Ended):
        report(ports, work.attempt, answer)
        return
    if answer.check_after_s is None:
        return  # it will tell by itself
    held = ports.runs.hold(work.attempt, owner, answer.check_after_s + LEASE_S, facts | {"handle": answer.handle})
    if held is None:
        _leave(ports, backend, work)
        return
    try:
        come_back(ports, work.compute.backend, held, answer.check_after_s)
    except WorldError:
        release(ports, held)
        raise


def release(ports: Ports, attempt: Attempt) -> None:
    """Give a claim back, so that the next order need not wait until it has run out."""
    with suppress(WorldError):  # then it does
        ports.runs.hold(attempt, "", 0.0, {})


def come_back(ports: Ports, backend: str, attempt: Attempt, after_s: float) -> None:
    """Look at a job again, unless another chain of looks has gone on with it by then."""
    key = attempt.key
    message = CheckStep(run_id=key.run_id, node=key.node, attempt=key.attempt, fence=attempt.fence)
    ports.bus.send([Send(queue=steps_queue(backend), message=message, delay_s=after_s, trace=current())])


def check(ports: Ports, backend: Backend, owner: str, key: AttemptKey, fence: int) -> None:
    """Ask how a job is getting on. Any worker may: the fence keeps it to one chain."""
    attempt = ports.runs.attempt(key)
    if attempt is None or attempt.ended or attempt.fence != fence:
        return
    take_up(ports, backend, owner, attempt)


def take_up(ports: Ports, backend: Backend, owner: str, attempt: Attempt) -> None:
    """Go on with a job that was begun, under a claim that we have."""
    run, graph = look(ports, attempt.key)
    described = make_work(run, graph, attempt)
    answer = backend.check(described, str(attempt.facts.get("handle", "")))
    if isinstance(answer, Ended):
        tell_of(described, answer)
    follow(ports, backend, owner, described, answer)


def wake(ports: Ports, backend: str, attempt: Attempt) -> None:
    """Look soon at a job that was told to stop; its own next look may be far away."""
    come_back(ports, backend, attempt, _SOON_S)


def _leave(ports: Ports, backend: Backend, work: Work) -> None:
    """Another worker has gone on with the attempt meanwhile, or it was ended: then no job of it may stay behind."""
    run, graph = look(ports, work.key)
    # A worker that still wants it finds the job that we began by its name, and follows it.
    if not is_wanted(run, graph, work.key):
        backend.stop(work.key)


def _held_to_limit(
    ports: Ports, backend: Backend, work: Work, answer: Ended | Pending
) -> tuple[Ended | Pending, Document]:
    """The answer as the step's time-out wants it: told to stop first, given up when that does not help."""
    limit_s = work.node.settings.timeout_s
    overdue_at = work.attempt.facts.get("overdue_at")
    words = f"{work.node.name} worked longer than its limit of {limit_s or 0:g} s"
    if isinstance(answer, Ended):
        if overdue_at is not None and answer.outcome is not Outcome.SUCCEEDED:
            answer = replace(answer, outcome=Outcome.TIMED_OUT, error_code="timed_out", error=f"{words} and was ended")
        return answer, {}
    now = ports.clock.now()
    if overdue_at is not None and now - overdue_at >= KILL_S:
        error = f"{words}, was told to stop, and had not stopped {KILL_S:g} s later: it may still be running"
        return Ended(Outcome.TIMED_OUT, None, "timed_out", error, answer.started_at, now), {}
    if overdue_at is not None or limit_s is None or answer.started_at is None or answer.check_after_s is None:
        return answer, {}
    left_s = answer.started_at + limit_s - now
    if left_s > 0:
        return replace(answer, check_after_s=min(answer.check_after_s, left_s)), {}
    backend.stop(work.key)
    # Asked again, since that call may have taken long: what is told to stop has KILL_S from when it was told.
    return replace(answer, check_after_s=_SOON_S), {"overdue_at": ports.clock.now()}
