"""Ports that count what is asked of them, by run: what a cloud would bill for, on any storage.

    meter = Meter(ports.documents)
    engine = counted(ports, meter, free=("deliver",))

Only who works for runs is given the counted ports. Who merely looks is given the plain ones, so that watching a
run does not change its price.

A call counts for one operation, unless the storage below says what it was asked (adapters/tables/asked.py).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

from canalis.contract.costs import COSTS, SERVICE, Counts
from canalis.contract.errors import Conflict, WorldError
from canalis.contract.messages import Send
from canalis.contract.ports import (
    Attempt,
    AttemptKey,
    BlobStore,
    Bus,
    Document,
    DocumentStore,
    Ports,
    Run,
    RunStore,
    Stores,
)
from canalis.contract.run import RUN_ID

_log = logging.getLogger("canalis.cost")

_OWN_KIND = "table.cost"  # what keeping the counts costs itself
_SEVERAL = {"claim_all": "claim"}  # calls that count as so many of another
_ABOUT_RUNS = ("annotations",)  # kinds of documents that have the names of runs

# What the storage is asked for belongs to: the kind of the call, and the runs for which it was counted as a call.
_call: ContextVar[tuple[str, dict[str, None]]] = ContextVar("call")

Whose = Callable[..., Iterable[str]]  # from the arguments of a call: the run that each of its operations is for


class Meter:
    """Counts by run: those that are new in memory, the others in a document beside the run.

    ended   runs whose counts are to be kept with the next that is done for them
    """

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents
        self._lock = threading.Lock()
        self._keeping = threading.Lock()
        self._new: dict[str, dict[str, tuple[int, int]]] = {}
        self.ended: set[str] = set()

    def count(self, run_id: str, kind: str, calls: int = 1, counted: int = 1) -> None:
        """So many calls were made for a run, so many of which count."""
        with self._lock:
            found = self._new.setdefault(run_id, {})
            before = found.get(kind, (0, 0))
            found[kind] = (before[0] + calls, before[1] + counted)

    def counts(self, run_id: str) -> Counts:
        """All counts of a run, also those of earlier services."""
        with self._keeping:
            kept = self._documents.get(COSTS, run_id)
            with self._lock:
                new = dict(self._new.get(run_id, {}))
        return _sum(kept.body if kept else {}, new)

    def keep(self, run_id: str) -> None:
        """Store what is in memory of a run; it stays there when that cannot be done."""
        with self._keeping:
            with self._lock:
                new = self._new.pop(run_id, {})
            try:
                kept = self._documents.get(COSTS, run_id)
                body = _sum(kept.body if kept else {}, new, {_OWN_KIND: (2, 2)})
                self._documents.put(COSTS, run_id, body, etag=kept.etag if kept else None, if_absent=kept is None)
            except (WorldError, Conflict) as error:
                _log.warning("the cost of run %s is kept later: %s", run_id, error)
                for kind, found in new.items():
                    self.count(run_id, kind, *found)

    def keep_but(self, open_runs: Collection[str]) -> None:
        """Store what is in memory of all runs but these, which go on."""
        with self._lock:
            over = [run_id for run_id in self._new if run_id not in open_runs]
        for run_id in over:
            self.keep(run_id)


def counted(ports: Ports, meter: Meter, free: Collection[str] = (), is_asked_below: bool = False) -> Ports:
    """The same ports, every call counted.

    free             calls on runs that this storage does not charge for
    is_asked_below   whether the tables below say what they were asked; then what a call costs is what they say
    """
    return ports.with_changes(
        runs=_Counted(ports.runs, "table", _RUNS, meter, _RUNS if is_asked_below else free),
        documents=_Counted(ports.documents, "table", _DOCUMENTS, meter, _DOCUMENTS if is_asked_below else ()),
        blobs=_Counted(ports.blobs, "blob", _BLOBS, meter),
        stores=_CountedStores(ports.stores, meter),
        bus=_Counted(ports.bus, "message", _BUS, meter),
    )


def asked(meter: Meter, run_id: str) -> None:
    """The storage was asked once, on behalf of the call that is going on.

    run_id   in whose rows; "" for others, which are for the run that the call is for
    """
    kind, known = _call.get()
    run_id = run_id or next(iter(known), SERVICE)
    meter.count(run_id, kind, calls=0 if run_id in known else 1)
    known[run_id] = None


class _Counted:
    """A port whose calls are counted under their names, and the messages that they hand over as well."""

    def __init__(self, port: Any, sort: str, whose: dict[str, Whose], meter: Meter, free: Collection[str] = ()) -> None:
        for name, of in whose.items():
            kind = f"{sort}.{_SEVERAL.get(name, name)}"
            setattr(self, name, _counting(getattr(port, name), kind, of, meter, int(name not in free)))


class _CountedStores:
    """The datastores, each one counted like the service's own blobs."""

    def __init__(self, stores: Stores, meter: Meter) -> None:
        self._stores = stores
        self._meter = meter

    def open(self, name: str) -> Any:
        """The files of that datastore. Raises NotFound."""
        with _calling("table.get", [SERVICE]):  # whether there is one is in a document
            store = self._stores.open(name)
        return _Counted(store, "blob", _BLOBS, self._meter)

    def reach(self, name: str, body: Document, credentials: Mapping[str, str], make: bool = False) -> Any:
        """The files of one that is being registered, which is nobody's run. As Stores says."""
        return self._stores.reach(name, body, credentials, make)


