"""A whole script becomes a plan: what is read, what is calculated, and what is written. Every fault is told at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from canalis.usql import tree
from canalis.usql.expressions import value_of
from canalis.usql.faults import At, Fault, ScriptInvalid, Silenced, Told, Wrong
from canalis.usql.files import local_path, names_in
from canalis.usql.literals import literal
from canalis.usql.options import Options, options_of
from canalis.usql.queries import Known, named, rowset_of, sorted_by
from canalis.usql.reading import read_statement
from canalis.usql.scopes import Reach, Scope
from canalis.usql.source import Piece, put_values, statements
from canalis.usql.sources import Rowset
from canalis.usql.types import UNKNOWN, Type
from canalis.usql.values import Column, Value, as_type, quoted


class Calculator(Protocol):
    """Calculates what scalar variables are."""

    def calculate(self, sql: str) -> str | None:
        """The value of an expression of SQL as text. Raises ValueError with the reason when it has none."""
        ...


@dataclass(frozen=True, slots=True)
class Extraction:
    """Files to be read as a view. virtual: columns that stand in the files' paths."""

    at: At
    view: str
    columns: Sequence[Column]
    virtual: Sequence[str]
    paths: Sequence[tuple[str, At]]
    options: Options


@dataclass(frozen=True, slots=True)
class View:
    """A rowset to be known by a name. reads: how often others read it."""

    at: At
    view: str
    sql: str
    reads: int = 0


@dataclass(frozen=True, slots=True)
class Output:
    """Rows to be written to a file."""

    at: At
    sql: str
    columns: Sequence[Column]
    path: str
    options: Options


@dataclass
class Plan:
    """What a script does, in its order.

    place   where something stands in the script before its placeholders had values
    """

    parts: list[Extraction | View | Output] = field(default_factory=list)
    place: Callable[[At], At] = lambda at: at


def plan(text: str, values: Mapping[str, str], calculator: Calculator) -> Plan:
    """What a script does.

    values   of its placeholders `@@name@@`
    Raises   ScriptInvalid with everything that is wrong with it
    """
    filled, faults = put_values(text, values)
    pieces = statements(filled.text)
    reader = _Planner(calculator)
    for piece in pieces:
        reader.read(piece)
    found = [*faults, *(replace(fault, at=filled.place(fault.at)) for fault in reader.told.faults)]
    if not pieces:
        found.append(Fault(At(1, 1), "usql_syntax", "the script has no statements"))
    elif not found and not reader.writes:
        found.append(Fault(pieces[-1].at, "usql_syntax", "the script writes nothing: it has no OUTPUT"))
    if found:
        raise ScriptInvalid(found)
    return Plan(_with_counts(reader.made), filled.place)


