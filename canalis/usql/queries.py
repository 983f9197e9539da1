"""Queries: SELECT, joins and set operations, as SQL of DuckDB with the columns that come out of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from canalis.usql import tree
from canalis.usql.expressions import Grouping, has_aggregate, order_by, value_of
from canalis.usql.faults import At, Silenced, Told, Wrong
from canalis.usql.scopes import Reach, Scope
from canalis.usql.sources import Rowset, Sources
from canalis.usql.types import UNKNOWN, common
from canalis.usql.values import Column, Value, condition, quoted_name


@dataclass(frozen=True, slots=True)
class Known:
    """What a query can name.

    rowsets     those assigned before, by name with its @; None for one that is at fault
    variables   scalar variables, with their @
    """

    rowsets: Mapping[str, Rowset | None]
    variables: Mapping[str, Value]


def rowset_of(query: tree.Query, known: Known, told: Told) -> Rowset:
    """What a query gives. Faults of its parts are told; raises Wrong when not even its columns can be said."""
    if isinstance(query, tree.RowsetName):
        return named(query, known)
    if isinstance(query, tree.SetOperation):
        return _combined(query, known, told)
    return _Selected(query, known, told).rowset()


def named(name: tree.RowsetName, known: Known) -> Rowset:
    """A rowset that was assigned before. Raises Wrong when it was not."""
    if name.text not in known.rowsets:
        there = ", ".join(sorted(known.rowsets)) or "none"
        raise Wrong(name.at, "usql_unknown", f"the rowset {name.text} is not assigned before (there are: {there})")
    found = known.rowsets[name.text]
    if found is None:
        raise Silenced(name.at)
    return found


def sorted_by(sorting: tree.Sorting, keys: Sequence[tuple[Value, bool]], scope: Scope) -> str:
    """ORDER BY, LIMIT and OFFSET of SQL. Raises Wrong for a number of rows that is not written out."""
    sql = f" ORDER BY {order_by(keys)}"
    for word, node in (("LIMIT", sorting.fetch), ("OFFSET", sorting.offset)):
        if node is not None:
            count = value_of(node, scope)
            if not isinstance(count.constant, int) or isinstance(count.constant, bool) or count.constant < 0:
                raise Wrong(
                    node.at, "usql_type", "the number of rows must be a whole number, or a variable that is one"
                )
            sql += f" {word} {count.constant}"
    return sql


class _Selected:
    """One SELECT while its clauses are read, each in turn: FROM, WHERE, GROUP BY, SELECT, HAVING, ORDER BY."""

    def __init__(self, query: tree.Select, known: Known, told: Told) -> None:
        self._query = query
        self._known = known
        self._told = told
        self._sources = Sources(known.variables, lambda inner: rowset_of(inner, known, told), told)

    def rowset(self) -> Rowset:
        query = self._query
        from_ = self._sources.read(query.source, query.joins)
        scope = self._sources.scope()
        where = self._clause("WHERE", query.where, scope, None)
        grouping, keys, scope = self._grouping(scope)
        columns: list[Column] = []
        values: list[str] = []
        for item in query.items:
            with self._told.each():
                for name, value in self._item(item, scope, grouping):
                    self._add(columns, values, name, value, item.at)
        having = self._clause("HAVING", query.having, scope, grouping)
        order = ""
        if query.sorting is not None:
            with self._told.each():
                order = self._order(query.sorting, columns, scope, grouping)
        listed = ", ".join(f"{sql} AS {quoted_name(one.name)}" for sql, one in zip(values, columns, strict=True))
        group = f" GROUP BY {', '.join(keys)}" if keys else ""
        distinct = "DISTINCT " if query.distinct else ""
        return Rowset(f"SELECT {distinct}{listed or 'NULL'} FROM {from_}{where}{group}{having}{order}", columns)

    def _clause(self, word: str, node: tree.Expression | None, scope: Scope, grouping: Grouping | None) -> str:
        if node is None:
            return ""
        with self._told.each():
            if word == "HAVING" and grouping is None:
                raise Wrong(node.at, "usql_type", "HAVING needs GROUP BY or an aggregate")
            return f" {word} {condition(value_of(node, scope, grouping), node.at).sql}"
        return ""

    def _grouping(self, scope: Scope) -> tuple[Grouping | None, list[str], Scope]:
        """What the rows are grouped by, its keys as SQL, and the scope in which keys have their names."""
        query = self._query
        keys: dict[str, Value] = {}
        for node, name in query.groups:
            with self._told.each():
                value = value_of(node, scope)
                keys[value.sql] = value
                scope = scope.within(name, value) if name else scope
        aggregated = any(has_aggregate(item.of) for item in query.items) or has_aggregate(query.having)
        if not query.groups and not aggregated:
            return None, [], scope
        return Grouping(keys, has_rows=bool(query.groups)), list(keys), scope

    def _item(self, item: tree.Item, scope: Scope, grouping: Grouping | None) -> list[tuple[str, Value]]:
        if item.of is None:
            if grouping is not None:
                raise Wrong(item.at, "usql_type", "* cannot stand beside GROUP BY and aggregates: which row's is it?")
            reaches: Sequence[Reach] = scope.sources
            if item.alias:
                source = scope.source(item.alias)
                if source is None:
                    raise Wrong(item.at, "usql_unknown", f"there is no source '{item.alias}' in FROM")
                reaches = [source]
            return [
                (one.name, Value(f"{reach.sql}.{quoted_name(one.name)}", one.type, one.may_be_null))
                for reach in reaches
                for one in reach.columns
            ]
        name = item.name or _own_name(item.of, scope)
        if not name:
            value_of(item.of, scope, grouping)
            raise Wrong(item.at, "usql_syntax", "a column that is calculated needs a name: ... AS name")
        with self._told.each():
            return [(name, _kept(value_of(item.of, scope, grouping), item.of.at))]
        return [(name, Value("NULL", UNKNOWN, True))]  # so that what reads it is not at fault as well

    def _add(self, columns: list[Column], values: list[str], name: str, value: Value, at: At) -> None:
        if any(one.name == name for one in columns):
            raise Wrong(at, "usql_twice", f"two columns are named '{name}': give one another name with AS")
        columns.append(Column(name, value.type, value.may_be_null))
        values.append(value.sql)

    def _order(self, sorting: tree.Sorting, columns: list[Column], scope: Scope, grouping: Grouping | None) -> str:
        if sorting.fetch is None and sorting.offset is None:
            said = "ORDER BY in a SELECT needs FETCH, since rowsets have no order; OUTPUT ... ORDER BY sorts a file"
            raise Wrong(sorting.at, "usql_syntax", said)
        keys = []
        names = [one.name for one in columns]
        for one in sorting.keys:
            if isinstance(one.key, tree.Name) and one.key.text in names:
                place = names.index(one.key.text)
                value = Value(str(place + 1), columns[place].type, columns[place].may_be_null)
            elif self._query.distinct:
                raise Wrong(one.key.at, "usql_type", "with DISTINCT rows are sorted by the columns of SELECT alone")
            else:
                value = value_of(one.key, scope, grouping)
            keys.append((value, one.descending))
        return sorted_by(sorting, keys, scope)


def _own_name(node: tree.Expression, scope: Scope) -> str:
    """The name that a column without AS keeps; "" for what is calculated."""
    if isinstance(node, tree.Name):
        return node.text
    if isinstance(node, tree.Member) and isinstance(node.of, tree.Name) and scope.source(node.of.text):
        return node.name
    return ""


def _kept(value: Value, at: At) -> Value:
    """A value that a column can hold."""
    if value.type.is_known and value.type.name not in ("TimeSpan", "DayOfWeek", "null"):
        return value
    hints = {
        "null": "say of what type it is: (int?) null",
        "TimeSpan": ".TotalDays, .TotalSeconds and so on make it a number",
        "DayOfWeek": "(int) x and .ToString() make it a column",
    }
    hint = hints.get(value.type.name, "")
    raise Wrong(at, "usql_type", f"a column cannot be of {value.type}{'; ' if hint else ''}{hint}")


# Set operations ------------------------------------------------------------------------------------------------


def _combined(query: tree.SetOperation, known: Known, told: Told) -> Rowset:
    left, right = rowset_of(query.left, known, told), rowset_of(query.right, known, told)
    if any(one.type == UNKNOWN for one in (*left.columns, *right.columns)):
        raise Silenced(query.at)
    if query.by_name is None:
        if len(left.columns) != len(right.columns):
            counts = f"{len(left.columns)} and {len(right.columns)}"
            said = f"{query.sign} needs the same columns on both sides: there are {counts}"
            raise Wrong(query.at, "usql_type", said)
        pairs: list[tuple[Column | None, Column | None]] = list(zip(left.columns, right.columns, strict=True))
    else:
        pairs = _pairs_by_name(query, left, right)
    columns = [_of_pair(one, other, query) for one, other in pairs]
    sides = []
    for side, which in ((left, 0), (right, 1)):
        words = [
            f"CAST({quoted_name(pair[which].name) if pair[which] else 'NULL'} AS {column.type.sql}) "  # type: ignore[union-attr]
            f"AS {quoted_name(column.name)}"
            for pair, column in zip(pairs, columns, strict=True)
        ]
        sides.append(f"(SELECT {', '.join(words)} FROM ({side.sql}))")
    return Rowset(f"{sides[0]} {query.sign}{' ALL' if query.all else ''} {sides[1]}", columns)


def _pairs_by_name(query: tree.SetOperation, left: Rowset, right: Rowset) -> list[tuple[Column | None, Column | None]]:
    sides = [{one.name: one for one in side.columns} for side in (left, right)]
    names = list(query.by_name or dict.fromkeys([*sides[0], *sides[1]]))
    alone = [name for name in names if not query.outer and not (name in sides[0] and name in sides[1])]
    unknown = [name for name in names if name not in sides[0] and name not in sides[1]]
    if alone or unknown:
        said = f"column '{(alone or unknown)[0]}' is not on both sides; OUTER UNION takes null where there is none"
        raise Wrong(query.at, "usql_unknown", said)
    return [(sides[0].get(name), sides[1].get(name)) for name in names]


def _of_pair(one: Column | None, other: Column | None, query: tree.SetOperation) -> Column:
    if one is None or other is None:
        alone = one or other
        assert alone is not None
        return Column(alone.name, alone.type.with_null(), True)
    type_ = common(one.type, other.type)
    if type_ is None:
        said = f"column '{one.name}' is of {one.type} on one side of {query.sign}, and of {other.type} on the other"
        raise Wrong(query.at, "usql_type", said)
    return replace(one, type=type_, may_be_null=one.may_be_null or other.may_be_null)
