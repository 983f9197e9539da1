"""Work that storage refuses: it is done once storage lets it, and nobody who is not helped by that waits."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time

import pytest

from adapters.clock import SystemClock
from adapters.sqlite import Database, SqliteBus, dead
from adapters.sqlite.bus import FAILURES_MAX
from canalis.contract.errors import StoreFull, StoreUnavailable
from canalis.contract.messages import GoOn, Send
from steps.patience import Patience


def refused(times: int, error: Exception):
    left = iter(range(times))

    def do() -> str:
        if next(left, None) is not None:
            raise error
        return "done"

    return do


def of_the_system(number: int, path) -> OSError:
    return OSError(number, os.strerror(number), str(path))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES])
def test_what_storage_refuses_is_done_when_it_lets_us(tmp_path, number):
    patience = Patience(tmp_path)
    said = []

    def is_wanted() -> bool:
        said.append(patience.trouble())
        return True

    do = refused(1, of_the_system(number, tmp_path / "work" / "x"))
    assert patience.until_done("run.step", do, is_wanted) == "done"
    assert str(tmp_path / "work" / "x") in said[-1], "it says meanwhile what it waits for"
    assert patience.trouble() == ""


def test_nobody_waits_for_what_is_not_wanted_any_more(tmp_path):
    patience, stopped = Patience(tmp_path), threading.Event()
    threading.Timer(0.2, stopped.set).start()
    began = time.monotonic()
    with pytest.raises(StoreFull):
        patience.until_done("run.step", refused(10**6, StoreFull("no room")), lambda: not stopped.is_set())
    assert time.monotonic() - began < 5 and patience.trouble() == ""


@pytest.mark.parametrize(
    "error",
    [of_the_system(errno.EACCES, "/data/of/the/author"), of_the_system(errno.ENOENT, "x"), ValueError("ours")],
    ids=lambda error: type(error).__name__,
)
def test_what_no_operator_can_mend_is_told_at_once(tmp_path, error):
    with pytest.raises(type(error)):
        Patience(tmp_path).until_done("run.step", refused(1, error), lambda: True)


@pytest.fixture
def database(tmp_path):
    found = Database(tmp_path / "canalis.db")
    yield found
    found.close()


def test_a_message_that_fails_while_nothing_can_be_written_is_never_set_aside(database, monkeypatch):
    monkeypatch.setattr("adapters.sqlite.bus._REFUSED_S", 0.0)
    bus = SqliteBus(database, SystemClock())
    bus.send([Send(queue="q", message=GoOn(run_id="run"))])
    database._writer.execute("PRAGMA query_only = ON")
    for _ in range(2 * FAILURES_MAX):
        (message,) = bus.take("q", 1, 5.0)
        bus.abandon([message], "nothing can be written")
    database._writer.execute("PRAGMA query_only = OFF")
    (message,) = bus.take("q", 1, 5.0)
    assert message.failures == 0 and bus.take(dead("q"), 1, 0.0) == []


def test_a_database_says_what_the_matter_is_until_it_can_be_written_again(database):
    with database.write() as connection:
        connection.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreUnavailable, match="check the folder's rights"), database.write() as connection:
        connection.execute("DELETE FROM messages")
    assert "cannot be written" in database.trouble
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM messages").fetchone() == (0,), "it can still be read"
    database.look_again()
    assert "cannot be written" in database.trouble
    database._writer.execute("PRAGMA query_only = OFF")
    database.look_again()
    assert database.trouble == "", "though nobody has had anything to write"


def test_a_quota_that_is_used_up_is_told_as_a_full_disk(tmp_path):
    import subprocess
    import sys

    script = f"""
import resource
from pathlib import Path
from adapters.sqlite import Database
from canalis.contract.errors import StoreFull
database = Database(Path({str(tmp_path / "canalis.db")!r}))
resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
try:
    with database.write() as connection:
        connection.execute("INSERT INTO messages (queue, visible_at, body) VALUES ('q', 0, 'x')")
except StoreFull as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "No room is left" in done.stdout, done.stderr
    database = sqlite3.connect(tmp_path / "canalis.db")
    assert database.execute("SELECT count(*) FROM messages").fetchone() == (0,)
    database.close()