class _Planner:
    """Reads statements one after the other; what one declares or assigns, those behind it know."""

    def __init__(self, calculator: Calculator) -> None:
        self.told = Told()
        self.made: list[Extraction | View | Output] = []
        self.writes: set[str] = set()
        self._calculator = calculator
        self._rowsets: dict[str, Rowset | None] = {}
        self._variables: dict[str, Value] = {}

    def read(self, piece: Piece) -> None:
        """Read one statement; what is wrong with it is told."""
        name = re.match(r"(?:DECLARE\s+(?:(?:EXTERNAL|CONST)\s+)?)?(@\w+)", piece.text)
        self.told.faults += piece.faults
        with self.told.each():
            if piece.faults:
                raise Silenced(piece.at)
            statement = read_statement(piece.text, piece.at)
            if isinstance(statement, tree.Declare):
                self._declare(statement)
            elif isinstance(statement, tree.Assign):
                self._assign(statement)
            else:
                self._output(statement)
            return
        if name and piece.text.startswith("DECLARE"):
            self._variables.setdefault(name[1], Value("NULL", UNKNOWN, True))
        elif name:
            self._rowsets[name[1]] = None

    def _declare(self, found: tree.Declare) -> None:
        if found.name in self._variables:
            raise Wrong(found.at, "usql_twice", f"{found.name} is declared already")
        value = value_of(found.value, Scope(variables=self._variables))
        if found.type is not None:
            _must_be_known(found.type, found.at)
            value = as_type(value, found.type, found.at)
        if value.type.name in ("null", "option"):
            raise Wrong(found.at, "usql_type", f"{found.name} needs a type: DECLARE {found.name} string = null")
        self._variables[found.name] = self._settled(value, found.at)

    def _settled(self, value: Value, at: At) -> Value:
        """A value that is calculated once, and is a constant from then on."""
        if value.constant is not None or value.type.arguments:
            return value
        try:
            text = self._calculator.calculate(value.sql)
        except ValueError as error:
            raise Wrong(at, "usql_type", f"it has no value: {error}") from None
        if text is None:
            return replace(value, sql=f"CAST(NULL AS {value.type.sql})", may_be_null=True, may_fail=False)
        kind = value.type
        if kind.name in ("string", "char"):
            return Value(quoted(text), kind, False, constant=text)
        if kind.name == "bool":
            return Value(text, kind, False, constant=text == "true")
        if kind.is_integer:
            made = literal(tree.Literal(at, "NUMBER", text.lstrip("-")))
            number = -int(made.constant or 0) if text.startswith("-") else made.constant
            return Value(f"CAST({text} AS {kind.sql})", kind, False, constant=number)
        return Value(f"CAST({quoted(text)} AS {kind.sql})", kind, False)

    def _assign(self, found: tree.Assign) -> None:
        if found.name in self._variables:
            raise Wrong(found.at, "usql_twice", f"{found.name} is a variable already, and cannot be a rowset as well")
        view = f"usql_rowset_{len(self.made)}"
        if isinstance(found.rowset, tree.Extract):
            columns = self._extract(found.rowset, view)
        else:
            rowset = rowset_of(found.rowset, Known(self._rowsets, self._variables), self.told)
            columns = rowset.columns
            self.made.append(View(found.at, view, rowset.sql))
        self._rowsets[found.name] = Rowset(f"SELECT * FROM {view}", columns)

    def _extract(self, found: tree.Extract, view: str) -> Sequence[Column]:
        options = Options()
        with self.told.each():
            options = options_of(found.using, "Extractors", self._variables)
        paths = []
        for node in found.paths:
            with self.told.each():
                paths.append((self._path(node), node.at))
        virtual = {name for path, _ in paths for name in names_in(path)}
        columns: list[Column] = []
        for name, type_, at in found.columns:
            if any(one.name == name for one in columns):
                raise Wrong(at, "usql_twice", f"two columns are named '{name}'")
            columns.append(Column(name, UNKNOWN, True))
            with self.told.each():
                _must_be_known(type_, at)
                if type_.arguments or type_.name == "byte[]":
                    raise Wrong(
                        at, "usql_not_here", f"files have no values of {type_}; read a string, and take it apart"
                    )
                columns[-1] = Column(name, type_, type_.may_be_null)
        names = {one.name for one in columns}
        for name in sorted(virtual - names):
            self.told.faults.append(
                Fault(found.paths[0].at, "usql_path", f"'{{{name}}}' stands in the path, and is no column of EXTRACT")
            )
        if names and names <= virtual:
            raise Wrong(found.at, "usql_path", "every column stands in the path: at least one must be in the files")
        self.made.append(Extraction(found.at, view, columns, sorted(virtual & names), paths, options))
        return columns

    def _path(self, node: tree.Expression) -> str:
        value = value_of(node, Scope(variables=self._variables))
        if value.constant is None and value.type.name == "string":
            value = self._settled(value, node.at)
        if not isinstance(value.constant, str) or not value.constant:
            raise Wrong(node.at, "usql_path", "a path must be a text")
        return local_path(value.constant, node.at)

    def _output(self, found: tree.Write) -> None:
        options = Options()
        with self.told.each():
            options = options_of(found.using, "Outputters", self._variables)
        path = ""
        with self.told.each():
            path = self._path(found.path)
            if "{" in path:
                raise Wrong(
                    found.path.at, "usql_not_here", "OUTPUT to a set of files is not here; use an OUTPUT for each"
                )
            if path in self.writes:
                raise Wrong(found.path.at, "usql_twice", f"'{path}' is written already: each file can be written once")
            self.writes.add(path)
        rowset = named(found.rowset, Known(self._rowsets, self._variables))
        if any(one.type.arguments for one in rowset.columns):
            name = next(one for one in rowset.columns if one.type.arguments)
            raise Wrong(
                found.at, "usql_type", f"column '{name.name}' is of {name.type}, which files cannot hold: string.Join"
            )
        if any(one.type == UNKNOWN for one in rowset.columns):
            raise Silenced(found.at)
        sql = rowset.sql
        if found.sorting is not None:
            scope = Scope((Reach("", "rows", rowset.columns),), self._variables)
            keys = [(value_of(one.key, scope), one.descending) for one in found.sorting.keys]
            sql = f"SELECT * FROM ({sql}) AS rows{sorted_by(found.sorting, keys, scope)}"
        self.made.append(Output(found.at, sql, rowset.columns, path, options))


def _must_be_known(type_: Type, at: At) -> None:
    if not type_.is_known:
        said = f"there is no type {type_} here; types of code-behind and assemblies cannot be used"
        raise Wrong(at, "usql_unknown", said)


def _with_counts(parts: Sequence[Extraction | View | Output]) -> list[Extraction | View | Output]:
    """The parts of a plan, each view of which knows how often it is read."""
    texts = [part.sql for part in parts if not isinstance(part, Extraction)]
    return [
        replace(part, reads=sum(len(re.findall(rf"\b{part.view}\b", text)) for text in texts))
        if isinstance(part, View)
        else part
        for part in parts
    ]
