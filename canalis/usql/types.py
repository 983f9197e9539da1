"""The types of C# that U-SQL has, and what each is in DuckDB."""

from __future__ import annotations

from dataclasses import dataclass, replace

# decimal has 28 digits in C#, with the point anywhere; here ten of them are behind it.
_SQL = {
    "bool": "BOOLEAN",
    "sbyte": "TINYINT",
    "byte": "UTINYINT",
    "short": "SMALLINT",
    "ushort": "USMALLINT",
    "int": "INTEGER",
    "uint": "UINTEGER",
    "long": "BIGINT",
    "ulong": "UBIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "decimal": "DECIMAL(38,10)",
    "char": "VARCHAR",
    "string": "VARCHAR",
    "DateTime": "TIMESTAMP",
    "Guid": "UUID",
    "byte[]": "BLOB",
    "TimeSpan": "BIGINT",  # microseconds; only within expressions
    "DayOfWeek": "INTEGER",  # 0 is Sunday; only within expressions
    "null": "INTEGER",
}
INTEGERS = ("sbyte", "byte", "short", "ushort", "int", "uint", "long", "ulong")
NUMBERS = (*INTEGERS, "float", "double", "decimal")
_REFERENCES = ("string", "byte[]", "SQL.ARRAY", "SQL.MAP", "null")

# What each number becomes without a cast. Source: C# specification, implicit numeric conversions
_WIDER = {
    "sbyte": "short int long float double decimal",
    "byte": "short ushort int uint long ulong float double decimal",
    "short": "int long float double decimal",
    "ushort": "int uint long ulong float double decimal",
    "int": "long float double decimal",
    "uint": "long ulong float double decimal",
    "long": "float double decimal",
    "ulong": "float double decimal",
    "float": "double",
}


@dataclass(frozen=True, slots=True)
class Type:
    """A type of C#. arguments: of SQL.ARRAY and SQL.MAP."""

    name: str
    nullable: bool = False
    arguments: tuple[Type, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether it is a type that columns and variables can have."""
        return self.name in _SQL or (bool(self.arguments) and all(inner.is_known for inner in self.arguments))

    @property
    def may_be_null(self) -> bool:
        """Whether null is one of its values."""
        return self.nullable or self.name in _REFERENCES

    @property
    def sql(self) -> str:
        """What DuckDB calls it."""
        if self.name == "SQL.ARRAY":
            return f"{self.arguments[0].sql}[]"
        if self.name == "SQL.MAP":
            return f"MAP({self.arguments[0].sql}, {self.arguments[1].sql})"
        return _SQL[self.name]

    @property
    def is_number(self) -> bool:
        """Whether one can calculate with it."""
        return self.name in NUMBERS

    @property
    def is_integer(self) -> bool:
        """Whether it is a whole number."""
        return self.name in INTEGERS

    def with_null(self, nullable: bool = True) -> Type:
        """The same with null among its values, or without."""
        return replace(self, nullable=nullable and self.name not in _REFERENCES)

    def __str__(self) -> str:
        inner = f"<{', '.join(map(str, self.arguments))}>" if self.arguments else ""
        return f"{self.name}{inner}{'?' if self.nullable else ''}"


STRING, CHAR, BOOL, INT, LONG, DOUBLE = map(Type, ("string", "char", "bool", "int", "long", "double"))
DECIMAL, DATETIME, TIMESPAN, NULL = map(Type, ("decimal", "DateTime", "TimeSpan", "null"))


UNKNOWN = Type("unknown")  # of what could not be read, which has been told


def array_of(inner: Type) -> Type:
    """The type of a list of such values."""
    return Type("SQL.ARRAY", arguments=(inner,))


def becomes(given: Type, wanted: Type) -> bool:
    """Whether a value of the one type is taken for one of the other without a cast, null aside."""
    if given.name == "null":
        return wanted.may_be_null
    if given.name == wanted.name:
        return given.arguments == wanted.arguments
    return wanted.name in _WIDER.get(given.name, "").split() or (given.name, wanted.name) == ("char", "string")


def of_both(one: Type, other: Type) -> Type | None:
    """The type in which C# calculates with two numbers; None when it does not.

    >>> str(of_both(Type("byte"), Type("short"))), str(of_both(Type("int"), Type("uint"))), of_both(DOUBLE, DECIMAL)
    ('int', 'long', None)
    """
    if not (one.is_number and other.is_number):
        return None
    names, nullable = {one.name, other.name}, one.nullable or other.nullable
    if "decimal" in names:
        return None if names & {"float", "double"} else Type("decimal", nullable)
    for name in ("double", "float"):
        if name in names:
            return Type(name, nullable)
    if "ulong" in names:
        return None if names & {"sbyte", "short", "int", "long"} else Type("ulong", nullable)
    if "long" in names or ("uint" in names and names & {"sbyte", "short", "int"}):
        return Type("long", nullable)
    return Type("uint" if "uint" in names else "int", nullable)


def common(one: Type, other: Type) -> Type | None:
    """The type of either of two values, as a conditional has it; None when there is none."""
    nullable = one.may_be_null or other.may_be_null
    if one.name == "null":
        return other.with_null()
    if other.name == "null" or becomes(other, one):
        return one.with_null(nullable)
    return other.with_null(nullable) if becomes(one, other) else None
