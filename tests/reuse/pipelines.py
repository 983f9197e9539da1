"""Pipelines made at random, edits of them, and what follows from an edit: worked out without the code under test."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from canalis.contract.graph import (
    FromStep,
    FromStore,
    Graph,
    Input,
    InputPath,
    Node,
    Output,
    Parameter,
    ParameterText,
    PythonWork,
    Settings,
    content_id,
)
from canalis.contract.layout import content_key, snapshot_key
from canalis.contract.ports import BlobStore
from canalis.contract.snapshots import Snapshot, SnapshotFile

PARAMETERS = ("alpha", "beta", "gamma")


@dataclass
class Step:
    """A step as an author thinks of it. `reads` are the places of the steps whose output it takes."""

    reads: list[int]
    waits: list[int]
    arguments: list[str]
    uses: str
    files: dict[str, str]
    path: str
    variables: dict[str, str]
    packages: str
    version: str = "1"
    is_reusable: bool = True


@dataclass
class Made:
    """A pipeline made at random.

    number   tells its steps from those of all others
    """

    number: int
    steps: list[Step]
    values: dict[str, str] = field(default_factory=lambda: dict.fromkeys(PARAMETERS, "1"))

    def graph(self, blobs: BlobStore) -> Graph:
        """As it is submitted; its source files are stored."""
        return Graph(
            nodes=tuple(self._node(blobs, place) for place in range(len(self.steps))),
            parameters=tuple(Parameter(name=name, type="string", default="1") for name in PARAMETERS),
            environments={f"e{place}": {"python": {"pip": step.packages}} for place, step in enumerate(self.steps)},
        )

    def key(self, place: int) -> str:
        return f"p{self.number}-s{place}"

    def _node(self, blobs: BlobStore, place: int) -> Node:
        step = self.steps[place]
        read = [
            Input(name=f"from_{other}", source=FromStep(node=self.key(other), output="out")) for other in step.reads
        ]
        data = Input(name="data", source=FromStore(path=step.path))
        return Node(
            key=self.key(place),
            name=self.key(place),
            work=PythonWork(script="train.py"),
            snapshot=stored(blobs, step.files),
            arguments=(
                *((text,) for text in step.arguments),
                (InputPath(name="data"),),
                (ParameterText(name=step.uses),),
            ),
            inputs=(data, *read),
            outputs=(Output(name="out"),),
            after=tuple(self.key(other) for other in step.waits),
            environment=f"e{place}",
            version=step.version,
            environment_variables={name: (value,) for name, value in step.variables.items()},
            settings=Settings(reuse=step.is_reusable),
        )


def stored(blobs: BlobStore, files: dict[str, str]) -> str:
    """The id of a snapshot of these files."""
    listed = {}
    for path, text in files.items():
        digest = content_id(text.encode())
        blobs.put_if_absent(content_key(digest), text.encode())
        listed[path] = SnapshotFile(sha256=digest, size=len(text))
    identity, document = Snapshot(files=listed).document()
    blobs.put_if_absent(snapshot_key(identity), document)
    return identity


def a_pipeline(number: int, chance: random.Random) -> Made:
    """Two to seven steps that read from and wait for each other."""
    steps = []
    for place in range(chance.randint(2, 7)):
        before = [*range(place)]
        reads = sorted(chance.sample(before, chance.randint(0, min(2, place))))
        waits = sorted(chance.sample([one for one in before if one not in reads], int(place > 2)))[:1]
        files = {name: f"{name} of {number}" for name in ("train.py", "util.py", "deep/data.txt")}
        arguments = [f"--{word}" for word in chance.sample(["fast", "deep", "wide", "quiet"], chance.randint(1, 3))]
        uses = chance.choice(PARAMETERS)
        steps.append(Step(reads, waits, arguments, uses, files, f"raw/{place}", {"MODE": "x"}, "pandas==1.0"))
    return Made(number, steps)


Edit = Callable[[Made, random.Random], dict[int, set[str]]]


def _argument(made: Made, chance: random.Random) -> dict[int, set[str]]:
    place = chance.randrange(len(made.steps))
    step = made.steps[place]
    at = chance.randrange(len(step.arguments))
    step.arguments[at] = f"--other-{chance.random()}"
    return {place: {f"argument {at + 1}"}}


def _file(made: Made, chance: random.Random) -> dict[int, set[str]]:
    place = chance.randrange(len(made.steps))
    files = made.steps[place].files
    path = chance.choice([*files, "new.py"])
    if path in files and path != "train.py" and chance.random() < 0.3:
        del files[path]
    else:
        files[path] = f"edited {chance.random()}"
    return {place: {f"file {path}"}}


def _parameter(made: Made, chance: random.Random) -> dict[int, set[str]]:
    name = chance.choice(PARAMETERS)
    made.values[name] = str(chance.random())
    return {place: {f"parameter {name}"} for place, step in enumerate(made.steps) if step.uses == name}


def _data(made: Made, chance: random.Random) -> dict[int, set[str]]:
    place = chance.randrange(len(made.steps))
    made.steps[place].path = f"raw/{chance.random()}"
    return {place: {"input data"}}


def _variable(made: Made, chance: random.Random) -> dict[int, set[str]]:
    place = chance.randrange(len(made.steps))
    name = chance.choice(["MODE", "LEVEL"])
    made.steps[place].variables[name] = str(chance.random())
    return {place: {f"variable {name}"}}


def _package(made: Made, chance: random.Random) -> dict[int, set[str]]:
    place = chance.randrange(len(made.steps))
    made.steps[place].packages = f"pandas=={chance.random()}"
    return {place: {"environment python pip"}}


def _version(made: Made, chance: random.Random) -> dict[int, set[str]]:
    place = chance.randrange(len(made.steps))
    made.steps[place].version = str(chance.random())
    return {place: {"version"}}


def _edge(made: Made, chance: random.Random) -> dict[int, set[str]]:
    place = chance.randrange(len(made.steps))
    step = made.steps[place]
    free = [other for other in range(place) if other not in (*step.reads, *step.waits)]
    if not free:
        return {}
    other = chance.choice(free)
    (step.reads if chance.random() < 0.5 else step.waits).append(other)
    return {place: {f"input from_{other}" if other in step.reads else f"after {made.key(other)}"}}


EDITS: tuple[Edit, ...] = (_argument, _file, _parameter, _data, _variable, _package, _version, _edge)


def edited(made: Made, chance: random.Random) -> dict[int, set[str]]:
    """Edit it in up to three ways; by step, the ingredients that are others now."""
    found: dict[int, set[str]] = {}
    for edit in chance.sample(EDITS, chance.randint(0, 3)):
        for place, names in edit(made, chance).items():
            found.setdefault(place, set()).update(names)
    return found


def follows(made: Made, changed: dict[int, set[str]]) -> Iterator[set[str]]:
    """Of each step, what has changed of it once the steps before it have run again; nothing of one that is reused."""
    runs: list[bool] = []
    for place, step in enumerate(made.steps):
        found = set(changed.get(place, ()))
        found |= {f"input from_{other}" for other in step.reads if runs[other]}
        found |= {f"after {made.key(other)}" for other in step.waits if runs[other]}
        runs.append(bool(found))
        yield found
