"""The graph: what an author's pipeline is once it has left the author's desk. A versioned document.

A graph has nodes; a node reads inputs, writes outputs and may wait for other nodes. Data edges stand in the
inputs (an input names the output it reads), order edges in `after`. Nothing here knows when or where it runs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Annotated, Literal, TypeVar

from pydantic import Field, StrictBool, StrictFloat, StrictInt

from canalis.contract.memory import collection_paused
from canalis.contract.parts import Kinded as Kinded
from canalis.contract.parts import Part as Part
from canalis.contract.tables import Registration, Table
from canalis.contract.works import ServiceWork as ServiceWork

NODE_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")  # no dot: a step run's id is <run>.<key>[.<attempt>]
PORT_NAME = re.compile(r"\w+", re.ASCII)

Scalar = bool | int | float | str
ParameterType = Literal["string", "int", "float", "bool", "datapath", "dataset"]


# Parameters ----------------------------------------------------------------------------------------------------


class DataPathValue(Part):
    """A place in a datastore, as the value of a parameter."""

    datastore: str
    path: str


class Registered(Part):
    """Which version of a registered dataset something is. The id names it alone, and what it is never changes."""

    name: str
    version: StrictInt
    id: str


class DatasetValue(Part):
    """Files of a dataset, as the value of a parameter: places whose paths may be patterns.

    registered   None for files that have no name in the workspace
    table        how rows are read from them; None for files alone
    """

    places: tuple[DataPathValue, ...] = Field(min_length=1)
    registered: Registered | None = None
    table: Table | None = None


ParameterValue = DatasetValue | DataPathValue | Scalar


class Parameter(Part):
    """A value that may be another one in each run of the graph.

    default   of a dataset parameter it may be text, which names a registered one: as it is when a run is submitted
    """

    name: str
    type: ParameterType
    default: ParameterValue


class ParameterText(Kinded):
    """Stands for the text of a pipeline parameter's value."""

    kind: Literal["parameter"] = "parameter"
    name: str


# A text that is whole, or of pieces which are joined without a blank when the values of parameters are known.
Text = str | tuple[str | ParameterText, ...]


# Where an input's data comes from ------------------------------------------------------------------------------


class FromStep(Kinded):
    """What another node of this graph writes."""

    kind: Literal["step"] = "step"
    node: str
    output: str


class FromStore(Kinded):
    """What lies in a datastore. `datastore` None is the run's default; `path` may not exist yet.

    What an author writes in `path` may be a pattern; the value of a parameter stands for itself, whatever its signs.
    """

    kind: Literal["store"] = "store"
    datastore: str | None = None
    path: Text = ""


class FromFiles(Kinded):
    """Files of a dataset: places whose paths may be glob patterns."""

    kind: Literal["files"] = "files"
    places: tuple[FromStore, ...] = Field(min_length=1)
    registered: Registered | None = None


class FromParameter(Kinded):
    """What a datapath or dataset parameter names when the run is submitted."""

    kind: Literal["parameter"] = "parameter"
    parameter: str


Source = Annotated[FromStep | FromStore | FromFiles | FromParameter, Field(discriminator="kind")]

# The four v1 ways to speak of data are two here: "reference" (DataReference, PipelineData, DataPath) and
# "dataset" (datasets and OutputFileDatasetConfig). They differ in the names of environment variables, in
# their placeholders, and in who makes an output's folder.
Style = Literal["reference", "dataset"]


class Input(Part):
    """Data that a node reads, and how it wants to see it.

    table   how rows are read from it, in mode direct; of a parameter, its value says so
    """

    name: str
    source: Source
    mode: Literal["mount", "download", "direct"] = "mount"
    style: Style = "reference"
    path_on_compute: str | None = None
    overwrite: StrictBool = False
    table: Table | None = None


class Output(Part):
    """Data that a node writes, and where it shall lie afterwards.

    path        below the datastore; None, and one that is empty in a run, takes the style's default. May hold
                {run-id} and {output-name}
    parameter   the datapath parameter that names both; then neither stands here
    source_globs   which files alone are copied there, below the folder that the script writes; all when empty
    """

    name: str
    datastore: str | None = None
    path: Text | None = None
    parameter: str | None = None
    mode: Literal["mount", "upload"] = "mount"
    style: Style = "reference"
    path_on_compute: str | None = None
    overwrite: StrictBool = False
    source_globs: tuple[str, ...] = ()
    pipeline_output: str | None = None
    registered_as: Registration | None = None


# Arguments -----------------------------------------------------------------------------------------------------


class InputPath(Kinded):
    """Stands for the local path of an input."""

    kind: Literal["input"] = "input"
    name: str


class OutputPath(Kinded):
    """Stands for the local path of an output."""

    kind: Literal["output"] = "output"
    name: str


Placeholder = Annotated[InputPath | OutputPath | ParameterText, Field(discriminator="kind")]
Piece = str | Placeholder
# One argument: its pieces are joined without a blank, since authors embed placeholders in longer texts.
Argument = tuple[Piece, ...]


# Nodes ---------------------------------------------------------------------------------------------------------


class PythonWork(Kinded):
    """Run a Python script of the snapshot in an interpreter."""

    kind: Literal["python"] = "python"
    script: str


class CommandWork(Kinded):
    """Run a command line in the snapshot's folder; the node's arguments are appended to it."""

    kind: Literal["command"] = "command"
    line: Argument


Work = Annotated[PythonWork | CommandWork | ServiceWork, Field(discriminator="kind")]


