"""Which files of a datastore are new, or were written again, since somebody last looked."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping

from canalis.contract.ports import BlobInfo, Ports
from canalis.contract.schedules import DataChanges, Progress, Schedule, Tick

FILES_MAX = 100  # that start a run of their own in one look; the others do so in the next
SETTLED_S = 2.0  # a file that was written so recently may still be being written
NAMED_MAX = 100  # files that a run of a whole batch is told

Files = dict[str, tuple[int, float]]  # size and time of each file, by path


def baseline(ports: Ports, schedule: Schedule) -> str:
    """Where it is kept which files there are just now: none of them has changed. Raises NotFound for the datastore."""
    assert isinstance(schedule.trigger, DataChanges), schedule.id
    there = {info.key: (info.size, info.modified_at) for info in _listed(ports, schedule.trigger)}
    return _kept(ports, schedule, there)


def changed(ports: Ports, schedule: Schedule, progress: Progress, now: float) -> tuple[list[Tick], str]:
    """What is to be started for the files that have changed since the last look, and where it is kept what there is.

    A file whose run is not started in this look is still one that has changed in the next.
    """
    trigger = schedule.trigger
    assert isinstance(trigger, DataChanges), schedule.id
    if not progress.snapshot:
        return [], baseline(ports, schedule)
    before = _known(ports, progress.snapshot)
    there = {info.key: (info.size, info.modified_at) for info in _listed(ports, trigger)}
    fresh = sorted((path for path in there if before.get(path) != there[path]), key=lambda path: (there[path][1], path))
    if trigger.batch:
        is_quiet = bool(fresh) and now - there[fresh[-1]][1] >= max(SETTLED_S, 60.0 * trigger.quiet_minutes)
        taken = fresh if is_quiet else []
        ticks = [_tick(schedule, {path: there[path] for path in taken}, now)] if taken else []
    else:
        taken = [path for path in fresh if now - there[path][1] >= SETTLED_S][:FILES_MAX]
        ticks = [_tick(schedule, {path: there[path]}, now) for path in taken]
    still = {path: found for path, found in before.items() if path in there}
    after = still | {path: there[path] for path in taken}
    return ticks, progress.snapshot if after == before else _kept(ports, schedule, after)


def forget(ports: Ports, schedule_id: str, but: str = "") -> None:
    """Delete what is kept of a schedule's files, but the one place that is still used."""
    for info in list(ports.blobs.list(_folder(schedule_id))):
        if info.key != but:
            ports.blobs.delete(info.key)


def _listed(ports: Ports, trigger: DataChanges) -> Iterator[BlobInfo]:
    """The files in the folder that is watched, those of its subfolders only where it says so."""
    folder = trigger.path.strip("/")
    prefix = f"{folder}/" if folder else ""
    for info in ports.stores.open(trigger.datastore).list(prefix):
        if trigger.subfolders or "/" not in info.key[len(prefix) :]:
            yield info


def _tick(schedule: Schedule, files: Mapping[str, tuple[int, float]], now: float) -> Tick:
    """The same change has the same key, whoever finds it, and so leads to the same run."""
    told = json.dumps([schedule.revision, sorted(files.items())])
    key = hashlib.sha256(told.encode()).hexdigest()[:32]
    return Tick(key=key, at=now, changed=tuple(sorted(files))[:NAMED_MAX])


def _kept(ports: Ports, schedule: Schedule, files: Files) -> str:
    body = zlib.compress(json.dumps(files, sort_keys=True).encode(), 1)
    key = f"{_folder(schedule.id)}{hashlib.sha256(body).hexdigest()}"
    ports.blobs.put_if_absent(key, body)
    return key


def _known(ports: Ports, key: str) -> Files:
    found = json.loads(zlib.decompress(ports.blobs.get(key)))
    return {path: (size, modified_at) for path, (size, modified_at) in found.items()}


def _folder(schedule_id: str) -> str:
    return f"schedules/{schedule_id}/"
