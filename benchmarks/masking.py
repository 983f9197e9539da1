"""What it costs to hide secrets in a log: against copying the same log as it is, in the same round."""

from __future__ import annotations

import random
import secrets
import statistics
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.figures import Line, in_turn
from canalis.contract.masking import Mask, Stream

_WORDS = "epoch loss accuracy training batch INFO 0.123 reading file model step done of the saved\n".split(" ")
_PIECE_BYTES = 2**20
_MOST_MS = 50.0  # for each MB; no script prints as much for long


def measure(folder: Path, rounds: int, quick: bool) -> Iterator[Line]:
    """Logs of words, with masks of 1, 10 and 100 secrets of 40 characters."""
    log, chance = folder / "log", random.Random(1)
    log.write_text(" ".join(chance.choices(_WORDS, k=1_000_000 if quick else 8_000_000)))
    size_mb = log.stat().st_size / 1e6
    for count in (1, 10, 100):
        mask = Mask([secrets.token_urlsafe(30) for _ in range(count)])
        plain, masked = in_turn(
            f"{count} secrets", max(3, rounds), partial(_copied_s, log, None), partial(_copied_s, log, mask)
        )
        ours, least = (1000 * statistics.median(seconds) / size_mb for seconds in (masked, plain))
        detail = f"{1000 / ours:.0f} MB/s, copied as it is {1000 / least:.0f} MB/s"
        values = [1000 * seconds / size_mb for seconds in masked]
        yield Line(f"a log masked, secrets: {count}", ours, "ms per MB", _MOST_MS, detail, values)


def _copied_s(log: Path, mask: Mask | None) -> float:
    started = time.perf_counter()
    stream = Stream(mask) if mask is not None else None
    with log.open("rb") as source, log.with_name("copy").open("wb") as target:
        while piece := source.read(_PIECE_BYTES):
            target.write(stream.put(piece) if stream else piece)
        if stream:
            target.write(stream.end())
    return time.perf_counter() - started
