"""Which names an expression may use: the columns of the sources before it, variables, and what a lambda is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from canalis.usql.faults import At, Silenced, Wrong
from canalis.usql.types import UNKNOWN
from canalis.usql.values import Column, Value, quoted_name


@dataclass(frozen=True, slots=True)
class Reach:
    """The columns of one source. sql: what the source is called in SQL. name: "" for one without a name."""

    name: str
    sql: str
    columns: Sequence[Column]

    def column(self, name: str) -> Value | None:
        """The column of that name; None when there is none."""
        for one in self.columns:
            if one.name == name:
                return Value(f"{self.sql}.{quoted_name(name)}", one.type, one.may_be_null)
        return None


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression can name.

    sources     in the order of FROM
    variables   scalar variables, with their @
    names       what else is known by a name: parameters of lambdas, named keys of a group
    """

    sources: Sequence[Reach] = ()
    variables: Mapping[str, Value] = field(default_factory=dict)
    names: Mapping[str, Value] = field(default_factory=dict)

    def within(self, name: str, value: Value) -> Scope:
        """The same with one more name."""
        return replace(self, names={**self.names, name: value})

    def has(self, name: str) -> bool:
        """Whether a column or another value has that name."""
        return name in self.names or any(source.column(name) for source in self.sources)

    def source(self, name: str) -> Reach | None:
        """The source of that name; None when there is none."""
        return next((source for source in self.sources if source.name == name), None)

    def value(self, name: str, at: At) -> Value:
        """What has that name. Raises Wrong for none, and for a column of two sources."""
        if name in self.names:
            return self.names[name]
        found = [(source, value) for source in self.sources if (value := source.column(name))]
        if len(found) == 1:
            return _known(found[0][1], at)
        if found:
            ways = " or ".join(f"{source.name}.{name}" for source, _ in found)
            raise Wrong(at, "usql_unknown", f"'{name}' is a column of several sources: say {ways}")
        raise Wrong(at, "usql_unknown", f"there is no column '{name}'{self._near(name)}")

    def column_of(self, source: Reach, name: str, at: At) -> Value:
        """A column of a source. Raises Wrong when it has none of that name."""
        found = source.column(name)
        if found is None:
            raise Wrong(at, "usql_unknown", f"'{source.name}' has no column '{name}'{_listed(source.columns)}")
        return _known(found, at)

    def variable(self, name: str, at: At) -> Value:
        """A scalar variable. Raises Wrong when it is not declared before."""
        if name not in self.variables:
            raise Wrong(at, "usql_unknown", f"{name} is not declared before{_either(self.variables)}")
        return _known(self.variables[name], at)

    def _near(self, name: str) -> str:
        alike = [one.name for source in self.sources for one in source.columns if one.name.lower() == name.lower()]
        if alike:
            return f"; there is '{alike[0]}', and names are told apart by their capitals"
        return _listed([one for source in self.sources for one in source.columns])


def _known(value: Value, at: At) -> Value:
    """A value whose own expression is not at fault."""
    if value.type == UNKNOWN:
        raise Silenced(at)
    return value


def _listed(columns: Sequence[Column]) -> str:
    names = ", ".join(column.name for column in columns[:20])
    return f" (there are: {names or 'none'}{', ...' if len(columns) > 20 else ''})"


def _either(variables: Mapping[str, Value]) -> str:
    return f" (declared are: {', '.join(sorted(variables))})" if variables else ""
