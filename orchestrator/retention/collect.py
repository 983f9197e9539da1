"""What the policy of a workspace lets go, and what nobody names: counted, and put out of sight."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from canalis.contract.errors import NotFound
from canalis.contract.ports import Ports, Run
from canalis.contract.retention import RETENTION, Amount, Clearing, Policy, Spared, Thing
from canalis.contract.reuse import MADE
from orchestrator.retention import cleared, doomed
from orchestrator.retention.delete import hide
from orchestrator.retention.garbage import YOUNG_S, Blobs, look_through
from orchestrator.retention.needs import Brief, Needs, Use, survey
from orchestrator.retention.owned import Owned, files_at, owned

REST_S = 600.0  # longer than any request takes
RUNS_MAX = 500  # that are put out of sight at once
_LARGEST = 10
_SPARED_MAX = 20


@dataclass(slots=True)
class Found:
    """What was found that can go.

    runs     those that need others first
    data     ids of runs whose intermediate data can go, each with whether there is any
    """

    policy: Policy
    needs: Needs
    blobs: Blobs
    runs: list[Brief] = field(default_factory=list)
    data: dict[str, bool] = field(default_factory=dict)
    spared: list[Spared] = field(default_factory=list)
    things: list[Thing] = field(default_factory=list)


def policy_of(ports: Ports) -> Policy:
    """How long this workspace keeps things; for good when nobody has said."""
    known = ports.documents.get("settings", RETENTION)
    return Policy.model_validate(known.body) if known is not None else Policy()


def set_policy(ports: Ports, policy: Policy) -> Policy:
    """Keep things for so long from now on."""
    ports.documents.put("settings", RETENTION, policy.model_dump(mode="json"))
    return policy


def find(ports: Ports, young_s: float = YOUNG_S) -> Found:
    """What can go. Changes nothing."""
    policy, needs = policy_of(ports), survey(ports)
    found = Found(policy, needs, look_through(ports, needs, young_s))
    now = ports.clock.now()
    if policy.runs_s is not None:
        _find_runs(ports, found, now - policy.runs_s)
    if policy.intermediate_s is not None:
        _find_data(ports, found, now - policy.intermediate_s)
    waiting = set(doomed.doomed(ports))
    found.things += [thing for thing in found.blobs.unnamed if thing.name not in waiting]
    return found


def collect(ports: Ports, dry_run: bool, rest_s: float = REST_S, young_s: float = YOUNG_S) -> Clearing:
    """Put out of sight what can go, unless it is a dry run, and say what that is. Safe to ask again after a crash."""
    found = find(ports, young_s)
    waiting = _waiting(ports, found)
    if not dry_run:
        for run in found.runs[:RUNS_MAX]:
            hide(ports, run.run_id)
        for run_id, has_files in found.data.items():
            cleared.mark(ports, run_id, has_files)
        keys = [thing.name for thing in found.things if thing.kind not in ("runs", "intermediate")]
        if keys:
            doomed.doom(ports, keys)
        _tidy_index(ports, found.needs)
    return Clearing(
        dry_run=dry_run,
        policy=found.policy,
        found=_amounts(found.things),
        waiting=waiting,
        largest=tuple(sorted(found.things, key=lambda thing: (-thing.bytes, thing.name))[:_LARGEST]),
        spared=tuple(found.spared[:_SPARED_MAX]),
        spared_count=len(found.spared),
        rest_s=rest_s,
    )


def data_users(needs: Needs, run: Run, places: Iterable[Owned], since: float, going: set[str]) -> list[Use]:
    """Who needs the intermediate data of a run, among runs those that have not ended before `since`."""
    its_own = [one.place for one in places if not one.is_result]
    users = [use for use in needs.of(run.run_id, its_own, going) if use.data]
    return [use for use in users if not use.run or _is_recent(needs, use.run, since)]


def _is_recent(needs: Needs, run_id: str, since: float) -> bool:
    run = needs.runs.get(run_id)
    return run is not None and (run.ended_at is None or run.ended_at >= since)


def _find_runs(ports: Ports, found: Found, since: float) -> None:
    old = {one: run for one, run in found.needs.runs.items() if run.ended_at is not None and run.ended_at < since}
    going = old.keys() | found.needs.hidden.keys()
    for brief in map(old.__getitem__, found.needs.users_first(old)):
        try:
            run = ports.runs.load(brief.run_id)
        except NotFound:
            continue
        places = {one.whole for one in owned(ports, run)}
        users = found.needs.of(brief.run_id, places, going)
        if users:
            going.discard(brief.run_id)
            found.spared.append(Spared(run=brief.run_id, needed_by=users[0].by))
            continue
        size = found.blobs.of_run.get(brief.run_id, 0)
        size += sum(info.size for place in places for info in files_at(ports, place))
        found.runs.append(brief)
        found.things.append(Thing(kind="runs", name=brief.run_id, bytes=size))


def _find_data(ports: Ports, found: Found, since: float) -> None:
    going = {run.run_id for run in found.runs} | found.needs.hidden.keys()
    old = [
        run.run_id
        for run in found.needs.runs.values()
        if run.ended_at is not None and run.ended_at < since and run.run_id not in going
    ]
    known = ports.documents.get_all(cleared.CLEARED, old)
    for run_id in old:
        if run_id in known:
            continue
        try:
            run = ports.runs.load(run_id)
        except NotFound:
            continue
        places = owned(ports, run)
        if data_users(found.needs, run, places, since, going):
            continue
        size = [info.size for one in places if not one.is_result for info in files_at(ports, one.place)]
        found.data[run_id] = bool(size)
        if size:
            found.things.append(Thing(kind="intermediate", name=run_id, bytes=sum(size)))


def _tidy_index(ports: Ports, needs: Needs) -> None:
    """Take out of the index of who has made what those who are gone."""
    gone: dict[str, bool] = {}

    def is_gone(maker: str) -> bool:
        run_id = cleared.run_of(maker)
        if run_id not in gone:
            gone[run_id] = run_id not in needs.runs and run_id not in needs.hidden and not _is_there(ports, run_id)
        return gone[run_id]

    names = [one.name for one in ports.documents.list(MADE) if any(map(is_gone, one.body["by"]))]
    cleared.drop_makers(ports, names, is_gone)


def _is_there(ports: Ports, run_id: str) -> bool:
    try:
        ports.runs.load(run_id)
    except NotFound:
        return False
    return True


def _waiting(ports: Ports, found: Found) -> dict[str, Amount]:
    keys = set(doomed.doomed(ports))
    things = [thing for thing in found.blobs.unnamed if thing.name in keys]
    of_run = found.blobs.of_run
    things += [Thing(kind="runs", name=one, bytes=of_run.get(one, 0)) for one in found.needs.hidden]
    things += [Thing(kind="intermediate", name=one, bytes=0) for one in cleared.marked(ports.documents)]
    return _amounts(things)


def _amounts(things: Iterable[Thing]) -> dict[str, Amount]:
    counts, sizes = defaultdict[str, int](int), defaultdict[str, int](int)
    for thing in things:
        counts[thing.kind] += 1
        sizes[thing.kind] += thing.bytes
    return {kind: Amount(count=counts[kind], bytes=sizes[kind]) for kind in sorted(counts)}
