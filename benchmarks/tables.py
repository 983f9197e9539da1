"""Rows of a large delimited file as a dataframe: by a tabular dataset, and by pyarrow's own reader alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.figures import Line, against, in_turn, say

_ROW_BYTES = 85

# Each side is a process of its own, so that none has the other's memory; it prints seconds and peak bytes.
_OURS = """
from types import SimpleNamespace
from canalis.contract.tables import Delimited, Table
from canalis.dataset import TabularDataset
import pandas, canalis.table_rows
store = SimpleNamespace(name="s", workspace=SimpleNamespace(_root=root, _client=None))
store.workspace._client = SimpleNamespace(get=lambda route, prefix: [{"path": "big.csv"}])
dataset = TabularDataset([(store, "big.csv")])
dataset._table = Table(read=Delimited(kind="delimited"))
read = dataset.to_pandas_dataframe
"""
_FLOOR = """
import pandas, pyarrow.csv
read = lambda: pyarrow.csv.read_csv(root / "datastores" / "s" / "big.csv").to_pandas()
"""
_MEASURED = """
import resource, sys, time
from pathlib import Path
root = Path(sys.argv[1])
{side}
began = time.perf_counter()
frame = read()
took = time.perf_counter() - began
print(took, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, len(frame))
"""


def measures(folder: Path, rounds: int, quick: bool) -> Iterator[Line]:
    """Time and memory of to_pandas_dataframe, against pyarrow's own reader."""
    try:
        size = _written(folder, 20 if quick else 200)
    except ImportError as error:
        say(f"no tables are measured: {error.name} is not installed here")
        return
    peaks: dict[str, list[int]] = {_OURS: [], _FLOOR: []}

    def read_s(side: str) -> float:
        done = subprocess.run(
            [sys.executable, "-c", _MEASURED.format(side=side), str(folder)], capture_output=True, text=True, check=True
        )
        took, peak, _ = done.stdout.split()
        peaks[side].append(int(peak))
        return float(took)

    read_s(_FLOOR)  # no side is measured cold
    peaks[_FLOOR].clear()
    ours, floor = in_turn("tables", max(rounds, 3), partial(read_s, _OURS), partial(read_s, _FLOOR))
    line = against(f"to_pandas_dataframe of {size / 1e6:.0f} MB", 1, ours, floor, 1.2)
    line.detail = line.detail.replace(" a step", "")
    yield line
    memory = against("its peak of memory", 1, peaks[_OURS], peaks[_FLOOR], 1.2)
    memory.detail = f"{max(peaks[_OURS]) / 1e6:.0f} MB, pyarrow alone {max(peaks[_FLOOR]) / 1e6:.0f} MB"
    yield memory


def _written(folder: Path, megabytes: int) -> int:
    """A file of about that size, with columns of each kind; its size in bytes."""
    import numpy
    import pyarrow
    import pyarrow.csv

    rows = megabytes * 10**6 // _ROW_BYTES
    draw = numpy.random.default_rng(0)
    words = numpy.array(["alpha", "beta", "gamma", "delta"])
    table = pyarrow.table(
        {
            "id": numpy.arange(rows),
            "price": draw.random(rows).round(6),
            "share": draw.random(rows).round(6),
            "count": draw.integers(0, 1000, rows),
            "name": words[draw.integers(0, 4, rows)],
            "at": pyarrow.array(numpy.datetime64("2020-01-01T00:00:00") + draw.integers(0, 10**8, rows)),
            "sum": draw.random(rows) * 1e6,
        }
    )
    path = folder / "datastores" / "s" / "big.csv"
    path.parent.mkdir(parents=True)
    pyarrow.csv.write_csv(table, path)
    return path.stat().st_size
