"""A script that begins as a fork of a warm parent cannot tell it from one in a new interpreter; nor can its author."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from steps.order import Order
from steps.processes import Attached, kill_marked
from steps.warm import Forked, Parents
from tests.scenes.conftest import is_alive, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="warm starts are for Linux")


class Bench:
    """Runs scripts warm and cold, and shows what came of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.parents = Parents(folder / "warm")
        self.count = 0

    def order(self, text: str, *arguments: str, name: str = "script", **variables: str) -> Order:
        self.count += 1
        place = self.folder / "work" / str(self.count)
        record = self.folder / "records" / str(self.count)
        place.mkdir(parents=True)
        (self.folder / "lib").mkdir(exist_ok=True)
        record.mkdir(parents=True)
        (place / "script.py").write_text(textwrap.dedent(text))
        known = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment = known | {
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": os.pathsep.join((str(place), str(self.folder / "lib"))),
            "CANALIS_STEP_RUN": f"run-{os.getpid()}.step-{self.count}",
            **variables,
        }
        line = [sys.executable, "script.py", *arguments]
        return Order(line, place, environment, record, record / "log", sys.executable, name, frozenset({"own"}))

    def begins(self, order: Order) -> Forked:
        """A warm process; waits for a parent if there is none yet."""

        def fitting() -> bool:
            return self.parents._fitting(order) is not None

        until(fitting)
        process = self.parents.launch(order)
        assert isinstance(process, Forked)
        return process

    def warm(self, order: Order) -> tuple[int | None, str]:
        return self.begins(order).wait(), self.printed(order)

    def cold(self, order: Order) -> tuple[int | None, str]:
        with order.log.open("ab") as log:
            done = subprocess.run(
                order.line,
                cwd=order.folder,
                env=order.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return done.returncode if done.returncode >= 0 else 128 - done.returncode, self.printed(order)

    def printed(self, order: Order) -> str:
        return (
            order.log.read_text()
            .replace(str(order.folder), "FOLDER")
            .replace(order.environment["CANALIS_STEP_RUN"], "RUN")
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.parents.close()
    for parent in made.parents._parents:
        parent._process.wait(20)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("warm"))
    yield made
    made.parents.close()


SCRIPTS = {
    "what it is": """
        import os, sys
        print(__name__, __file__, __doc__, __spec__, __package__, __cached__, type(__loader__), sorted(globals()))
        print(sys.argv, sys.orig_argv, sys.path, sys.flags, sys.executable, sys.prefix, os.getcwd())
        print(sys.modules["__main__"].__dict__ is globals(), __builtins__, __annotations__)
    """,
    "its surroundings": """
        import os, resource, signal, sys, threading
        print(sorted(os.environ.items()))
        print([signal.getsignal(number) for number in sorted(signal.valid_signals())], signal.pthread_sigmask(0, []))
        print(sorted(os.listdir("/proc/self/fd")), os.readlink("/proc/self/fd/0"), sys.stdin.read())
        print(os.umask(0), os.getsid(0) == os.getpgid(0), threading.active_count(), resource.getrlimit(7))
        print(sys.stdout, sys.stderr, sys.stdin, sys.stdout.line_buffering, sys.stdout.write_through, sys.excepthook)
        print(open("/proc/self/comm").read())
    """,
    "an exception": "def f(n):\n    return 1 / n\nf(0)",
    "an exception while another is handled": "try:\n    {}['a']\nexcept KeyError as e:\n    raise OSError('x') from e",
    "an exception group": "raise ExceptionGroup('two', [ValueError(1), TypeError(2)])",
    "no Python": "def",
    "bad indentation": "if 1:\npass",
    "text that is no text": "# coding: ascii\nprint('é')",
    "exit with nothing": "import sys; sys.exit()",
    "exit with a number": "import sys; sys.exit(7)",
    "exit with a large number": "import sys; sys.exit(256 + 3)",
    "exit with a negative number": "raise SystemExit(-1)",
    "exit with truth": "raise SystemExit(True)",
    "exit with words": "import sys; sys.exit('went wrong')",
    "exit with something else": "raise SystemExit((1, 'x'))",
    "exit without a word": "import os; print('a'); os._exit(9)",
    "an interrupt": "raise KeyboardInterrupt",
    "a signal": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "no memory of its own": "import ctypes; ctypes.string_at(0)",
    "a broken pipe": "import os; r, w = os.pipe(); os.close(r); os.write(w, b'x')",
    "exit handlers": """
        import atexit
        atexit.register(print, "first in, last out")
        atexit.register(print, "last in, first out")
        print("now"); raise SystemExit(4)
    """,
    "a thread that outlives the script": """
        import threading, time
        def late(): time.sleep(0.2); print("late")
        threading.Thread(target=late).start(); threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        print("end")
    """,
    "an exception in a thread": "import threading; t = threading.Thread(target=int, args=('x',), name='t'); t.start()",
    "files that nobody closes": """
        class Holder:
            def __del__(self): print("gone", os.sep)
        import os
        kept = open("kept", "w"); kept.write("kept")
        ring = [open("ring", "w")]; ring.append(ring); ring[0].write("ring")
        def f(): return kept
        os.held = open("held", "w"); os.held.write("held")
        holder = Holder()
        import subprocess, atexit
    """,
    "its own excepthook": """
        import sys, traceback
        def hook(kind, error, trace): print("hook", kind, error, [f.name for f in traceback.extract_tb(trace)])
        sys.excepthook = hook
        raise ValueError("x")
    """,
    "an excepthook that fails": "import sys\nsys.excepthook = lambda *a: 1 / 0\nraise ValueError('x')",
    "pickled classes": """
        import pickle
        class Thing:
            def __eq__(self, other): return type(self) is type(other)
        print(pickle.loads(pickle.dumps(Thing())) == Thing(), pickle.dumps(Thing()))
    """,
    "processes by fork": """
        import multiprocessing
        def double(n): return 2 * n
        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(2) as pool: print(pool.map(double, range(4)))
    """,
    "processes by spawning": """
        import multiprocessing
        def double(n): return 2 * n
        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(2) as pool: print(pool.map(double, range(4)))
            import concurrent.futures as c
            with c.ProcessPoolExecutor(2) as pool: print(list(pool.map(double, range(4))))
    """,
    "processes of others": """
        import os, subprocess, sys
        print(subprocess.run([sys.executable, "-c", "import os; print(os.environ['CANALIS_STEP_RUN'])"],
                             capture_output=True, text=True).stdout)
        os.system("echo $CANALIS_STEP_RUN")
    """,
    "a fork of its own": """
        import os
        child = os.fork()
        print("child" if child == 0 else os.waitpid(child, 0)[1])
    """,
    "lines on both streams": """
        import sys
        for n in range(3): print(n); print(n, file=sys.stderr); sys.stdout.write("x")
    """,
    "its own source": "import inspect, sys\ndef f(): pass\nprint(inspect.getsource(f), inspect.getfile(sys.modules['__main__']))",
    "a warning": "import warnings\nwarnings.warn('old', UserWarning)",
    "asyncio": "import asyncio\nasync def f(): await asyncio.sleep(0.01); print('done')\nasyncio.run(f())",
    "a logger": "import logging; logging.basicConfig(level=10, format='%(message)s'); logging.info('x')",
    "closed output": "import sys; print('x'); sys.stdout.close()",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_warm_script_prints_leaves_and_ends_as_in_a_new_interpreter(shared, name):
    warm, cold = (shared.order(SCRIPTS[name], "--a", "b c") for _ in range(2))

    assert shared.warm(warm) == shared.cold(cold)
    left = [
        {path.name: path.read_bytes() for path in order.folder.iterdir() if path.is_file()} for order in (warm, cold)
    ]
    assert left[0] == left[1]


def test_what_one_script_does_to_its_interpreter_the_next_does_not_see(shared):
    shared.warm(
        shared.order(
            """
            import builtins, os, random, sys, json
            builtins.leaked = sys.leaked = json.leaked = True
            os.environ["LEAKED"] = "1"; sys.path.append("/leaked"); os.umask(0o77); random.seed(1)
            sys.setrecursionlimit(500); os.chdir("/")
            """
        )
    )
    code, text = shared.warm(
        shared.order(
            """
            import builtins, os, sys, json
            print([hasattr(place, "leaked") for place in (builtins, sys, json)], os.environ.get("LEAKED"))
            print("/leaked" in sys.path, os.umask(0) == 0o77, sys.getrecursionlimit())
            """
        )
    )
    assert (code, text) == (0, "[False, False, False] None\nFalse False 1000\n")


def test_chance_is_another_one_in_each_script(bench):
    pytest.importorskip("numpy")
    text = "import numpy, random; print(random.random(), numpy.random.rand(), numpy.random.default_rng().random())"
    bench.warm(bench.order(text))
    until(
        lambda: any(
            "numpy" in parent.modules
            for parent in [*bench.parents._parents, bench.parents._fitting(bench.order(text))]
            if parent
        )
    )
    seen = [bench.warm(bench.order(text))[1].split() for _ in range(3)]
    assert all(len(set(column)) == 3 for column in zip(*seen, strict=True))


def test_a_script_finds_loaded_what_it_imported_the_last_time_and_nothing_else(bench):
    pytest.importorskip("numpy")
    with_numpy = "import sys; print('numpy' in sys.modules); import numpy"
    assert bench.warm(bench.order(with_numpy, name="a"))[1] == "False\n"
    until(lambda: bench.warm(bench.order(with_numpy, name="a"))[1] == "True\n")
    assert bench.warm(bench.order("import sys; print('numpy' in sys.modules)", name="b"))[1] == "False\n"


def test_a_module_of_the_authors_own_comes_before_one_that_is_loaded(bench):
    order = bench.order("import json; print(json.mine)")
    bench.warm(bench.order("pass"))
    (order.folder / "json.py").write_text("mine = 'mine'")
    process = bench.parents.launch(order)
    assert process.wait() == 0
    assert bench.printed(order) == "mine\n"


def test_one_attempt_is_never_two_processes(bench):
    order = bench.order("import time; print('once'); time.sleep(0.3)")
    first = bench.begins(order)
    second = bench.parents.launch(order)
    assert isinstance(second, Attached)
    assert (first.wait(), second.wait(), bench.printed(order)) == (0, 0, "once\n")
    assert first.group == second.group


def test_a_script_goes_on_when_its_service_is_gone_and_its_exit_code_is_found(bench):
    order = bench.order("import time; time.sleep(0.5); raise SystemExit(5)")
    process = bench.begins(order)
    bench.parents.close()
    os.close(process._replies)
    found = until(lambda: Attached.find(order.record))
    assert found.is_alive() and found.group == process.group
    assert found.wait() == 5
    for parent in bench.parents._parents:
        assert parent._process.wait(10) == 0, "with nobody to work for it ends"


def test_a_script_whose_warm_parent_is_killed_counts_as_gone(bench):
    order = bench.order("import time; time.sleep(600)")
    process = bench.begins(order)
    until(lambda: Attached.find(order.record))
    for parent in bench.parents._parents:
        parent._process.kill()
    assert process.wait() is None
    until(lambda: not is_alive(process.group))
    again = bench.order("print('again')")
    assert bench.parents.launch(again).wait() == 0, "a new interpreter, until there is another parent"


def test_a_process_that_a_warm_script_hides_is_found_by_its_mark(bench):
    order = bench.order(
        """
        import os, time
        if os.fork() == 0:
            os.setsid(); open("child", "w").write(str(os.getpid())); time.sleep(600)
        while not os.path.exists("child") or not open("child").read(): time.sleep(0.01)
        """
    )
    assert bench.warm(order)[0] == 0
    child = int((order.folder / "child").read_text())
    assert is_alive(child)
    assert kill_marked({order.environment["CANALIS_STEP_RUN"]}) == 1
    until(lambda: not is_alive(child))


def test_a_number_that_another_process_has_by_now_does_not_count(tmp_path):
    with subprocess.Popen(["sleep", "60"]) as other:
        (tmp_path / "pid").write_text(f"{other.pid} 1\n")
        found = Attached.find(tmp_path)
        assert found is not None and not found.is_alive() and found.wait() is None
        assert other.poll() is None
        other.kill()


@pytest.mark.parametrize("word", ["off", "0", "no", "False"])
def test_a_step_that_wants_none_has_a_new_interpreter(bench, word):
    bench.warm(bench.order("pass"))
    text = "import os; print('forked' if b'warm_parent' in open(f'/proc/{os.getppid()}/cmdline', 'rb').read() and 'json' in __import__('sys').modules else 'new')"
    order = bench.order(text, CANALIS_WARM=word)
    assert bench.parents.launch(order).wait() == 0
    assert bench.printed(order) == "new\n"


def test_other_variables_are_another_parent(bench):
    text = "import sys; print(sys.flags.optimize)"
    assert bench.warm(bench.order(text))[1] == "0\n"
    other = bench.order(text, PYTHONOPTIMIZE="1")
    assert bench.parents.launch(other).wait() == 0
    assert bench.printed(other) == "1\n"
    assert bench.warm(bench.order(text, PYTHONOPTIMIZE="1"))[1] == "1\n"


def test_a_package_that_leaves_threads_behind_is_not_loaded_ahead(bench, tmp_path, monkeypatch):
    from steps.warm import Parent

    (tmp_path / "threaded.py").write_text(
        "import threading, time; threading.Thread(target=time.sleep, args=(9,), daemon=True).start()"
    )
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "good.py").write_text("")
    parent = Parent(
        "key", sys.executable, {**os.environ, "PYTHONPATH": str(tmp_path)}, ["threaded", "broken", "good"], tmp_path
    )
    until(lambda: parent.is_ready)
    assert parent.modules == {"good"}
    parent.close()
    assert parent._process.wait(10) == 0


def test_a_stop_reaches_a_warm_script_that_ignores_the_polite_signal(bench):
    order = bench.order("import signal, time\nsignal.signal(15, signal.SIG_IGN); print('deaf'); time.sleep(600)")
    process = bench.begins(order)
    until(lambda: order.log.read_text())
    began = time.monotonic()
    os.killpg(process.group, signal.SIGTERM)
    time.sleep(0.1)
    assert is_alive(process.group)
    os.killpg(process.group, signal.SIGKILL)
    assert process.wait() == 137 and time.monotonic() - began < 10


def test_programs_begin_from_a_parent_as_from_a_shell(bench):
    bench.warm(bench.order("pass"))
    for line, expected in (
        (["sh", "-c", "echo $0 $1; exit 3", "a", "b c"], (3, "a b c\n")),
        (["./plain", "x"], (0, "plain x\n")),
        (["./no-such-program"], (127, "./no-such-program: No such file or directory\n")),
        ([sys.executable, "script.py"], (0, "")),
    ):
        made = bench.order("pass")
        (made.folder / "plain").write_text("echo plain $1")
        (made.folder / "plain").chmod(0o755)
        order = replace(made, line=line, interpreter=None)
        process = bench.parents.launch(order)
        assert isinstance(process, Forked)
        assert (process.wait(), bench.printed(order)) == expected
        assert Attached.find(order.record).group == process.group


def test_an_attempt_whose_claim_is_dropped_by_the_parent_of_an_earlier_service_is_begun(bench):
    bench.warm(bench.order("pass"))
    order = bench.order("print('begun')")
    pid = order.record / "pid"
    facts = Path(f"/proc/{os.getpid()}/stat").read_text().rpartition(")")[2].split()
    pid.write_text(f"by {os.getpid()} {facts[19]}\n")
    later = threading.Timer(0.3, pid.unlink)
    later.start()
    process = bench.parents.launch(order)
    later.join()
    assert process is not None and process.wait() == 0 and bench.printed(order) == "begun\n"


def test_an_attempt_that_was_claimed_and_never_written_down_is_lost(bench):
    order = bench.order("print('twice')")
    (order.record / "pid").touch()  # by a parent that was killed just then
    assert bench.parents.launch(order) is None
    assert not order.log.exists() or not order.log.read_text()
