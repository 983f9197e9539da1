"""Traces: carried along when nobody listens, told as OpenTelemetry's spans when somebody does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from adapters.clock import SystemClock
from adapters.counted import Meter, counted
from adapters.files import FileBlobs, FileStores
from adapters.sqlite import Database, SqliteBus, SqliteDocuments, SqliteRuns
from benchmarks.engine import StubBackend
from canalis.contract import telemetry, trace
from canalis.contract.about import about
from canalis.contract.errors import StoreUnavailable
from canalis.contract.graph import CommandWork, Graph, Node
from canalis.contract.messages import ORCHESTRATOR_QUEUE, CancelRequested, received, steps_queue
from canalis.contract.ports import Ports
from canalis.contract.run import ComputeChoice
from local_engine import OWNER
from orchestrator.advance import advance
from orchestrator.resume import Resumption, resume
from orchestrator.submit import Submission, submit
from orchestrator.sweep import Sweeper
from steps import worker
from tests.outside import outside
from tests.unit.conftest import id_of, parent_of, traceparent_of

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACE = f"00-{TRACE_ID}-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "text",
    [
        "", "00", TRACE[:-1], TRACE + "0", TRACE + "-", TRACE.upper(), " " + TRACE, TRACE.replace("-", "_"),
        TRACE.replace(TRACE_ID, "0" * 32), TRACE.replace("b7ad6b7169203331", "0" * 16), "ff" + TRACE[2:],
        "01" + TRACE[2:] + "x", "x" * 10_000, TRACE + "\n",
    ],
)  # fmt: skip
def test_what_is_no_traceparent_is_nothing(text):
    assert trace.parsed(text) == ""
    with trace.continued(text):
        assert trace.current() == ""


def test_a_later_version_is_read_as_ours():
    assert trace.parsed(TRACE) == TRACE
    assert trace.parsed("01" + TRACE[2:] + "-whatever-comes") == TRACE
    assert trace.trace_id(TRACE) == TRACE_ID and trace.trace_id("") == ""


def test_off_a_trace_is_carried_along_and_left_again():
    other = TRACE.replace("b7ad", "aaaa")
    with trace.continued(TRACE), trace.span("advance") as told:
        told.set({"x": 1})
        assert trace.current() == TRACE
        with trace.span("work", parent=other):
            assert trace.current() == other
        heard: list[str] = []
        thread = threading.Thread(target=lambda: heard.append(trace.current()))
        thread.start()
        thread.join()
        assert heard == [""]
        assert trace.current() == TRACE
    assert trace.current() == ""


def test_a_service_that_nobody_listens_to_loads_nothing_for_spans(tmp_path):
    code = (
        "import sys, pathlib, local_engine\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
        "import local_app\n"  # FastAPI itself loads the API of OpenTelemetry
        "from canalis.contract import telemetry\n"
        "assert not telemetry.switch_on({'OTEL_SERVICE_NAME': 'x', 'OTEL_TRACES_EXPORTER': 'none'})\n"
        "door = local_app.Door(pathlib.Path(sys.argv[1]))\n"
        "door.engine.start()\n"
        "door.engine.tick()\n"
        "door.engine.checks()\n"
        "door.close()\n"
        "names = ('opentelemetry.sdk', 'opentelemetry.exporter', 'azure', 'canalis.contract.spans')\n"
        "print([name for name in sys.modules if name.startswith(names)])\n"
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "APPLICATIONINS"))}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "w")], env=environ, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["[]", "[]"], (done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=0"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
    ],
)
def test_the_settings_say_whether_somebody_listens(settings, wanted):
    assert telemetry.is_wanted(settings) is wanted


def test_who_wants_spans_and_has_not_what_they_need_is_told_so_and_the_service_works(caplog, monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    assert telemetry.switch_on({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}) is False
    assert "pip install 'canalis[telemetry]'" in caplog.text
    assert telemetry.switch_on({"APPLICATIONINSIGHTS_CONNECTION_STRING": "x"}) is False
    assert "pip install azure-monitor-opentelemetry" in caplog.text
    assert telemetry.switch_on({"OTEL_TRACES_EXPORTER": "pigeon"}) is False
    with trace.span("x"):
        assert trace.current() == ""


def test_a_script_knows_its_trace_from_its_environment(monkeypatch):
    monkeypatch.setenv("TRACEPARENT", "00-forged")
    assert trace.of_this_process() == ""
    monkeypatch.setenv("TRACEPARENT", TRACE)
    assert trace.of_this_process() == TRACE


class Engine:
    """The engine by hand, so that a scene can look at what lies on the bus in between."""

    def __init__(self, folder) -> None:
        clock = SystemClock()
        self.database = Database(folder / "canalis.db")
        self.bus = SqliteBus(self.database, clock)
        plain = Ports(
            SqliteRuns(self.database, self.bus, clock),
            SqliteDocuments(self.database),
            FileBlobs(folder / "blobs"),
            FileStores(folder / "stores"),
            self.bus,
            clock,
            **outside(SqliteDocuments(self.database)),
        )
        self.ports = counted(plain, Meter(plain.documents))

    def submit(self, *names: str, after: dict[str, tuple[str, ...]] | None = None) -> str:
        work = CommandWork(line=("true",))
        nodes = tuple(Node(key=name, name=name, work=work, after=(after or {}).get(name, ())) for name in names)
        asked = Submission(graph=Graph(nodes=nodes), experiment="traced")
        return submit(self.ports, asked, {"": ComputeChoice(backend="process")}).run_id

    def take(self, queue: str):
        taken = self.bus.take(queue, 90, 0.0)
        self.bus.complete(taken)
        return [received(one.body) for one in taken]

    def orders(self):
        return self.take(steps_queue("process"))

    def news(self):
        return self.take(ORCHESTRATOR_QUEUE)

    def work(self, orders) -> None:
        worker.start_all(
            self.ports, StubBackend(), OWNER, [one.message for one in orders], [one.trace for one in orders]
        )

    def advance(self, run_id: str, news) -> None:
        advance(self.ports, run_id, [one.message for one in news], [one.trace for one in news])


@pytest.fixture
def engine(tmp_path):
    engine = Engine(tmp_path)
    yield engine
    engine.database.close()


def test_off_what_came_in_goes_from_message_to_message(engine):
    with trace.continued(TRACE):
        run_id = engine.submit("a", "b", after={"b": ("a",)})
    for _ in range(2):
        orders = engine.orders()
        assert [one.trace for one in orders] == [TRACE]
        engine.work(orders)
        news = engine.news()
        assert [one.trace for one in news] == [TRACE]
        engine.advance(run_id, news)
    assert engine.ports.runs.load(run_id).state.status.is_terminal
    assert trace.current() == ""


def test_off_and_without_a_trace_nothing_is_carried(engine):
    run_id = engine.submit("a")
    assert [one.trace for one in engine.orders()] == [""]
    assert engine.ports.runs.load(run_id).request.trace == ""


def test_one_trace_leads_from_the_submission_over_the_queues_to_the_last_step(engine, heard):
    with trace.continued(TRACE):
        run_id = engine.submit("a", "b", after={"b": ("a",)})
    submitted = heard.one("submit")
    assert f"{submitted.context.trace_id:032x}" == TRACE_ID and parent_of(submitted) == TRACE[36:52]
    assert submitted.attributes["canalis.run_id"] == run_id and submitted.attributes["canalis.steps"] == 2

    orders = engine.orders()
    assert [one.trace for one in orders] == [traceparent_of(submitted)]
    engine.work(orders)
    engine.advance(run_id, engine.news())
    advanced = heard.one("advance")
    assert parent_of(advanced) == id_of(submitted)
    assert advanced.kind.name == "CONSUMER"
    assert {name: value for name, value in advanced.attributes.items() if name.startswith("messaging.")} == {
        "messaging.system": "sqlite",
        "messaging.operation.type": "process",
        "messaging.operation.name": "advance",
        "messaging.destination.name": "orchestrator",
        "messaging.batch.message_count": 1,
    }
    assert advanced.attributes["canalis.run_id"] == run_id and advanced.attributes["canalis.messages_sent"] == 1
    assert [one.trace for one in engine.orders()] == [traceparent_of(advanced)]
    assert trace.current() == ""


def test_messages_that_are_applied_together_go_on_with_the_first_and_are_linked(engine, heard):
    run_id = engine.submit("a", "b", "c", "d", after={"d": ("a", "b", "c")})
    engine.work(engine.orders())
    news = [one._replace(trace=f"00-{number:032x}-{number:016x}-01") for number, one in enumerate(engine.news(), 1)]
    engine.advance(run_id, [*news, news[1]])  # one came twice
    advanced = heard.one("advance")
    assert (advanced.parent.trace_id, advanced.parent.span_id) == (1, 1)
    assert [(link.context.trace_id, link.context.span_id) for link in advanced.links] == [(2, 2), (3, 3)]
    assert advanced.attributes["messaging.batch.message_count"] == 4
    (order,) = engine.orders()
    assert order.trace == traceparent_of(advanced)


def test_what_is_made_again_belongs_to_the_trace_of_its_run(engine, heard):
    run_id = engine.submit("a")
    engine.orders()  # and lost
    assert Sweeper(engine.ports, OWNER).sweep(at_once=True) == 1
    (again,) = engine.orders()
    assert again.trace == traceparent_of(heard.one("submit")) == engine.ports.runs.load(run_id).request.trace
    swept = heard.one("sweep")
    assert swept.attributes["canalis.open_runs"] == 1 and swept.attributes["canalis.messages_sent"] == 1


def test_a_sweep_that_has_nothing_to_look_at_says_nothing(engine, heard):
    Sweeper(engine.ports, OWNER).sweep()
    assert heard.all("sweep") == []


def test_a_resumed_run_has_a_trace_of_its_own(engine, heard):
    run_id = engine.submit("a", "b", after={"b": ("a",)})
    engine.work(engine.orders())
    engine.advance(run_id, engine.news())
    advance(engine.ports, run_id, [CancelRequested(run_id=run_id)])
    for order in engine.orders():
        worker.work(engine.ports, StubBackend(), OWNER, order.message, order.trace)
    engine.advance(run_id, engine.news())
    run = engine.ports.runs.load(run_id)
    assert run.state.status.is_terminal
    engine.orders()
    asked = Resumption(from_steps=["a"])
    again = resume(engine.ports, run, asked, {"": ComputeChoice(backend="process")})
    resumed = heard.one("resume")
    assert again.request.trace == traceparent_of(resumed) != run.request.trace
    assert [one.trace for one in engine.orders()] == [traceparent_of(resumed)]


def test_an_error_is_told_by_its_stable_word_and_not_by_its_text(heard):
    with pytest.raises(StoreUnavailable), about(run_id="run-1"), trace.span("advance"):
        raise StoreUnavailable("AccountKey=abc is wrong")
    told = heard.one("advance")
    assert (told.status.status_code.name, told.status.description) == ("ERROR", "store_unavailable")
    assert told.events == () and "AccountKey" not in str(told.to_json())


def test_a_span_within_somebody_elses_is_part_of_it(heard):
    from opentelemetry import trace as api

    theirs = heard.provider.get_tracer("theirs").start_span("request")
    within = heard.provider.get_tracer("theirs").start_as_current_span
    with api.use_span(theirs, end_on_exit=True), trace.span("submit"), within("sql"):
        pass
    assert parent_of(heard.one("submit")) == id_of(theirs)
    assert parent_of(heard.one("sql")) == id_of(heard.one("submit"))


def test_what_was_not_to_be_sampled_is_not(heard):
    from opentelemetry.sdk.trace import TracerProvider  # noqa: F401  its default sampler asks the parent

    with trace.span("submit", parent=TRACE[:-2] + "00"):
        assert trace.current().startswith(f"00-{TRACE_ID}-") and trace.current().endswith("-00")
    assert heard.all("submit") == []
