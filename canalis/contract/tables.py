"""How rows are read from files, and what becomes of them: the definition of a tabular dataset. It holds no data.

Source   reference section 5

A part that says in its `kind` which of several it is has no default for it: no way to write it down leaves it out.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from canalis.contract.parts import Part

OPERATIONS_MAX = 200
COLUMNS_MAX = 10_000
QUERY_CHARS_MAX = 50_000
DATASET_NAME = re.compile(r"\w(?:[\w .-]{0,253}[\w.-])?")

# ALL_FILES_HAVE_SAME_HEADERS, ONLY_FIRST_FILE_HAS_HEADERS, COMBINE_ALL_FILES_HEADERS, NO_HEADERS
Headers = Literal["same", "first", "combined", "none"]
TypeName = Literal["string", "long", "float", "bool", "datetime"]
Name = Annotated[str, Field(max_length=1_000)]
Names = Annotated[tuple[Name, ...], Field(max_length=COLUMNS_MAX)]


# Files ---------------------------------------------------------------------------------------------------------


class Delimited(Part):
    """Text whose lines are rows.

    encoding   by Python's word for it
    """

    kind: Literal["delimited"]
    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    headers: Headers = "same"
    infer_types: bool = True
    multi_line: bool = False
    empty_as_string: bool = False
    encoding: str = "utf8"


class Parquet(Part):
    """Parquet files."""

    kind: Literal["parquet"]


class JsonLines(Part):
    """Text whose lines are JSON objects."""

    kind: Literal["json_lines"]
    invalid_lines: Literal["error", "drop"] = "error"
    encoding: str = "utf8"


class Sql(Part):
    """What a database answers to a query; the one place of such a dataset is its datastore, without a path.

    timeout_s   how long the answer may take, in seconds
    """

    kind: Literal["sql"]
    query: Annotated[str, Field(min_length=1, max_length=QUERY_CHARS_MAX)]
    timeout_s: Annotated[int, Field(ge=1, le=86_400)] = 30


class ColumnType(Part):
    """Of which type a column's values are.

    formats         of dates, as strptime has them; the usual ones when there is none
    decimal_comma   whether a comma stands before decimals
    """

    name: TypeName
    decimal_comma: bool = False
    formats: Annotated[tuple[str, ...], Field(max_length=50)] = ()


# Conditions ----------------------------------------------------------------------------------------------------


class Column(Part):
    """A row's value in a column."""

    kind: Literal["column"]
    name: Name


class Constant(Part):
    """The same value for each row."""

    kind: Literal["value"]
    value: bool | int | float | str | None


class Moment(Part):
    """A point in time, in ISO 8601; without a zone it is in that of the column."""

    kind: Literal["time"]
    at: str


class Call(Part):
    """What is made of others."""

    kind: Literal["call"]
    does: Literal["==", "!=", "<", "<=", ">", ">=", "and", "or", "not", "is_null"]
    of: Annotated[tuple[Condition, ...], Field(min_length=1, max_length=2)]


Condition = Annotated[Column | Constant | Moment | Call, Field(discriminator="kind")]


# Operations ----------------------------------------------------------------------------------------------------


class Take(Part):
    """The first rows alone."""

    kind: Literal["take"]
    rows: Annotated[int, Field(ge=0)]


class Skip(Part):
    """All but the first rows."""

    kind: Literal["skip"]
    rows: Annotated[int, Field(ge=0)]


class Share(Part):
    """Rows drawn at random, each with the same probability; the others when `is_rest`. One seed, one draw."""

    kind: Literal["share"]
    probability: Annotated[float, Field(ge=0, le=1)]
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    is_rest: bool = False


class Keep(Part):
    """These columns alone."""

    kind: Literal["keep"]
    columns: Names


class Drop(Part):
    """All but these columns."""

    kind: Literal["drop"]
    columns: Names


class Filter(Part):
    """The rows alone for which a condition holds."""

    kind: Literal["filter"]
    where: Condition


Operation = Annotated[Take | Skip | Share | Keep | Drop | Filter, Field(discriminator="kind")]


class Table(Part):
    """How rows are read from files, and what becomes of them, in that order.

    types              of columns whose type is said; what cannot be read as it is missing
    include_path       whether the column Path says which file a row is from
    partition_format   the end of each file's path, with {column} or {column:yyyy/MM/dd} where a value is
    timestamps         columns that say when a row happened: exactly, and as coarsely as files are apart; "" for none
    """

    read: Annotated[Delimited | Parquet | JsonLines | Sql, Field(discriminator="kind")]
    types: Annotated[dict[str, ColumnType], Field(max_length=COLUMNS_MAX)] = Field(default_factory=dict)
    include_path: bool = False
    partition_format: Annotated[str, Field(max_length=2_000)] = ""
    operations: Annotated[tuple[Operation, ...], Field(max_length=OPERATIONS_MAX)] = ()
    timestamps: tuple[str, str] = ("", "")

    def then(self, *more: Operation) -> Table:
        """The same, and these operations after it."""
        return self.model_copy(update={"operations": (*self.operations, *more)})


def _dataset_name(name: str) -> str:
    if not DATASET_NAME.fullmatch(name):
        raise ValueError(f"'{name[:80]}' cannot be the name of a dataset")
    return name


class Registration(Part):
    """What an output is registered as when its step has succeeded: the next version of that name.

    table   how rows are read from it; None for a dataset of files
    """

    name: Annotated[str, AfterValidator(_dataset_name)]
    description: str = Field(default="", max_length=5_000)
    tags: dict[str, str] = Field(default_factory=dict, max_length=50)
    table: Table | None = None