REST_S_MAX = 900.0


class Settings(Part):
    """How hard a node is tried.

    retries         tries after the first one, for a script that failed or ran out of time
    retry_rest_s    rest before the first retry; doubles with each further one, at most REST_S_MAX
    timeout_s       longest time one attempt may work, counted from its start; None is no limit
    reuse           whether an earlier result may stand in for this node
    reuse_by_content   whether what lies at the places that it reads counts, beside their names
    """

    retries: StrictInt = Field(default=0, ge=0, le=100)
    retry_rest_s: StrictFloat = Field(default=0.0, ge=0.0, le=REST_S_MAX)
    timeout_s: StrictFloat | None = Field(default=None, gt=0.0)
    reuse: StrictBool = True
    reuse_by_content: StrictBool = False

    def rest_s(self, attempt: int) -> float:
        """How long the step rests after that attempt, counted from 1, before the next.

        >>> [Settings(retry_rest_s=10).rest_s(attempt) for attempt in (1, 2, 3, 9)]
        [10.0, 20.0, 40.0, 900.0]
        """
        return float(min(self.retry_rest_s * 2 ** (attempt - 1), REST_S_MAX))


class Node(Part):
    """One step of the pipeline, as data.

    key           unique in the graph, safe in file names and ids
    name          as the author wrote it; may repeat
    compute       name of the compute target, or the text parameter that names it; None is this machine
    snapshot      id of the source snapshot; None until the graph is submitted
    parameters    the v1 `params`: become environment variables AML_PARAMETER_<name>
    environment   key into Graph.environments
    version       whatever its author calls this state of it; another one is another step for reuse
    sizing        how many machines and processes it wants, by v1's names for it; for backends that can give them
    """

    key: str
    name: str
    work: Work
    compute: str | ParameterText | None = None
    snapshot: str | None = None
    arguments: tuple[Argument, ...] = ()
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    after: tuple[str, ...] = ()
    parameters: dict[str, Argument] = Field(default_factory=dict)
    environment: str | None = None
    version: str | None = None
    environment_variables: dict[str, Argument] = Field(default_factory=dict)
    settings: Settings = Settings()
    sizing: dict[str, Argument] = Field(default_factory=dict)

    def texts(self) -> Iterator[Argument]:
        """Everything of it in which placeholders may stand."""
        yield from self.arguments
        yield from self.parameters.values()
        yield from self.environment_variables.values()
        yield from self.sizing.values()
        if isinstance(self.work, CommandWork):
            yield self.work.line

    def paths(self) -> Iterator[tuple[Input | Output, Text]]:
        """Every path below a datastore that stands in it, with the port that it is the path of."""
        for port in self.inputs:
            places = port.source.places if isinstance(port.source, FromFiles) else (port.source,)
            yield from ((port, place.path) for place in places if isinstance(place, FromStore))
        yield from ((port, port.path) for port in self.outputs if port.path is not None)

    def used_parameters(self) -> set[str]:
        """Names of the pipeline parameters that it is made of, wherever they stand in it."""
        paths = (path for _, path in self.paths() if not isinstance(path, str))
        texts = (*self.texts(), *paths, (self.compute,))
        found = {piece.name for text in texts for piece in text if isinstance(piece, ParameterText)}
        found |= {port.source.parameter for port in self.inputs if isinstance(port.source, FromParameter)}
        return found | {port.parameter for port in self.outputs if port.parameter is not None}

    def predecessors(self) -> list[str]:
        """Keys of the nodes that must have succeeded before this one may start, each once."""
        by_data = (i.source.node for i in self.inputs if isinstance(i.source, FromStep))
        return list(dict.fromkeys((*by_data, *self.after)))

    def input(self, name: str) -> Input:
        """The input of that name. Raises KeyError when there is none."""
        return _named(self.inputs, name)

    def output(self, name: str) -> Output:
        """The output of that name. Raises KeyError when there is none."""
        return _named(self.outputs, name)


class Graph(Part):
    """A pipeline as a document. Graphs built alike have equal bytes and so equal ids.

    environments   what each node wants installed, recorded as v1 objects describe it, by a short key
    """

    schema_version: Literal[1] = 1
    description: str = ""
    default_datastore: str | None = None
    nodes: tuple[Node, ...]
    parameters: tuple[Parameter, ...] = ()
    environments: dict[str, dict[str, object]] = Field(default_factory=dict)

    @cached_property
    def places(self) -> dict[str, int]:
        """Where each node stands among the nodes, by key."""
        return {node.key: place for place, node in enumerate(self.nodes)}

    def node(self, key: str) -> Node:
        """The node of that key. Raises KeyError when there is none."""
        return self.nodes[self.places[key]]

    def to_bytes(self) -> bytes:
        """The document as UTF-8 JSON, without what was not given."""
        return self.model_dump_json(exclude_unset=True).encode()

    @classmethod
    def from_bytes(cls, document: bytes) -> Graph:
        """The graph of a stored document. Raises pydantic's ValidationError when it is not one."""
        with collection_paused():
            return cls.model_validate_json(document)


def content_id(document: bytes) -> str:
    """The name under which content is stored: its SHA-256 in hex."""
    return hashlib.sha256(document).hexdigest()


_Port = TypeVar("_Port", Input, Output)


def _named(ports: Iterable[_Port], name: str) -> _Port:
    for port in ports:
        if port.name == name:
            return port
    raise KeyError(name)
