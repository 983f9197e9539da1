"""A script as a tree: what the grammar's rules become. Each part knows where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from canalis.usql.faults import At
from canalis.usql.types import Type


@dataclass(frozen=True, slots=True)
class Expression:
    """Something that has a value. Two are equal that say the same, wherever they stand."""

    at: At = field(compare=False)


@dataclass(frozen=True, slots=True)
class Literal(Expression):
    """A constant. text: as it is written."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Name(Expression):
    """A column, a source, or a class of C#."""

    text: str


@dataclass(frozen=True, slots=True)
class Variable(Expression):
    """A scalar variable, with its @."""

    text: str


@dataclass(frozen=True, slots=True)
class Member(Expression):
    """What comes after a dot. of: a type's name when it is a member of that type."""

    of: Expression | str
    name: str


@dataclass(frozen=True, slots=True)
class Order:
    """One key of an order."""

    key: Expression
    descending: bool


@dataclass(frozen=True, slots=True)
class Over:
    """The window of a call. frame: as SQL has it; "" for none."""

    partition: Sequence[Expression] = ()
    order: Sequence[Order] = ()
    frame: str = ""


@dataclass(frozen=True, slots=True)
class Call(Expression):
    """A call of a function or a method.

    named   arguments by name
    star    COUNT(*)
    """

    function: Expression
    arguments: Sequence[Expression] = ()
    named: dict[str, Expression] = field(default_factory=dict)
    distinct: bool = False
    star: bool = False
    within: Sequence[Order] = ()
    over: Over | None = None


@dataclass(frozen=True, slots=True)
class Index(Expression):
    """An element: of[index]."""

    of: Expression
    index: Expression


@dataclass(frozen=True, slots=True)
class Sign(Expression):
    """-x, +x or !x."""

    sign: str
    of: Expression


@dataclass(frozen=True, slots=True)
class Binary(Expression):
    """left sign right; AND and OR are && and || here."""

    sign: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Ternary(Expression):
    """condition ? yes : no."""

    condition: Expression
    yes: Expression
    no: Expression


@dataclass(frozen=True, slots=True)
class Cast(Expression):
    """(type) of."""

    type: Type
    of: Expression


@dataclass(frozen=True, slots=True)
class New(Expression):
    """new type(arguments) {elements}. elements: pairs for a map; None when there are no braces."""

    type: Type | None
    arguments: Sequence[Expression] = ()
    elements: Sequence[Expression | tuple[Expression, Expression]] | None = None


@dataclass(frozen=True, slots=True)
class IsNull(Expression):
    """of IS [NOT] NULL."""

    of: Expression
    negated: bool


@dataclass(frozen=True, slots=True)
class Among(Expression):
    """of [NOT] IN (listed)."""

    of: Expression
    listed: Sequence[Expression]
    negated: bool


@dataclass(frozen=True, slots=True)
class Between(Expression):
    """of [NOT] BETWEEN low AND high."""

    of: Expression
    low: Expression
    high: Expression
    negated: bool


@dataclass(frozen=True, slots=True)
class Like(Expression):
    """of [NOT] LIKE pattern."""

    of: Expression
    pattern: Expression
    negated: bool


@dataclass(frozen=True, slots=True)
class Lambda(Expression):
    """parameter => body."""

    parameter: str
    body: Expression


# Rowsets -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Extract:
    """EXTRACT. columns: name, type and place of each."""

    at: At
    columns: Sequence[tuple[str, Type, At]]
    paths: Sequence[Expression]
    using: Expression


@dataclass(frozen=True, slots=True)
class RowsetName:
    """A rowset that was assigned before, with its @."""

    at: At
    text: str


@dataclass(frozen=True, slots=True)
class Values:
    """Rows that are written out."""

    at: At
    rows: Sequence[Sequence[Expression]]


@dataclass(frozen=True, slots=True)
class Catalog:
    """A table or a function of the catalog."""

    at: At
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """What rows come from. alias: "" for none. names: those of the columns of written rows; () keeps them."""

    at: At
    of: Query | Values | Catalog
    alias: str
    names: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Join:
    """A join with what stands before it. kind: INNER, LEFT, RIGHT, FULL, CROSS, or LEFT or RIGHT with SEMI or ANTI."""

    at: At
    kind: str
    source: Source
    on: Expression | None


@dataclass(frozen=True, slots=True)
class Apply:
    """CROSS or OUTER APPLY EXPLODE."""

    at: At
    outer: bool
    of: Expression
    alias: str
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Item:
    """What a SELECT gives. of: None for all columns, of the source `alias` when there is one. name: "" for none."""

    at: At
    of: Expression | None
    name: str = ""
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Sorting:
    """ORDER BY with OFFSET and FETCH."""

    at: At
    keys: Sequence[Order]
    offset: Expression | None = None
    fetch: Expression | None = None


@dataclass(frozen=True, slots=True)
class Select:
    """SELECT. groups: each key with its name, "" for none."""

    at: At
    distinct: bool
    items: Sequence[Item]
    source: Source
    joins: Sequence[Join | Apply]
    where: Expression | None
    groups: Sequence[tuple[Expression, str]]
    having: Expression | None
    sorting: Sorting | None


@dataclass(frozen=True, slots=True)
class SetOperation:
    """left sign right. by_name: None by position, () by all names; outer: columns of one side alone are kept."""

    at: At
    sign: str
    all: bool
    left: Query
    right: Query
    by_name: Sequence[str] | None
    outer: bool = False


Query = Select | SetOperation | RowsetName


# Statements ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Declare:
    """DECLARE. type: None when the value says it."""

    at: At
    name: str
    type: Type | None
    value: Expression


@dataclass(frozen=True, slots=True)
class Assign:
    """@name = rowset."""

    at: At
    name: str
    rowset: Extract | Query


@dataclass(frozen=True, slots=True)
class Write:
    """OUTPUT."""

    at: At
    rowset: RowsetName
    path: Expression
    sorting: Sorting | None
    using: Expression


Statement = Declare | Assign | Write
