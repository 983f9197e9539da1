"""An attempt at work, as the log and the trace of its run have it. The same for all backends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from canalis.contract.about import about
from canalis.contract.status import Outcome
from canalis.contract.trace import Attributes, Span, record, span
from steps.backend import Ended, Work

_NAME = "work"


@contextmanager
def at_work(work: Work) -> Iterator[Span]:
    """An attempt that is worked on in this process, to the end of the block; `say_how` tells how it ended.

    The script's TRACEPARENT is that of this span (steps/surroundings.py), so that what it tells is part of it.
    """
    with _about(work), span(_NAME, attributes=_attributes(work)) as told:
        yield told


def say_how(told: Span, ended: Ended) -> None:
    """How the attempt ended. Its text stays out: it quotes what the author's code has printed."""
    told.set(_outcome(ended))
    if ended.outcome is not Outcome.SUCCEEDED:
        told.failed(ended.error_code or ended.outcome.value)


def tell_of(work: Work, ended: Ended) -> None:
    """An attempt whose job another service had, and that is over."""
    if ended.started_at is None or ended.ended_at is None:
        return
    failed = "" if ended.outcome is Outcome.SUCCEEDED else ended.error_code or ended.outcome.value
    with _about(work):
        record(_NAME, ended.started_at, ended.ended_at, {**_attributes(work), **_outcome(ended)}, failed)


def _about(work: Work) -> about:
    return about(run_id=work.key.run_id, step=work.key.node, attempt=work.key.attempt)


def _attributes(work: Work) -> Attributes:
    return {
        "canalis.backend": work.compute.backend,
        "canalis.step_name": work.node.name,
        "canalis.experiment": work.request.experiment,
    }


def _outcome(ended: Ended) -> dict[str, str | int]:
    known: dict[str, str | int] = {"canalis.outcome": ended.outcome.value}
    return known if ended.exit_code is None else known | {"process.exit.code": ended.exit_code}
