"""The portal in Chromium without a window, before the HTTP app in this process: pages of large runs, lists and logs."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2

from api.access import KeptToken
from api.app import PREFIX
from benchmarks.figures import Line, percentile, say
from benchmarks.workloads import layered
from canalis.contract.graph import Graph, Node, PythonWork, Settings
from canalis.contract.layout import STEP_LOG, artifacts
from canalis.contract.messages import StepEnded
from canalis.contract.run import RunRequest, RunState, StepRunId
from canalis.contract.status import Outcome, RunStatus
from orchestrator.advance import advance
from tests.api.conftest import TOKEN, an_app, served, snapshot_of
from tests.portal.browser import is_there

Ask = Callable[..., httpx2.Response]

_PAINTED = "globalThis.canalisGraph?.words && globalThis.canalisGraph.paints ? performance.now() : 0"
_BYTES = "performance.getEntries().reduce((sum, one) => sum + (one.transferSize ?? 0), 0)"
_FRAMES = """new Promise((done) => {
  const graph = globalThis.canalisGraph, begun = performance.now(), before = graph.paints;
  const move = () => {
    graph.left += 3;
    if (graph.paints % 10 === 0) graph.zoom(graph.paints % 20 ? 1.1 : 1 / 1.1); else graph.moved();
    const passed = performance.now() - begun;
    if (passed < 2000) requestAnimationFrame(move); else done((1000 * (graph.paints - before)) / passed);
  };
  move();
})"""
_LOGGED = "document.querySelectorAll('.lines div').length > 100 ? performance.now() : 0"
_CHANGED = "Number(globalThis.canalisGraph.words[0] === 'succeeded')"
_PATIENCE_S = 60.0


def measures(folder: Path, rounds: int, quick: bool) -> Iterator[Line]:
    """What who looks waits for."""
    if not is_there():
        say("the portal is not measured: scripts/setup-browser brings what that needs")
        return
    from tests.portal.browser import chromium

    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(prefix="canalis-bench-", dir=memory, ignore_cleanup_errors=True) as place,
        an_app(Path(place), KeptToken(TOKEN, "bench")) as app,
        served(app) as (host, port),
        chromium() as browser,
    ):
        at, ports = f"http://{host}:{port}", app.state.service.ports
        client = httpx2.Client(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)

        def ask(method: str, path: str, **parts: Any) -> httpx2.Response:
            return client.request(method, at + PREFIX + path, **parts)

        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()

        def opened(to: str) -> Any:
            page.goto("about:blank")  # always the same page: a browser draws one that it takes for hidden when it likes
            page.goto(at + ask("POST", "/sign-ins").json()["path"] + f"&to={to}")
            return page

        for count, aim in ((1_000, 1.0), (10_000, 2.0)):
            yield from _run_pages(ask, ports, opened, count, aim)
        yield _log(ask, ports, opened)
        yield _list(ask, ports, 5_000 if quick else 100_000)


def _run_pages(ask: Ask, ports: Any, opened: Any, count: int, aim: float) -> Iterator[Line]:
    run = _a_run(ask, count)
    page = opened(f"/runs/{run}")
    cold = _until(page, _PAINTED) / 1000
    sent = page.evaluate(_BYTES) / 2**20
    frames = page.evaluate(_FRAMES)
    began = time.monotonic()
    advance(ports, run, [StepEnded(run_id=run, node="n0", attempt=1, outcome=Outcome.SUCCEEDED)])
    _until(page, _CHANGED)
    heard = time.monotonic() - began
    warm = []
    for _ in range(3):
        page = opened(f"/runs/{run}")
        warm.append(_until(page, _PAINTED) / 1000)
    name = f"portal: run of {count:,} steps"
    yield Line(f"{name}, first paint", sorted(warm)[1], "s", aim, f"with sign-in; {cold:.2f} s the first time", warm)
    yield Line(f"{name}, sent", sent, "MiB", 2.0, "scripts, drawing and all")
    yield Line(f"{name}, a frame while it is moved", 1000 / frames, "ms", 33.4, f"{frames:.0f} frames a second")
    yield Line(f"{name}, an event until it is seen", heard, "s", 1.0)


def _until(page: Any, expression: str) -> float:
    """What an expression gives in the page, as soon as that is not 0. Raises TimeoutError."""
    give_up = time.monotonic() + _PATIENCE_S
    while not (found := float(page.evaluate(expression))):
        if time.monotonic() > give_up:
            raise TimeoutError(f"{expression} at {page.url}: {page.inner_text('main')[:300]}")
        time.sleep(0.01)
    return found


def _a_run(ask: Ask, count: int) -> str:
    snapshot = snapshot_of(ask, {"a.py": b"1"})
    work, apart = PythonWork(script="a.py"), Settings(reuse=False)
    nodes = tuple(
        Node(
            key=f"n{place}",
            name=f"step {place}",
            work=work,
            settings=apart,
            snapshot=snapshot,
            after=tuple(f"n{one}" for one in before),
        )
        for place, before in enumerate(layered(count))
    )
    body = {"experiment": "bench", "graph": Graph(nodes=nodes).model_dump(mode="json", exclude_unset=True)}
    answer = ask("POST", "/runs", json=body)
    assert answer.status_code == 201, answer.text[:300]
    return str(answer.json()["id"])


def _log(ask: Ask, ports: Any, opened: Any) -> Line:
    run, line = _a_run(ask, 2), b"2026-11-28 12:00:00 INFO worker: batch is done, loss 0.1234\n"
    ports.blobs.put(artifacts(StepRunId(run, "n0")) + STEP_LOG, line * (100 * 2**20 // len(line)))
    page = opened(f"/runs/{run}.n0")
    took = _until(page, _LOGGED) / 1000
    return Line("portal: log of 100 MiB, until its end is there", took, "s", 1.0)


def _list(ask: Ask, ports: Any, count: int) -> Line:
    graph = ask("GET", "/runs?limit=1").json()[0]["graph"]
    state = RunState(RunStatus.COMPLETED, b"\x07\x07", b"\x01\x01", b"\0\0", b"\0\0\0\0")
    for number in range(count):
        request = RunRequest(experiment=f"e{number % 50}", graph=graph, submitted_at=1.0 + number, number=number)
        ports.runs.create(f"run-{number:06}", request, state, [])
    took = []
    for before in (count, count * 0.9, count / 2, count / 10, count / 20):
        began = time.perf_counter()
        assert len(ask("GET", f"/runs?limit=25&before={before}").json()) == 25
        took.append(1000 * (time.perf_counter() - began))
    return Line(
        f"portal: a page of {count:,} runs", percentile(took, 0.5), "ms", 300.0, f"the slowest {max(took):.0f} ms"
    )
