"""Runs that others start: by v1's REST contract, so many a second, from a process of its own.

    python -m benchmarks.starts ADDRESS PATH RATE SECONDS < token

The clock decides when a request is sent, not the answer before it; each is timed from the moment at which it was due,
so that a service which stands still is charged for all who wait for it.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.figures import Line, percentile
from benchmarks.laptop import Laptop
from benchmarks.workloads import chain
from canalis import PublishedPipeline, local
from canalis.pipeline_run import PipelineRun

RATE = 50  # a second
_CALLERS = 32
_own = threading.local()


def measures(laptop: Laptop, seconds: float) -> Iterator[Line]:
    """What a caller waits for while `RATE` runs a second are started, and what became of the runs."""
    published = laptop.pipeline(chain(1)).publish("starts")
    address, token = local.endpoint(laptop.workspace._root)
    submit = urlsplit(published.endpoint).path
    health = _asked(address, token, "/api/v1/experiments", RATE, seconds)
    found = _asked(address, token, submit, RATE, seconds)
    lost = _lost(laptop, published, [answer["Id"] for answer in found["answers"]])
    took = [1000 * one for one in found["seconds"]]
    floor = 1000 * percentile(health["seconds"], 0.99)
    count = len(took)
    detail = f"median {percentile(took, 0.5):.0f} ms; a list of experiments at that rate {floor:.0f} ms"
    yield Line(f"REST: a run started, {RATE} a second, p99 of {count:,}", percentile(took, 0.99), "ms", 250.0, detail)
    yield Line("REST: starts refused, or lost", found["refused"] + lost, f"of {count:,}", 0.0, "all others completed")


def _lost(laptop: Laptop, published: PublishedPipeline, ids: list[str]) -> int:
    """How many of the runs that callers were told of have not completed, or were another's."""
    lost = len(ids) - len(set(ids))
    for identity in set(ids):
        run = PipelineRun.get(laptop.workspace, identity)
        lost += run.wait_for_completion(show_output=False, raise_on_error=False) != "Finished"
    return lost


def _asked(address: str, token: str, path: str, rate: int, seconds: float) -> dict[str, Any]:
    words = [sys.executable, "-m", "benchmarks.starts", address, path, str(rate), str(seconds)]
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(words, input=token, stdout=subprocess.PIPE, text=True, check=True, cwd=root)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _send(address: str, token: str, path: str, due: float) -> tuple[float, int, Any]:
    """Seconds from when it was due, the status, and the answer."""
    if not hasattr(_own, "connection"):
        _own.connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    is_start = "PipelineSubmit" in path
    body = json.dumps({"ExperimentName": "starts"}) if is_start else None
    _own.connection.request("POST" if is_start else "GET", path, body, headers)
    response = _own.connection.getresponse()
    answer = json.loads(response.read())
    return time.perf_counter() - due, response.status, answer


def main() -> None:
    """Send, and print what was answered as JSON."""
    address, path, rate, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    token, sent = sys.stdin.read(), []
    began = time.perf_counter() + 0.5
    with ThreadPoolExecutor(_CALLERS) as callers:
        for number in range(int(rate * seconds)):
            due = began + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            sent.append(callers.submit(_send, address, token, path, due))
        answers = [one.result() for one in sent]
    good = [answer for _, status, answer in answers if status == 200]
    took = [one for one, _, _ in answers]
    print(json.dumps({"seconds": took, "refused": len(answers) - len(good), "answers": good}))


if __name__ == "__main__":
    main()
