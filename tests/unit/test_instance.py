"""Short steps within the call that asks for them, on machines that come and go, with blobs that lie elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.clock import SystemClock
from adapters.files import FileBlobs
from adapters.sqlite import Database, SqliteBus, SqliteDocuments, SqliteRuns
from canalis.contract.errors import NotFound, StoreUnavailable
from canalis.contract.graph import CommandWork, FromStore, Graph, Input, InputPath, Node, Output, OutputPath, Settings
from canalis.contract.layout import METRICS, STEP_LOG, artifacts, records
from canalis.contract.messages import ORCHESTRATOR_QUEUE, CancelRequested, StartStep, from_bytes, received, steps_queue
from canalis.contract.ports import AttemptKey, Ports
from canalis.contract.run import ComputeChoice, StepRunId
from canalis.contract.status import Outcome, RunStatus
from canalis.contract.trace import continued
from orchestrator.advance import advance
from orchestrator.submit import Submission, submit
from steps import worker
from steps.instance import MARKER, InstanceBackend, Limits, Marker
from steps.report import PortsDesk
from steps.scratch import Scratch
from steps.surroundings import Site
from tests.outside import outside
from tests.scenes.conftest import is_alive, until
from tests.unit.conftest import id_of, parent_of, traceparent_of

INHERITED = ("PATH", "HOME")


class BlobsElsewhere(FileBlobs):
    """Blobs that no path of this machine leads to."""

    def folder(self) -> None:
        return None


class StoresElsewhere:
    def __init__(self, root: Path) -> None:
        self.root = root

    def open(self, name: str) -> BlobsElsewhere:
        if name != "workspaceblobstore":
            raise NotFound(f"no datastore {name}", kind="datastore", name=name)
        return BlobsElsewhere(self.root / name)


class Machine:
    """One that carries out orders, under another name each time."""

    def __init__(self, ports: Ports, below: Path, seconds_max: float = 30.0, log_bytes_max: int = 2**20) -> None:
        self.ports = ports
        self.scratch = Scratch(below)
        kept = self.scratch.folder / "kept"
        site = Site("w", "s", "r", "l", "http://127.0.0.1:9", str, kept, (), inherited=INHERITED)
        limits = Limits(seconds_max, log_bytes_max)
        self.backend = InstanceBackend(ports, site, self.scratch.folder, PortsDesk(ports), limits)

    def works(self, command: object) -> None:
        worker.work(self.ports, self.backend, uuid.uuid4().hex, command)

    def works_meanwhile(self, command: object) -> threading.Thread:
        thread = threading.Thread(target=self.works, args=(command,))
        thread.start()
        return thread


class Service:
    """A service whose machines are handed their messages one by one."""

    def __init__(self, folder: Path) -> None:
        clock = SystemClock()
        self.folder = folder
        self.database = Database(folder / "canalis.db")
        self.bus = SqliteBus(self.database, clock)
        self.ports = Ports(
            SqliteRuns(self.database, self.bus, clock),
            SqliteDocuments(self.database),
            BlobsElsewhere(folder / "blobs"),
            StoresElsewhere(folder / "stores"),
            self.bus,
            clock,
            **outside(SqliteDocuments(self.database)),
        )
        self.machines: list[Machine] = []

    def machine(self, **limits: float) -> Machine:
        self.machines.append(Machine(self.ports, self.folder, **limits))
        return self.machines[-1]

    def submits(self, line: object, **parts: object) -> str:
        work = CommandWork(line=(line,) if isinstance(line, str) else line)
        node = Node.model_validate({"key": "s", "name": "s", "work": work, **parts})
        asked = Submission(graph=Graph(nodes=(node,)), experiment="e")
        return submit(self.ports, asked, {"": ComputeChoice(backend="process")}).run_id

    def order(self) -> object:
        (taken,) = self.bus.take(steps_queue("process"), 10, 5.0)
        self.bus.complete([taken])
        return from_bytes(taken.body)

    def hears(self) -> list[object]:
        taken = self.bus.take(ORCHESTRATOR_QUEUE, 10, 5.0)
        self.bus.complete(taken)
        news = [from_bytes(one.body) for one in taken]
        for one in news:
            advance(self.ports, one.run_id, [one])
        return news

    def status(self, run_id: str) -> RunStatus:
        return self.ports.runs.load(run_id).state.status

    def printed(self, run_id: str, attempt: int = 1) -> str:
        key = artifacts(StepRunId(run_id, "s", attempt)) + STEP_LOG
        return self.ports.blobs.get(key).decode() if self.ports.blobs.info(key) else ""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    for machine in made.machines:
        machine.backend.drain()
        machine.backend.close()
        machine.scratch.close()
    made.database.close()


def test_a_step_runs_to_its_end_and_what_it_left_is_in_the_blobs_and_nowhere_else(service):
    machine = service.machine()
    run_id = service.submits("echo hello; mkdir -p outputs; echo 7 > outputs/answer; exit 0")
    machine.works(service.order())
    (ended,) = service.hears()
    assert (ended.outcome, ended.exit_code) == (Outcome.SUCCEEDED, 0)
    assert service.status(run_id) is RunStatus.COMPLETED
    assert service.printed(run_id) == "hello\n"
    assert service.ports.blobs.get(artifacts(StepRunId(run_id, "s")) + "outputs/answer") == b"7\n"
    left = [path for path in machine.scratch.folder.rglob("*") if run_id in path.name]
    assert left == []


def test_data_come_and_go_through_the_blobs(service):
    store = service.ports.stores.open("workspaceblobstore")
    store.put("raw/a.txt", b"alpha")
    source = FromStore(datastore="workspaceblobstore", path="raw")
    line = ("cat ", InputPath(name="raw"), "/a.txt > ", OutputPath(name="made"))
    run_id = service.submits(line, inputs=(Input(name="raw", source=source),), outputs=(Output(name="made"),))
    service.machine().works(service.order())
    service.hears()
    assert service.status(run_id) is RunStatus.COMPLETED
    assert store.get(f"azureml/{run_id}.s/made") == b"alpha"


def test_a_failing_script_is_told_with_its_last_words_which_are_in_the_log(service):
    run_id = service.submits("echo out of cheese; exit 3")
    service.machine().works(service.order())
    (ended,) = service.hears()
    assert (ended.outcome, ended.exit_code, ended.error_code) == (Outcome.FAILED, 3, "script_failed")
    assert "out of cheese" in ended.error
    assert service.printed(run_id).endswith("canalis: s ended with exit code 3; its last line was: out of cheese\n")


def test_an_order_that_comes_again_runs_nothing_a_second_time_and_is_told_the_same(service):
    run_id = service.submits("echo once")
    order = service.order()
    service.machine().works(order)
    first = service.bus.take(ORCHESTRATOR_QUEUE, 10, 5.0)
    service.machine().works(StartStep(run_id=run_id, node="s", attempt=1))  # its lease has not run out
    assert service.bus.take(ORCHESTRATOR_QUEUE, 10, 0.0) == []
    release(service, run_id)
    service.machine().works(order)
    (again,) = service.bus.take(ORCHESTRATOR_QUEUE, 10, 5.0)
    told, same = from_bytes(first[0].body), from_bytes(again.body)
    assert (told.outcome, told.exit_code, told.started_at) == (same.outcome, same.exit_code, same.started_at)
    assert service.printed(run_id) == "once\n"


def test_what_a_machine_that_died_had_begun_is_lost_and_tried_again_as_another_attempt(service):
    run_id = service.submits("echo hello")
    order = service.order()
    attempt = service.ports.runs.claim(AttemptKey(run_id, "s", 1), "dead", 0.0)
    assert attempt is not None
    key = records(StepRunId(run_id, "s")) + MARKER
    service.ports.blobs.put(key, Marker(state="begun", by="dead").model_dump_json().encode())
    machine = service.machine()
    machine.works(order)
    (ended,) = service.hears()
    assert (ended.outcome, ended.attempt) == (Outcome.LOST, 1)
    machine.works(service.order())
    service.hears()
    assert service.status(run_id) is RunStatus.COMPLETED
    assert (service.printed(run_id, 1), service.printed(run_id, 2)) == ("", "hello\n")


def test_what_is_logged_is_there_while_the_script_works(service):
    run_id = service.submits('echo first; echo "{}" >> "$M"; sleep 600', environment_variables={"M": ("m",)})
    thread = service.machine().works_meanwhile(service.order())
    until(lambda: service.printed(run_id) == "first\n")
    advance(service.ports, run_id, [CancelRequested(run_id=run_id)])
    thread.join(20)
    assert not thread.is_alive(), "what is wanted no more is stopped by the machine that has it"
    service.hears()
    assert service.status(run_id) is RunStatus.CANCELLED


def test_metrics_that_a_script_logs_arrive_with_it(service):
    reads = "import json, os; print(json.load(open(os.environ['CANALIS_CONTEXT']))['metrics'])"
    run_id = service.submits(f'echo "{{}}" >> "$(python3 -c "{reads}")"')
    service.machine().works(service.order())
    assert service.ports.blobs.get(records(StepRunId(run_id, "s")) + METRICS) == b"{}\n"


def test_a_stop_that_comes_first_keeps_an_attempt_from_ever_beginning(service):
    run_id = service.submits("echo never")
    order = service.order()
    advance(service.ports, run_id, [CancelRequested(run_id=run_id)])
    one, other = service.machine(), service.machine()
    one.works(service.order())
    service.hears()
    assert service.status(run_id) is RunStatus.CANCELLED
    other.works(order)
    assert service.printed(run_id) == ""
    assert service.bus.take(ORCHESTRATOR_QUEUE, 10, 0.0) == []


def test_a_stop_reaches_a_machine_that_is_just_about_to_begin(service, monkeypatch):
    run_id = service.submits("echo never")
    order = service.order()
    one, other = service.machine(), service.machine()
    mark = one.backend._mark

    def late(key: AttemptKey, marker: Marker) -> bool:
        other.backend.stop(key)
        return mark(key, marker)

    monkeypatch.setattr(one.backend, "_mark", late)
    one.works(order)
    (ended,) = service.hears()
    assert ended.outcome is Outcome.CANCELLED
    assert service.printed(run_id) == ""


def test_a_step_is_held_to_what_the_machine_allows_and_told_so(service):
    run_id = service.submits("echo begun; sleep 600")
    service.machine(seconds_max=1.0).works(service.order())
    (ended,) = service.hears()
    assert ended.outcome is Outcome.TIMED_OUT
    assert "longer than the 1 s that a step may take within the service itself" in ended.error
    assert service.printed(run_id).startswith("begun\n")


def test_a_step_with_a_shorter_limit_of_its_own_is_held_to_that(service):
    service.submits("sleep 600", settings=Settings(timeout_s=0.5))
    service.machine().works(service.order())
    (ended,) = service.hears()
    assert ended.error == "s worked longer than its limit of 0.5 s and was ended"


def test_a_machine_that_goes_away_ends_its_steps_and_another_does_them_anew(service):
    run_id = service.submits("echo begun; case $AZUREML_RUN_ID in *.2) ;; *) exec sleep 600 ;; esac")
    one = service.machine()
    thread = one.works_meanwhile(service.order())
    until(lambda: "begun" in service.printed(run_id))
    one.backend.drain()
    thread.join(20)
    (ended,) = service.hears()
    assert ended.outcome is Outcome.LOST
    order = service.order()
    assert order.attempt == 2
    with pytest.raises(StoreUnavailable, match="going away"):
        one.works(order)
    service.machine().works(order)
    service.hears()
    assert service.status(run_id) is RunStatus.COMPLETED


def test_a_script_gets_nothing_by_which_it_could_pass_for_the_service(service, monkeypatch):
    secrets = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "AZURE_CLIENT_ID", "CANALIS_RUN_KEY", "CANALIS_BUS")
    for name in secrets:
        monkeypatch.setenv(name, "canary")
    run_id = service.submits("env; echo TOKEN=$AZUREML_RUN_TOKEN")
    service.machine().works(service.order())
    printed = service.printed(run_id)
    assert "canary" not in printed
    assert f"TOKEN={run_id}.s\n" in printed, "what opens the service for it is made for this step"


def test_a_log_without_end_is_cut_and_says_so(service):
    run_id = service.submits("yes | head -c 3000000")
    service.machine(log_bytes_max=2**16).works(service.order())
    printed = service.printed(run_id)
    assert printed.startswith("y\ny\n")
    assert len(printed) < 2**16 + 500
    assert f"bytes of this log were left out here, since it grew beyond {2**16}" in printed


def test_what_a_dead_process_left_running_is_ended_by_the_next(service, tmp_path):
    run_id = service.submits("echo begun; exec sleep 600")
    one = service.machine()
    thread = one.works_meanwhile(service.order())
    until(lambda: "begun" in service.printed(run_id))
    one.scratch._lock.close()  # as the system does when a process dies
    Scratch(tmp_path).close()
    assert not one.scratch.folder.exists()
    thread.join(20)
    assert not thread.is_alive()


def test_the_context_of_a_script_names_the_service_and_no_folder(service):
    run_id = service.submits('cat "$CANALIS_CONTEXT"')
    service.machine().works(service.order())
    context = json.loads(service.printed(run_id))
    assert context["service"] == {"url": "http://127.0.0.1:9", "token": f"{run_id}.s"}
    assert "home" not in context


def release(service: Service, run_id: str) -> None:
    attempt = service.ports.runs.attempt(AttemptKey(run_id, "s", 1))
    assert attempt is not None
    assert service.ports.runs.hold(attempt, "", 0.0, {}) is not None


def test_the_script_belongs_to_the_span_of_its_attempt(service, heard):
    submitted = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with continued(submitted):
        run_id = service.submits("echo told: $TRACEPARENT; exit 3")
    (taken,) = service.bus.take(steps_queue("process"), 10, 5.0)
    order = received(taken.body)
    machine = service.machine()
    worker.work(service.ports, machine.backend, "one", order.message, order.trace)

    told = heard.one("work")
    assert service.printed(run_id).split("told: ")[1].startswith(traceparent_of(told))
    assert f"{told.context.trace_id:032x}" == submitted[3:35]
    assert parent_of(told) == id_of(heard.one("submit"))
    assert told.attributes["canalis.outcome"] == "failed" and told.attributes["process.exit.code"] == 3
    assert told.status.description == "script_failed"


def test_what_a_script_leaves_running_in_a_session_of_its_own_is_ended_with_it(service, tmp_path):
    child = tmp_path / "child"
    service.submits(f"setsid sleep 600 & echo $! > {child}; sleep 0.1; exit 0")
    service.machine().works(service.order())
    until(lambda: not is_alive(int(child.read_text())))


def test_what_could_not_be_put_in_place_is_told_in_the_log_and_leaves_nothing_on_the_machine(service):
    raw = Input(name="raw", source=FromStore(datastore="workspaceblobstore", path="nowhere"), mode="download")
    run_id = service.submits("true", inputs=(raw,))
    machine, order = service.machine(), service.order()
    machine.works(order)
    (ended,) = service.hears()
    assert (ended.outcome, ended.error_code) == (Outcome.FAILED, "staging_failed")
    assert service.printed(run_id) == f"canalis: {ended.error}\n"
    assert [path for path in machine.scratch.folder.rglob("*") if run_id in path.name] == []


def test_a_script_that_prints_nothing_has_an_empty_log_too(service):
    run_id = service.submits("true")
    service.machine().works(service.order())
    assert service.ports.blobs.info(artifacts(StepRunId(run_id, "s")) + STEP_LOG).size == 0


@pytest.mark.parametrize("path", ["raw", "raw/a.txt", "raw/none", ""])
def test_data_that_cannot_be_mounted_are_seen_at_a_path_that_ends_as_in_a_mount(service, path):
    service.ports.stores.open("workspaceblobstore").put("raw/a.txt", b"alpha")
    raw = Input(name="raw", source=FromStore(datastore="workspaceblobstore", path=path))
    run_id = service.submits(("echo ", InputPath(name="raw"), "; cd ", InputPath(name="raw"), "; ls"), inputs=(raw,))
    service.machine().works(service.order())
    seen, listed, *_ = [*service.printed(run_id).splitlines(), ""]
    assert seen.endswith(f"/mounts/raw/{path}".rstrip("/"))
    assert (listed == {"raw": "a.txt", "": "raw"}[path]) if path in ("raw", "") else listed.startswith("/bin/sh")


@pytest.mark.parametrize("mode", ["mount", "upload"])
def test_an_output_folder_that_is_missing_comes_with_the_usual_mend(service, mode):
    line = ("ls ", OutputPath(name="made"), "; exit 1")
    service.submits(line, outputs=(Output(name="made", mode=mode),))
    service.machine().works(service.order())
    assert "os.makedirs(path, exist_ok=True)" in service.hears()[0].error


NOBODY = 65534
HIDES = """
import os, sys
sys.path[:0] = {path!r}
from steps.surroundings import hide_this_process
os.setgroups([]); os.setgid({user}); os.setuid({user})
import ctypes; ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # who changes its user is hidden until it says otherwise
if {hidden}: hide_this_process()
parent = os.getpid()
if os.fork() == 0:
    try: print("read" if open(f"/proc/{{parent}}/environ", "rb").read() else "empty")
    except PermissionError: print("refused")
    sys.stdout.flush(); os._exit(0)
os.wait()
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user, and reads everything itself")
@pytest.mark.parametrize(("hidden", "found"), [(False, "read"), (True, "refused")])
def test_a_process_of_the_same_user_cannot_read_what_the_service_was_told(hidden, found):
    code = HIDES.format(path=sys.path, user=NOBODY, hidden=hidden)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.stdout.strip() == found, done.stderr
