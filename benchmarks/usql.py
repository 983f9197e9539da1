"""U-SQL over a large CSV file, against the same query written for DuckDB; and what reading a script takes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.figures import Line, against, in_turn, say

_ROW_BYTES = 57
_SCRIPT = """
@log = EXTRACT id int, region string, seconds int?, price double, time DateTime
       FROM "@@in@@" USING Extractors.Csv();
@sold = SELECT region.ToUpper() AS region, price, seconds ?? 0 AS seconds, time.Month AS month
        FROM @log WHERE price > 20;
@sum = SELECT region, month, COUNT(*) AS n, SUM(seconds) AS seconds, AVG(price) AS price
       FROM @sold GROUP BY region, month;
OUTPUT @sum TO "@@out@@" ORDER BY region, month USING Outputters.Csv(outputHeader: true);
"""
_QUERY = """
COPY (SELECT upper(region) AS region, month(time) AS month, count(*) AS n, sum(coalesce(seconds, 0)) AS seconds,
             avg(price) AS price
      FROM read_csv('{file}', header = false, columns = {{'id': 'INTEGER', 'region': 'VARCHAR', 'seconds': 'INTEGER',
                                                          'price': 'DOUBLE', 'time': 'TIMESTAMP'}})
      WHERE price > 20 GROUP BY ALL ORDER BY ALL) TO '{out}' (HEADER)
"""
# Each side is a process of its own, so that none has the other's memory; it prints seconds.
_OURS = """
import sys, time
from canalis.usql.running import Engine
with Engine() as engine:
    began = time.perf_counter()
    plan = engine.plan(open(sys.argv[1]).read(), {"in": sys.argv[2], "out": sys.argv[3]})
    read = time.perf_counter()
    engine.run(plan, lambda said: None)
    print(time.perf_counter() - read, read - began)
"""
_FLOOR = """
import sys, time
import duckdb
connection = duckdb.connect()
connection.execute("SET enable_progress_bar = false")
began = time.perf_counter()
connection.execute(open(sys.argv[1]).read())
print(time.perf_counter() - began, 0)
"""
READ_S_MAX = 1.5


def measures(folder: Path, rounds: int, quick: bool) -> Iterator[Line]:
    """Time of a query of U-SQL, against DuckDB's own; and the time in which a script is read and checked."""
    file, out = folder / "log.csv", folder / "out.csv"
    try:
        size = _written(file, 50 if quick else 1000)
        import lark  # noqa: F401
    except ImportError as error:
        say(f"no U-SQL is measured: {error.name} is not installed here")
        return
    (folder / "ours").write_text(_SCRIPT)
    (folder / "floor").write_text(_QUERY.format(file=file, out=out))
    readings: list[float] = []

    def run_s(side: str, script: str) -> float:
        words = [sys.executable, "-c", side, str(folder / script), str(file), str(out)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        took, reading = map(float, done.stdout.split())
        readings.extend([reading] if reading else [])
        return took

    run_s(_FLOOR, "floor")  # no side is measured cold
    ours, floor = in_turn("usql", max(rounds, 3), partial(run_s, _OURS, "ours"), partial(run_s, _FLOOR, "floor"))
    line = against(f"U-SQL over {size / 1e6:.0f} MB of CSV", 1, ours, floor, 1.5)
    line.detail = line.detail.replace(" a step", "")
    yield line
    yield Line("a script of U-SQL is read and checked", min(readings), "s", READ_S_MAX, "the parser's tables", readings)


def _written(file: Path, megabytes: int) -> int:
    """A log of about that size; its size in bytes."""
    import duckdb

    rows = megabytes * 10**6 // _ROW_BYTES
    duckdb.connect().execute(
        f"""COPY (SELECT i, 'region-' || (i % 50), CASE WHEN i % 7 > 0 THEN (i * 7919) % 1000 END, (i % 1000) / 7.0,
                         TIMESTAMP '2017-01-01' + to_seconds(i % 31536000) FROM range({rows}) AS r(i))
            TO '{file}' (HEADER false)"""
    )
    return file.stat().st_size
