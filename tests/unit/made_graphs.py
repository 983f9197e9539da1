"""Graphs of every kind that a service may hold, made by chance from a seed."""

from __future__ import annotations

from random import Random
from typing import Any

from canalis.contract.graph import (
    Argument,
    CommandWork,
    DataPathValue,
    FromFiles,
    FromParameter,
    FromStep,
    FromStore,
    Graph,
    Input,
    InputPath,
    Node,
    Output,
    OutputPath,
    Parameter,
    ParameterText,
    Piece,
    PythonWork,
    Settings,
)

# Texts that YAML, or who reads it carelessly, takes for something else.
TEXTS = (
    "train", "", " ", "yes", "No", "on", "null", "~", "None", "true", "1", "010", "1_000", "1.10", "1e-5", ".inf", "0x1f",
    "12:30", "2020-01-01", "<<", "=", "- a", "a: b", "#", "a #b", "&a", "*a", "!x", "%x", "@x", "`x", "'", '"', "\\", "\\n",
    "{a}", "[a]", "? a", "|", ">", "a\nb", "\n", "a\r\nb", "\t", "trailing ", " leading", "Zoë 😀", "\x00", "\x85", "\u2028",
    "\ufeff", "\x7f", "x" * 300, "input:i", "output:o", "parameter:p", "side_input:i", "$AML_PARAMETER_n", "--n=",
    "$AZUREML_DATAREFERENCE_i0", "DatasetConsumptionConfig:i0", "DatasetOutputConfig:o0", "$AZUREML_DATAREFERENCE_", "$",
)  # fmt: skip


def a_made_graph(seed: int) -> Graph:
    """The graph of a seed: 1 to 6 steps that hand each other data, have settings, and say odd things."""
    return _Maker(Random(seed)).graph()


class _Maker:
    def __init__(self, random: Random) -> None:
        self.random = random
        kinds = ("string", "int", "float", "bool", "datapath")
        names = random.sample(("n", "rate", "a b", "a_b", "i0", "yes", "1", "path"), random.randint(0, 4))
        self.parameters = [self.parameter(name, random.choice(kinds)) for name in names]
        self.environments: dict[str, dict[str, object]] = {
            f"env{n}": {
                "name": self.text(),
                "python": {"user_managed_dependencies": True, "conda_dependencies": self.data(3)},
                "environment_variables": {"V": self.random.choice(TEXTS[:50]), "W": "w"} if self.may() else {},
            }
            for n in range(random.randint(0, 2))
        }
        self.nodes: list[Node] = []

    def graph(self) -> Graph:
        for place in range(self.random.randint(1, 6)):
            self.nodes.append(self.node(f"{self.random.choice(('step', 's-', 'No', '1_'))}{place}"))
        parts: dict[str, Any] = {}
        if self.may():
            parts["description"] = self.text()
        if self.may():
            parts["default_datastore"] = "workspaceblobstore"
        return Graph(
            nodes=tuple(self.nodes), parameters=tuple(self.parameters), environments=self.environments, **parts
        )

    def may(self, one_in: int = 2) -> bool:
        return self.random.randrange(one_in) == 0

    def text(self) -> str:
        return self.random.choice(TEXTS)

    def name(self) -> str:
        return self.text() or "name"

    def data(self, depth: int) -> Any:
        kind = self.random.randrange(8 if depth else 6)
        if kind < 6:
            return (self.text(), 7, -1.5, None, True, 10**12)[kind]
        if kind == 6:
            return [self.data(depth - 1) for _ in range(self.random.randint(0, 3))]
        return {self.name(): self.data(depth - 1) for _ in range(self.random.randint(0, 3))}

    def parameter(self, name: str, kind: Any) -> Parameter:
        defaults: dict[str, Any] = {
            "string": self.text(),
            "int": self.random.choice((0, -3, 2**40, True)),
            "float": self.random.choice((0.5, 1e-9, 1e300, float("inf"), 3)),
            "bool": self.may(),
            "datapath": DataPathValue(datastore="workspaceblobstore", path=self.random.choice(("", "/a/b", "a b"))),
        }
        return Parameter(name=name, type=kind, default=defaults[kind])

    def node(self, key: str) -> Node:
        inputs = tuple(self.input(f"i{n}") for n in range(self.random.randint(0, 3)))
        outputs = tuple(self.output(f"o{n}", key) for n in range(self.random.randint(0, 2)))
        ports: list[Piece] = [InputPath(name=one.name) for one in inputs] + [
            OutputPath(name=one.name) for one in outputs
        ]
        ports += [ParameterText(name=one.name) for one in self.parameters if one.type != "datapath"]
        script = self.random.choice(("train.py", "a b/ü.py", "1.py", "None"))
        environment = self.random.choice([*self.environments, None])
        variables = {"X": self.argument(ports)} if self.may() else {}
        known = self.environments.get(environment or "", {}).get("environment_variables", {})
        variables = {name: (text,) for name, text in known.items()} | variables
        return Node(
            key=key,
            name=self.name(),
            work=PythonWork(script=script) if self.may() else CommandWork(line=("x", *self.argument(ports))),
            compute=self.random.choice((None, "cpu-cluster", "None")),
            arguments=tuple(self.argument(ports) for _ in range(self.random.randint(0, 4))),
            inputs=inputs,
            outputs=outputs,
            after=tuple(one.key for one in self.nodes if self.may(4)),
            parameters={self.name(): self.argument(ports) for _ in range(self.random.randint(0, 2))},
            environment=environment,
            environment_variables=variables,
            settings=Settings(
                retries=self.random.choice((0, 3)),
                retry_rest_s=self.random.choice((0.0, 1.5)),
                timeout_s=self.random.choice((None, 60.0)),
                reuse=self.may(),
                reuse_by_content=self.may(),
            ),
        )

    def argument(self, ports: list[Piece]) -> Argument:
        pieces: list[Piece] = [self.text(), *ports]
        return tuple(self.random.choice(pieces) for _ in range(self.random.randint(0, 3)))

    def input(self, name: str) -> Input:
        written = [(node.key, output.name) for node in self.nodes for output in node.outputs]
        paths = [one.name for one in self.parameters if one.type == "datapath"]
        store = FromStore(datastore="workspacefilestore", path=self.random.choice(("", "raw/a.csv", "a/*.csv")))
        sources: list[Any] = [store, FromFiles(places=(store, FromStore(datastore="other", path="b")))]
        sources += [FromStep(node=node, output=output) for node, output in written]
        sources += [FromParameter(parameter=path) for path in paths]
        return Input(
            name=name,
            source=self.random.choice(sources),
            mode=self.random.choice(("mount", "download", "direct")),
            style=self.random.choice(("reference", "dataset")),
            path_on_compute=self.random.choice((None, "/mnt/a b")),
            overwrite=self.may(),
        )

    def output(self, name: str, key: str) -> Output:
        mode = self.random.choice(("mount", "upload"))
        return Output(
            name=name,
            datastore=self.random.choice((None, "workspaceblobstore")),
            path=self.random.choice((None, "made/{run-id}/{output-name}")),
            mode=mode,
            style=self.random.choice(("reference", "dataset")),
            path_on_compute="results" if mode == "upload" else self.random.choice((None, "results/here")),
            overwrite=self.may(),
            pipeline_output=f"{key}_{name}" if self.may() else None,
        )
