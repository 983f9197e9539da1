"""The whole stack together, over the small app of the host's tests."""

from __future__ import annotations

import json
import time
import urllib.request

from tests.azure.conftest import needs_stack

needs_stack()

from azure.data.tables import TableServiceClient  # noqa: E402

from tests.azure.parts import ROOT  # noqa: E402
from tests.azure.stack import Stack  # noqa: E402

APP = ROOT / "tests/azure/host_app"
QUEUES = {name: {} for name in ("one", "many", "answers", "hops", "echo", "trivial")}


def test_the_stack_starts_with_the_settings_of_the_azure_door_and_says_what_it_is_made_of(tmp_path):
    began = time.monotonic()
    more = {"ONE": "one", "TICK": "0 0 0 1 1 *", "SEEN": str(tmp_path / "seen"), "CANALIS_WORKSPACE": "own"}
    with Stack(APP, tmp_path, queues=QUEUES, settings=more) as stack:
        print(f"started in {time.monotonic() - began:.1f} s: {json.dumps(stack.versions())}")
        environment = json.load(urllib.request.urlopen(f"{stack.host.url}/environment", timeout=30))
        assert environment["CANALIS_TABLES"] == stack.storage_connection
        assert environment["CANALIS_BUS"] == stack.bus.connection_string
        assert environment["CANALIS_WORKSPACE"] == "own" and len(environment["CANALIS_RUN_KEY"]) >= 32

        with TableServiceClient.from_connection_string(stack.storage_connection) as tables:
            tables.create_table("runs")
        assert stack.tables.counts().requests == {"": {"create_table": 1}}

        stack.host.stop()
        assert json.load(urllib.request.urlopen(f"{stack.start_host().url}/environment", timeout=30))
        with TableServiceClient.from_connection_string(stack.direct_storage_connection) as tables:
            assert [table.name for table in tables.list_tables()] == ["runs"]
