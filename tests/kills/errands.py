"""Runs whose end is known before they are submitted. Each is made from a number alone, so any life can make it again."""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass
from pathlib import Path

from canalis.contract.graph import CommandWork, Graph, Node, PythonWork, Settings
from canalis.contract.run import ComputeChoice
from canalis.contract.status import RunStatus

SNAPSHOT = "of-the-kill-loop"
SCRIPT = "import subprocess, sys\nsys.exit(subprocess.call(['/bin/sh', '-c', sys.argv[1]]) & 0xFF)\n"
COMPUTES = {"": ComputeChoice(backend="process", slots=6)}

# Every script writes when it begins and when it has done its work; the ledger's order is the order of what happened.
_BEGIN = 'echo "begin $AZUREML_RUN_ID" >>{ledger}'
_END = 'echo "end $AZUREML_RUN_ID" >>{ledger}'
_WORK = {
    "quick": ":",
    "slow": "sleep 0.0{digit}",
    "slower": "sleep 0.2{digit}",
    # Fails when its work was done for the first time: a lost attempt spends no retry, so the number says nothing.
    "stumbles": "test -e {mark} || {{ : >{mark}; exit 3; }}",
    "fails": "exit 3",
    "too_long": "sleep 600",
    "endless": "sleep 600",
    "stubborn": "trap '' TERM; sleep 600",
}
_HARMLESS = ("quick", "quick", "quick", "slow", "slow", "slower")

_SHAPES: dict[str, list[tuple[int, ...]]] = {  # for each step, the steps it waits for
    "one": [()],
    "chain": [(), (0,), (1,), (2,)],
    "diamond": [(), (0,), (0,), (1, 2)],
    "fan": [(), (0,), (0,), (0,), (0,), (1, 2, 3, 4)],
    "side by side": [(), (), ()],
}


@dataclass(frozen=True)
class Errand:
    """A run to be submitted.

    ends         how it must end when nobody kills a step of it
    kinds        what each of its steps does
    is_called_off   whether somebody cancels it
    """

    run_id: str
    graph: Graph
    kinds: dict[str, str]
    ends: RunStatus
    is_called_off: bool
    continues: bool


def errand(seed: int, number: int, folder: Path) -> Errand:
    """The run of that number. `folder` takes its ledger and the marks of its steps."""
    choose = random.Random(f"{seed}/{number}")
    shape = _SHAPES[choose.choice(list(_SHAPES))]
    kinds = [choose.choice(_HARMLESS) for _ in shape]
    turn = choose.choices(["well", "stumbles", "fails", "too_long", "endless", "stubborn"], [50, 15, 15, 5, 14, 1])[0]
    if turn != "well":
        kinds[choose.randrange(len(kinds))] = turn
    is_called_off = turn in ("endless", "stubborn")
    ends = RunStatus.COMPLETED if turn in ("well", "stumbles") else RunStatus.FAILED
    # Of this folder alone: processes are found by the names of their runs, and two loops may go on at once.
    run_id = f"errand-{zlib.crc32(str(folder).encode()):08x}-{number:05d}"
    nodes = tuple(
        _node(f"s{place}", kind, [f"s{earlier}" for earlier in before], folder / f"{run_id}.s{place}", choose)
        for place, (kind, before) in enumerate(zip(kinds, shape, strict=True))
    )
    return Errand(
        run_id=run_id,
        graph=Graph(nodes=nodes),
        kinds={node.key: kind for node, kind in zip(nodes, kinds, strict=True)},
        ends=RunStatus.CANCELLED if is_called_off else ends,
        is_called_off=is_called_off,
        continues=choose.random() < 0.3,
    )


def _node(key: str, kind: str, after: list[str], mark: Path, choose: random.Random) -> Node:
    ledger = mark.parent / "ledger"
    line = "; ".join((_BEGIN, _WORK[kind], _END)).format(ledger=ledger, mark=mark, digit=choose.randrange(1, 9))
    settings = Settings(
        reuse=False,  # each errand is to be run
        retries=choose.choice([1, 2]) if kind == "stumbles" else choose.choice([0, 1]) if kind == "fails" else 0,
        retry_rest_s=choose.choice([0.0, 0.0, 0.05]),
        # The limit of the others is far: none of them may ever be told that it worked too long.
        timeout_s=0.3 if kind == "too_long" else choose.choice([None, 60.0]),
    )
    work: CommandWork | PythonWork
    arguments: tuple[tuple[str, ...], ...]
    snapshot: str | None
    if choose.random() < 0.5:
        work, arguments, snapshot = PythonWork(script="line.py"), ((line,),), SNAPSHOT
    else:
        work, arguments, snapshot = CommandWork(line=(line,)), (), None
    return Node(
        key=key, name=key, work=work, arguments=arguments, snapshot=snapshot, after=tuple(after), settings=settings
    )
