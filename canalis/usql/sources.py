"""What rows come from: rowsets, written rows, joins of them, and lists that are taken apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from canalis.usql import tree
from canalis.usql.expressions import value_of
from canalis.usql.faults import Told, Wrong
from canalis.usql.scopes import Reach, Scope
from canalis.usql.types import UNKNOWN, Type, common
from canalis.usql.values import Column, Value, as_type, condition, quoted_name


@dataclass(frozen=True, slots=True)
class Rowset:
    """Rows, as SQL that gives them."""

    sql: str
    columns: Sequence[Column]


@dataclass
class Sources:
    """The sources of one SELECT, in the order of FROM, while they are read.

    rowset_of   what an inner query gives
    """

    variables: Mapping[str, Value]
    rowset_of: Callable[[tree.Query], Rowset]
    told: Told
    _reaches: list[Reach] = field(default_factory=list)

    def scope(self) -> Scope:
        """What expressions can name behind the sources that are read."""
        return Scope(tuple(self._reaches), self.variables)

    def read(self, first: tree.Source, joins: Sequence[tree.Join | tree.Apply]) -> str:
        """FROM of SQL. Raises Wrong for a source whose columns cannot be said; other faults are told."""
        sql = self._source(first)
        for at, join in enumerate(joins):
            sql = self._apply(sql, join) if isinstance(join, tree.Apply) else self._join(sql, join, is_first=at == 0)
        return sql

    def _source(self, source: tree.Source) -> str:
        if isinstance(source.of, tree.Catalog):
            said = f"{source.of.text}: there is no catalog here; EXTRACT reads files"
            raise Wrong(source.at, "usql_not_here", said)
        name = f"t{len(self._reaches)}"
        if isinstance(source.of, tree.Values):
            sql, columns = self._values(source.of, source.names)
        else:
            rowset = self.rowset_of(source.of)
            columns = list(rowset.columns)
            if source.names:
                raise Wrong(
                    source.at, "usql_not_here", "names of columns behind a query are not here; use AS within it"
                )
            sql = f"({rowset.sql}) AS {name}"
        if any(reach.name == source.alias for reach in self._reaches):
            raise Wrong(
                source.at, "usql_twice", f"two sources are named '{source.alias}': give one another name with AS"
            )
        self._reaches.append(Reach(source.alias, name, columns))
        return sql

    def _values(self, values: tree.Values, names: Sequence[str]) -> tuple[str, list[Column]]:
        rows: list[list[Value]] = []
        for row in values.rows:
            if len(row) != len(names):
                said = f"a row has {len(row)} values, and there are {len(names)} names of columns"
                raise Wrong(row[0].at, "usql_type", said)
            rows.append([value_of(node, Scope(variables=self.variables)) for node in row])
        columns = []
        for place, name in enumerate(names):
            type_ = self._type_of([row[place] for row in rows], [row[place] for row in values.rows])
            may_be_null = any(row[place].may_be_null for row in rows)
            columns.append(Column(name, type_, may_be_null))
        texts = [
            "("
            + ", ".join(
                as_type(value, one.type, node.at).sql for value, one, node in zip(row, columns, nodes, strict=True)
            )
            + ")"
            for row, nodes in zip(rows, values.rows, strict=True)
        ]
        listed = ", ".join(quoted_name(name) for name in names)
        return f"(VALUES {', '.join(texts)}) AS t{len(self._reaches)}({listed})", columns

    def _type_of(self, values: Sequence[Value], nodes: Sequence[tree.Expression]) -> Type:
        found = values[0].type
        for value, node in zip(values, nodes, strict=True):
            both = common(found, value.type)
            if both is None:
                raise Wrong(node.at, "usql_type", f"a value of {value.type} stands below one of {found}")
            found = both
        if found.name == "null":
            raise Wrong(nodes[0].at, "usql_type", "null alone has no type: (int?) null")
        return found

    def _join(self, before: str, join: tree.Join, is_first: bool) -> str:
        left = list(self._reaches)
        sql = self._source(join.source)
        kind = join.kind
        if kind == "CROSS":
            if join.on is not None:
                raise Wrong(join.on.at, "usql_syntax", "CROSS JOIN has no ON")
            return f"{before} CROSS JOIN {sql}"
        if join.on is None:
            raise Wrong(join.at, "usql_syntax", f"{kind} JOIN needs ON")
        on = "true"
        with self.told.each():
            on = condition(value_of(join.on, self.scope()), join.on.at).sql
        if kind.endswith(("SEMI", "ANTI")):
            return self._half_join(before, sql, on, join, is_first)
        right = self._reaches[-1]
        left = [_or_null(reach) for reach in left] if kind in ("RIGHT", "FULL") else left
        right = _or_null(right) if kind in ("LEFT", "FULL") else right
        self._reaches[:] = [*left, right]
        return f"{before} {kind} JOIN {sql} ON {on}"

    def _half_join(self, before: str, sql: str, on: str, join: tree.Join, is_first: bool) -> str:
        side, kind = join.kind.split()
        if side == "LEFT":
            self._reaches[-1] = replace(self._reaches[-1], name="", columns=())
            return f"{before} {kind} JOIN {sql} ON {on}"
        if not is_first:
            said = f"RIGHT {kind}JOIN behind another join is not here; turn the two sides round"
            raise Wrong(join.at, "usql_not_here", said)
        self._reaches[0] = replace(self._reaches[0], name="", columns=())
        return f"{sql} {kind} JOIN {before} ON {on}"

    def _apply(self, before: str, apply: tree.Apply) -> str:
        name = f"t{len(self._reaches)}"
        columns = [Column(one, UNKNOWN, True) for one in apply.names]
        sql = "SELECT NULL"
        with self.told.each():
            value = value_of(apply.of, self.scope())
            arguments = value.type.arguments
            if not arguments:
                raise Wrong(
                    apply.of.at, "usql_type", f"EXPLODE takes an SQL.ARRAY or an SQL.MAP, not a value of {value.type}"
                )
            if len(arguments) != len(apply.names):
                said = f"EXPLODE of {value.type} gives {len(arguments)} columns, and {len(apply.names)} are named"
                raise Wrong(apply.at, "usql_type", said)
            columns = [
                Column(one, type_.with_null(type_.nullable or apply.outer), type_.may_be_null or apply.outer)
                for one, type_ in zip(apply.names, arguments, strict=True)
            ]
            lists = [value.sql] if len(arguments) == 1 else [f"map_keys({value.sql})", f"map_values({value.sql})"]
            parts = (f"unnest({of}) AS {quoted_name(one)}" for of, one in zip(lists, apply.names, strict=True))
            sql = f"SELECT {', '.join(parts)}"
        self._reaches.append(Reach(apply.alias, name, columns))
        if apply.outer:
            return f"{before} LEFT JOIN LATERAL ({sql}) AS {name} ON true"
        return f"{before} CROSS JOIN LATERAL ({sql}) AS {name}"


def _or_null(reach: Reach) -> Reach:
    """A source for which there may be no row."""
    return replace(reach, columns=[replace(one, type=one.type.with_null(), may_be_null=True) for one in reach.columns])
