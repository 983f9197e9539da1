"""The peer as a program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.azure.bus.desk import until
from tests.azure.bus_peer.client import BusPeer, BusPeerError
from tests.azure.conftest import needs_stack
from tests.azure.parts import ROOT

needs_stack()
# The client leaves sockets open where a link is refused or a connection is reset.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def test_the_door_for_tests_says_what_was_wrong(peer):
    with pytest.raises(BusPeerError, match="no such fault: 'dorp'"):
        peer.faults("orders", dorp=1)
    with pytest.raises(BusPeerError, match="share from 0 to 1"):
        peer.faults("orders", drop=2)
    with pytest.raises(BusPeerError, match="'nope' could not be found"):
        peer.peek("nope")


def test_settings_that_are_wrong_are_named(capfd):
    with pytest.raises(BusPeerError, match="did not start"):
        BusPeer({"orders": {"lock": 5}})
    assert "no such setting: 'lock'" in capfd.readouterr().err


STARTER = """
import os
from tests.azure.bus_peer.client import BusPeer
print(BusPeer({"orders": {}}).process.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_the_peer_ends_with_who_started_it():
    ended = subprocess.run([sys.executable, "-c", STARTER], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert ended.returncode == -signal.SIGKILL
    peer = int(ended.stdout)
    until(lambda: not _runs(peer))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] != "Z"