def _counting(call: Callable[..., Any], kind: str, whose: Whose, meter: Meter, price: int) -> Callable[..., Any]:
    @wraps(call)
    def counting(*args: Any, **named: Any) -> Any:
        given = (*args, *named.values())
        runs = [*whose(*given)]
        for run_id in runs:
            meter.count(run_id, kind, counted=price)
        with _calling(kind, runs):
            result = call(*args, **named)
        if result is not False:  # a run that was there already has sent nothing
            for send in _sends(given):
                meter.count(send.message.run_id, f"message.{send.message.kind}")
        if kind == "table.commit" and result.ended_at is not None:
            meter.ended.add(result.run_id)
        elif kind == "table.deliver" and given[0] in meter.ended:  # the last that is done for a run
            meter.ended.discard(given[0])
            meter.keep(given[0])
        return result

    return counting


@contextmanager
def _calling(kind: str, runs: Iterable[str]) -> Iterator[None]:
    before = _call.set((kind, dict.fromkeys(runs)))
    try:
        yield
    finally:
        _call.reset(before)


def _names(port: type) -> list[str]:
    return [name for name in vars(port) if not name.startswith("_")]


def _sends(given: Iterable[Any]) -> Iterator[Send]:
    for value in given:
        if isinstance(value, (list, tuple)):
            yield from (one for one in value if isinstance(one, Send))


def _of_run(about: Run | Attempt | AttemptKey | str = SERVICE, *_: Any) -> tuple[str]:
    if isinstance(about, Attempt):
        return (about.key.run_id,)
    return (about if isinstance(about, str) else about.run_id,)


def _of_claims(keys: Iterable[AttemptKey], *_: Any) -> list[str]:
    return [key.run_id for key in keys]


def _of_keys(_: str, keys: Iterable[AttemptKey], *__: Any) -> list[str]:
    # One by one, as a store without transactions across runs would have to.
    return [key.run_id for key in keys] if isinstance(keys, Collection) else [SERVICE]


def _of_document(kind: str, name: str = "", *_: Any) -> tuple[str]:
    return (name.split(".")[0] if kind in _ABOUT_RUNS and name else SERVICE,)


def _of_blob(key: str = "", *_: Any) -> tuple[str]:
    first, __, rest = key.partition("/")
    owner = rest.partition("/")[0]
    is_of_run = first in ("artifacts", "records") or (first == "azureml" and "." in owner)
    run_id = owner.partition(".")[0]
    return (run_id if is_of_run and RUN_ID.fullmatch(run_id) else SERVICE,)


def _of_service(*_: Any) -> tuple[str]:
    return (SERVICE,)


def _of_nobody(*_: Any) -> tuple[()]:
    return ()


def _sum(*counts: Counts) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for some in counts:
        for kind, (calls, counting) in some.items():
            before = found.get(kind, (0, 0))
            found[kind] = (before[0] + calls, before[1] + counting)
    return found


# The calls of each port, and whose they are. A call that a port gets later is counted from the day it is there.
_RUNS: dict[str, Whose] = {
    **dict.fromkeys(_names(RunStore), _of_run),
    "claim_all": _of_claims,
    "renew": _of_keys,
    **dict.fromkeys(("find", "every", "hidden"), _of_service),
}
_DOCUMENTS: dict[str, Whose] = dict.fromkeys(_names(DocumentStore), _of_document)
_BLOBS: dict[str, Whose] = {**dict.fromkeys(_names(BlobStore), _of_blob), "folder": _of_nobody}  # moves nothing
_BUS: dict[str, Whose] = dict.fromkeys(_names(Bus), _of_nobody)  # there it is the messages that count
