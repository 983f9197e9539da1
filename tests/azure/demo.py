"""`make demo DOOR=azure`: the example through the whole stack that stands for Azure, on this machine.

python -m tests.azure.demo           the parts, the example, its run as the command line shows it
python -m tests.azure.demo --parts   the parts alone, with their versions
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.azure.parts import ROOT
from tests.azure.stack import versions
from tests.azure.storage.azurite import Azurite

CANALIS = Path(sys.executable).parent / "canalis"


def parts(found: Mapping[str, str]) -> list[tuple[str, str]]:
    """What stands for what: a part of Azure, and what is in its place here. Microsoft's own, unless it is said."""
    return [
        ("Tables and blobs", f"Azurite {found['azurite']} on node {found['node']}, behind proxies of ours"),
        ("  asked by", f"our adapter for tables, azure-storage-blob {found['azure-storage-blob']}"),
        ("Service Bus", f"tests/azure/bus_peer (ours), AMQP by python-qpid-proton {found['python-qpid-proton']}"),
        ("  asked by", f"azure-servicebus {found['azure-servicebus']}"),
        ("Functions host", f"tests/azure/host (ours), gRPC by grpcio {found['grpcio']}"),
        ("Functions worker", f"azure-functions-runtime {found['azure-functions-runtime']}"),
        ("  runs our app with", f"azure-functions {found['azure-functions']}, Python {found['python']}"),
        ("Entra ID", "tests/api/issuer.py (ours): signed access tokens, and the keys to check them"),
        ("Instances", "processes of this machine; steps run in them"),
    ]


def print_parts() -> None:
    """The parts as a table."""
    for part, stand_in in parts(versions(Azurite(Path.cwd()))):
        print(f"{part:<20} {stand_in}")
    print(flush=True)


def _canalis(access: Mapping[str, str], *words: str) -> int:
    return subprocess.run([CANALIS, *words], env={**os.environ, **access}).returncode


def _views(access: Mapping[str, str]) -> int:
    """What the command line tells of the last run; the exit code."""
    line = [CANALIS, "runs", "--json"]
    listed = subprocess.run(line, env={**os.environ, **access}, stdout=subprocess.PIPE, check=True)
    run = json.loads(listed.stdout)[0]["id"][:8]
    for words in (("show", run), ("show", run, "--times"), ("show", run, "--cost")):
        print(f"\n$ canalis {' '.join(words)}", flush=True)
        if code := _canalis(access, *words):
            return code
    return 0


def main() -> int:
    """The exit code of the example."""
    print_parts()
    if "--parts" in sys.argv:
        return 0
    from tests.azure.door import AzureDoor

    with tempfile.TemporaryDirectory(prefix="canalis-demo-") as folder, AzureDoor(Path(folder)) as door:
        # An operator, since the example makes a compute target.
        access = {"CANALIS_URL": door.url, "CANALIS_TOKEN": door.token("Operator")}
        print(f"Our app serves at {door.url}\n", flush=True)
        code = _canalis(access, "demo") or _views(access)
        asked, messages = door.stack.tables.counts().all_requests(), door.stack.bus.counts()["orchestrator"]["messages"]
        print(f"\nThe tables were asked {asked} times; the orchestrator has had {messages} messages")
        if sys.stdin.isatty():
            print("\nTo look around in another terminal, before all of it goes:")
            print("".join(f"  export {name}={value}\n" for name, value in access.items()))
            input("Enter ends it. ")
    print(f"\nHow it is made: {ROOT / 'docs/why/0012-the-azure-door.md'}; its parts are in {ROOT / 'tests/azure'}")
    return code


if __name__ == "__main__":
    sys.exit(main())
