"""One peer and one client with open links, for the tests of a file."""

from __future__ import annotations

import gc
import logging
import warnings
from collections.abc import Iterator

import pytest

from tests.azure.bus.desk import QUEUES, Desk
from tests.azure.bus_peer.client import BusPeer


@pytest.fixture(scope="module")
def one_peer() -> Iterator[BusPeer]:
    logging.getLogger("azure").setLevel(logging.CRITICAL)
    with BusPeer(QUEUES) as peer:
        yield peer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def one_desk(one_peer) -> Iterator[Desk]:
    desk = Desk(one_peer)
    yield desk
    desk.close()


@pytest.fixture
def peer(one_peer) -> BusPeer:
    one_peer.reset()
    return one_peer


@pytest.fixture
def desk(one_desk, peer) -> Desk:
    return one_desk
