"""Runs and experiments are deleted: refused while somebody needs them, out of everybody's sight at once, gone later.

What is out of sight lies there for a rest. Whoever began to use it before is found after that, and then it comes back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress

from canalis.contract.errors import Conflict, NotFound, NotOver, StillUsed
from canalis.contract.experiments import DELETED, EMPTIED, EXPERIMENTS
from canalis.contract.ports import Document, Ports
from orchestrator.kept import changed
from orchestrator.retention.doomed import CLEARING
from orchestrator.retention.needs import Needs, Use, survey
from orchestrator.retention.owned import owned

_RUN = "run:"  # begins the name of the document of a deletion that is under way
_NAMED_MAX = 5


def delete_run(ports: Ports, run_id: str) -> list[str]:
    """Delete a run, and those that its steps have submitted; their ids, none when it is gone already.

    Raises   NotOver when one has not ended, StillUsed naming who needs one; nothing is changed then
    """
    needs = survey(ports)
    if run_id not in needs.runs:
        return []
    chosen = _with_those_below(needs, [run_id])
    _check(ports, needs, chosen, f"Run {run_id}")
    ports.documents.put(CLEARING, f"{_RUN}{run_id}", {"at": ports.clock.now()})  # it will be carried to its end
    hidden = _hide_all(ports, needs, chosen)
    ports.documents.delete(CLEARING, f"{_RUN}{run_id}")
    return hidden


def delete_experiment(ports: Ports, name: str) -> list[str]:
    """Delete an experiment with its runs and those that their steps have submitted; the ids of the runs.

    A run that is submitted to it later makes it anew.
    Raises   NotOver and StillUsed as `delete_run` does
    """
    needs = survey(ports)
    chosen = _with_those_below(needs, [run.run_id for run in needs.runs.values() if run.experiment == name])
    known = ports.documents.get(EXPERIMENTS, name)
    if known is None or DELETED in known.body:
        return []
    _check(ports, needs, chosen, f"Experiment '{name}'")
    changed(ports.documents, EXPERIMENTS, name, lambda body: body | {DELETED: ports.clock.now()})
    hidden = _hide_all(ports, needs, chosen)
    _forget_experiment(ports, name)
    return hidden


def finish(ports: Ports) -> None:
    """Carry to their ends the deletions that a crash has left in between."""
    runs = [stored.name.removeprefix(_RUN) for stored in ports.documents.list(CLEARING, _RUN)]
    names = {stored.name: stored.body for stored in ports.documents.list(EXPERIMENTS)}
    until = {name: body.get(DELETED) or body.get(EMPTIED) for name, body in names.items()}
    if not runs and not any(until.values()):
        return
    needs = survey(ports)
    chosen = [run_id for run_id in runs if run_id in needs.runs]
    chosen += [run.run_id for run in needs.runs.values() if run.submitted_at <= (until.get(run.experiment) or 0.0)]
    chosen = [run_id for run_id in _with_those_below(needs, chosen) if needs.runs[run_id].ended_at is not None]
    going = set(chosen) | needs.hidden.keys()
    for run_id in needs.users_first(chosen):
        if _others(ports, needs, run_id, going) or not hide(ports, run_id):
            going.discard(run_id)
    for run_id in runs:
        ports.documents.delete(CLEARING, f"{_RUN}{run_id}")
    for name in filter(until.get, names):
        _forget_experiment(ports, name)


def _forget_experiment(ports: Ports, name: str) -> None:
    """Of an experiment that a run was submitted to meanwhile, only what lay before is forgotten."""
    known = ports.documents.get(EXPERIMENTS, name)
    if known is not None and DELETED in known.body:
        ports.documents.delete(EXPERIMENTS, name)
    elif known is not None and EMPTIED in known.body:
        with suppress(NotFound):
            changed(ports.documents, EXPERIMENTS, name, _without_emptied)


def _without_emptied(body: Document) -> Document:
    return {key: value for key, value in body.items() if key != EMPTIED}


def _with_those_below(needs: Needs, chosen: Iterable[str]) -> list[str]:
    """These runs and all that their steps have submitted, those that are hidden already left out."""
    found = dict.fromkeys(chosen)
    for run_id in [*found]:
        found |= dict.fromkeys(below for below in needs.below(run_id) if below in needs.runs)
    return [*found]


def hide(ports: Ports, run_id: str) -> bool:
    """Put a run that has ended out of sight; whether it was seen until now."""
    try:
        ports.runs.hide(ports.runs.load(run_id))
    except (NotFound, Conflict):
        return False  # somebody else has deleted it
    return True


def _check(ports: Ports, needs: Needs, chosen: Collection[str], what: str) -> None:
    running = [run_id for run_id in chosen if needs.runs[run_id].ended_at is None]
    if running:
        raise NotOver(
            f"{what} cannot be deleted yet: run {running[0]} has not ended"
            + (f", nor have {len(running) - 1} more" if len(running) > 1 else "")
            + f". Wait for its end, or cancel it first (canalis cancel {running[0][:8]})",
            runs=running,
        )
    going = {*chosen, *needs.hidden}
    named = list(dict.fromkeys(use.by for run_id in chosen for use in _others(ports, needs, run_id, going)))
    if named:
        raise StillUsed(
            f"{what} is needed by {', '.join(named[:_NAMED_MAX])}"
            + (f" and {len(named) - _NAMED_MAX} more" if len(named) > _NAMED_MAX else "")
            + ": delete that first",
            users=named,
        )


def _others(ports: Ports, needs: Needs, run_id: str, going: Collection[str]) -> list[Use]:
    try:
        places = [one.whole for one in owned(ports, ports.runs.load(run_id))]
    except NotFound:
        return []  # somebody else has deleted it
    return needs.of(run_id, places, going)


def _hide_all(ports: Ports, needs: Needs, chosen: Iterable[str]) -> list[str]:
    """Those that need others go first: at no moment is one seen without what it needs."""
    return [run_id for run_id in needs.users_first(chosen) if hide(ports, run_id)]
