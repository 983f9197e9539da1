"""Expressions of C#, as SQL of DuckDB with C#'s types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from canalis.usql import calls, operators, tree
from canalis.usql.aggregates import AGGREGATES, aggregate, name_of, window
from canalis.usql.faults import Wrong
from canalis.usql.literals import literal
from canalis.usql.members import CLASSES
from canalis.usql.scopes import Scope
from canalis.usql.tree import Expression
from canalis.usql.types import BOOL, DATETIME, INT, STRING, Type, array_of
from canalis.usql.values import Value, as_type, condition, made, yes_or_no


@dataclass(frozen=True, slots=True)
class Grouping:
    """What a SELECT with aggregates is grouped by.

    keys       SQL of each key, with its value
    has_rows   whether each group has a row: not so without GROUP BY
    """

    keys: dict[str, Value]
    has_rows: bool


def value_of(node: Expression, scope: Scope, grouping: Grouping | None = None) -> Value:
    """The value of an expression. Raises Wrong for the first thing in it that is not right.

    grouping   None where aggregates cannot be
    """
    return _Reader(scope, grouping).value(node)


def has_aggregate(node: Expression | None) -> bool:
    """Whether an aggregate without a window stands in an expression."""
    if node is None:
        return False
    if isinstance(node, tree.Call) and name_of(node) in AGGREGATES and node.over is None:
        return True
    return any(has_aggregate(part) for part in _parts(node))


def order_by(keys: Sequence[tuple[Value, bool]]) -> str:
    """ORDER BY of SQL: null comes before all else, as in U-SQL."""
    return ", ".join(f"{value.sql} {'DESC NULLS LAST' if down else 'ASC NULLS FIRST'}" for value, down in keys)


class _Reader:
    """Reads one expression. grouping: None where there is none, and within the values of an aggregate."""

    def __init__(self, scope: Scope, grouping: Grouping | None) -> None:
        self._scope = scope
        self._grouping = grouping

    def value(self, node: Expression) -> Value:
        if self._grouping is not None and not isinstance(node, (tree.Literal, tree.Variable)):
            found = self._key(node)
            if found is not None:
                return found
        return _READ[type(node)](self, node)

    def _key(self, node: Expression) -> Value | None:
        """The key of the group that an expression says again."""
        assert self._grouping is not None
        if has_aggregate(node):
            return None
        try:
            plain = _Reader(self._scope, None).value(node)
        except Wrong:
            return None
        return self._grouping.keys.get(plain.sql)

    def name(self, node: tree.Name) -> Value:
        found = self._scope.value(node.text, node.at)
        if self._grouping is not None and node.text not in self._scope.names:
            raise Wrong(
                node.at, "usql_type", f"'{node.text}' is neither in GROUP BY nor in an aggregate: which row's is it?"
            )
        return found

    def member(self, node: tree.Member) -> Value:
        if isinstance(node.of, str):
            return calls.static_member(node.of, node.name, node.at)
        if isinstance(node.of, tree.Name) and (source := self._scope.source(node.of.text)):
            found = self._scope.column_of(source, node.name, node.at)
            if self._grouping is not None:
                said = f"'{node.of.text}.{node.name}' is neither in GROUP BY nor in an aggregate: which row's is it?"
                raise Wrong(node.at, "usql_type", said)
            return found
        owner = self._class(node.of)
        if owner:
            return calls.static_member(owner, node.name, node.at)
        return calls.member(self.value(node.of), node.name, node.at)

    def _class(self, node: Expression) -> str:
        """The class that a name, or names with dots, stand for; "" for a value."""
        words: list[str] = []
        part: Expression | str = node
        while isinstance(part, tree.Member):
            words.insert(0, part.name)
            part = part.of
        if not isinstance(part, tree.Name) or self._scope.has(part.text) or self._scope.source(part.text):
            return ""
        owner = ".".join([part.text, *words])
        if owner in CLASSES:
            return CLASSES[owner]
        if owner.startswith("System."):
            owner = owner.rpartition(".")[2]
        return CLASSES.get(owner, owner) if not words or owner != part.text else ""

    def call(self, node: tree.Call) -> Value:
        name = name_of(node)
        if name:
            return self._aggregate(node, name)
        if node.star or node.distinct or node.within or node.over:
            raise Wrong(node.at, "usql_unknown", "only aggregates and window functions can be called so")
        if node.named:
            raise Wrong(node.at, "usql_not_here", "values by their names are for extractors and outputters here")
        if isinstance(node.function, tree.Name):
            said = f"there is no function '{node.function.text}' here; code-behind and assemblies cannot run here"
            raise Wrong(node.at, "usql_unknown", said)
        if not isinstance(node.function, tree.Member):
            raise Wrong(node.at, "usql_unknown", "this cannot be called")
        of, method = node.function.of, node.function.name
        owner = of if isinstance(of, str) else self._class(of)
        if owner:
            return calls.static_call(owner, method, [self.value(given) for given in node.arguments], node.at)
        assert not isinstance(of, str)
        value = self.value(of)
        if len(node.arguments) == 1 and isinstance(node.arguments[0], tree.Lambda):
            return self._with_lambda(value, method, node.arguments[0])
        return calls.method(value, method, [self.value(given) for given in node.arguments], node.at)

    def _aggregate(self, node: tree.Call, name: str) -> Value:
        if node.over is None and name in AGGREGATES:
            if self._grouping is None:
                raise Wrong(node.at, "usql_type", f"{name} can stand in SELECT and HAVING, and not within an aggregate")
            inner = _Reader(self._scope, None)
            given = [inner.value(one) for one in node.arguments]
            return aggregate(node, given, "", self._grouping.has_rows)
        given = [self.value(one) for one in node.arguments]
        over = self._over(node.over) if node.over else ""
        if name in AGGREGATES:
            return aggregate(node, given, over, grouped=True)
        return window(node, given, [self.value(one.key) for one in node.within], over)

    def _over(self, over: tree.Over) -> str:
        words = []
        if over.partition:
            words.append("PARTITION BY " + ", ".join(self.value(key).sql for key in over.partition))
        if over.order:
            words.append("ORDER BY " + order_by([(self.value(one.key), one.descending) for one in over.order]))
        if over.frame:
            words.append(over.frame)
        return f" OVER ({' '.join(words)})"

    def _with_lambda(self, of: Value, method: str, given: tree.Lambda) -> Value:
        if of.type.name != "SQL.ARRAY" or method not in ("Where", "Select", "Any", "All", "Count"):
            raise Wrong(
                given.at,
                "usql_not_here",
                f"{method} with a lambda is not here (there are: All, Any, Count, Select, Where)",
            )
        inner = of.type.arguments[0]
        name = f"part{len(self._scope.names)}"
        scope = self._scope.within(given.parameter, Value(name, inner, inner.may_be_null))
        body = _Reader(scope, self._grouping).value(given.body)
        if method == "Select":
            return made(
                f"list_transform({of.sql}, lambda {name}: {body.sql})", array_of(body.type), of, fails=body.may_fail
            )
        body = condition(body, given.at)
        kept = f"list_filter({of.sql}, lambda {name}: {body.sql})"
        if method == "Where":
            return made(kept, of.type, of, fails=body.may_fail)
        if method == "Count":
            return made(f"CAST(len({kept}) AS INTEGER)", INT, of, fails=body.may_fail)
        sign = "> 0" if method == "Any" else f"= len({of.sql})"
        return made(f"(len({kept}) {sign})", BOOL, of, fails=body.may_fail)

    def new(self, node: tree.New) -> Value:
        given = [self.value(one) for one in node.arguments]
        type_ = node.type
        if type_ is not None and type_.name == "DateTime" and len(given) in (3, 6) and node.elements is None:
            words = [as_type(one, INT, node.at).sql for one in given] + ["0"] * (6 - len(given))
            return made(f"make_timestamp({', '.join(words)})", DATETIME, *given, fails=True)
        if type_ is not None and type_.name == "SQL.MAP" and not given:
            return self._map(type_, node)
        if type_ is None or type_.name == "SQL.ARRAY":
            return self._array(type_, given, node)
        hint = "; code-behind and assemblies cannot run here" if not type_.is_known else ""
        raise Wrong(node.at, "usql_not_here", f"new {type_}(...) is not here{hint}")

    def _array(self, type_: Type | None, given: Sequence[Value], node: tree.New) -> Value:
        if len(given) == 1 and node.elements is None and type_ is not None:
            return as_type(given[0], type_, node.at)
        if any(isinstance(one, tuple) for one in node.elements or ()) or given:
            raise Wrong(node.at, "usql_type", "an array is made of {a, b, ...}, or of one list")
        values = [self.value(one) for one in node.elements or () if isinstance(one, Expression)]
        if type_ is None and not values:
            raise Wrong(node.at, "usql_type", "an array without elements must say its type: new string[] {}")
        type_ = type_ or array_of(values[0].type)
        values = [as_type(one, type_.arguments[0].with_null(), node.at) for one in values]
        signs = [one.constant for one in values]
        joined = "".join(map(str, signs)) if type_.arguments[0].name == "char" and None not in signs else None
        sql = f"CAST([{', '.join(one.sql for one in values)}] AS {type_.sql})"
        return replace(made(sql, type_, *values, null=False), constant=joined)

    def _map(self, type_: Type, node: tree.New) -> Value:
        pairs = [one for one in node.elements or () if isinstance(one, tuple)]
        if len(pairs) != len(node.elements or ()):
            raise Wrong(node.at, "usql_type", "a map is made of {{key, value}, {key, value}, ...}")
        keys = [as_type(self.value(key), type_.arguments[0], node.at) for key, _ in pairs]
        values = [as_type(self.value(value), type_.arguments[1], node.at) for _, value in pairs]
        lists = ", ".join(f"[{', '.join(one.sql for one in side)}]" for side in (keys, values))
        return made(f"CAST(map({lists}) AS {type_.sql})", type_, *keys, *values, null=False)

    def is_null(self, node: tree.IsNull) -> Value:
        of = self.value(node.of)
        return yes_or_no(f"({of.sql} IS {'NOT ' if node.negated else ''}NULL)", of)

    def among(self, node: tree.Among) -> Value:
        of = self.value(node.of)
        if len(node.listed) == 1 and isinstance(node.listed[0], tree.Variable):
            listed = self.value(node.listed[0])
            if listed.type.name == "SQL.ARRAY":
                found = yes_or_no(f"coalesce(list_contains({listed.sql}, {of.sql}), false)", of, listed)
                return operators.negated(found, node.at) if node.negated else found
        found = operators.binary("==", of, self.value(node.listed[0]), node.at)
        for one in node.listed[1:]:
            found = operators.binary("||", found, operators.binary("==", of, self.value(one), node.at), node.at)
        return operators.negated(found, node.at) if node.negated else found

    def between(self, node: tree.Between) -> Value:
        of, low, high = self.value(node.of), self.value(node.low), self.value(node.high)
        above, below = operators.binary(">=", of, low, node.at), operators.binary("<=", of, high, node.at)
        found = operators.binary("&&", above, below, node.at)
        return operators.negated(found, node.at) if node.negated else found

    def like(self, node: tree.Like) -> Value:
        of, pattern = as_type(self.value(node.of), STRING, node.at), as_type(self.value(node.pattern), STRING, node.at)
        found = yes_or_no(f"coalesce({of.sql} LIKE {pattern.sql}, false)", of, pattern)
        return operators.negated(found, node.at) if node.negated else found

    def sign(self, node: tree.Sign) -> Value:
        of = self.value(node.of)
        return operators.negated(of, node.at) if node.sign == "!" else operators.signed(node.sign, of, node.at)

    def lambda_(self, node: tree.Lambda) -> Value:
        raise Wrong(node.at, "usql_not_here", "a lambda can only be given to All, Any, Count, Select and Where here")

    def ternary(self, node: tree.Ternary) -> Value:
        asked, yes, no = map(self.value, (node.condition, node.yes, node.no))
        return operators.ternary(asked, yes, no, node.at)

    def binary(self, node: tree.Binary) -> Value:
        return operators.binary(node.sign, self.value(node.left), self.value(node.right), node.at)


_READ: dict[type[Expression], Callable[[_Reader, Any], Value]] = {
    tree.Literal: lambda reader, node: literal(node),
    tree.Variable: lambda reader, node: reader._scope.variable(node.text, node.at),
    tree.Name: _Reader.name,
    tree.Member: _Reader.member,
    tree.Call: _Reader.call,
    tree.Index: lambda reader, node: calls.element(reader.value(node.of), reader.value(node.index), node.at),
    tree.Sign: _Reader.sign,
    tree.Binary: _Reader.binary,
    tree.Ternary: _Reader.ternary,
    tree.Cast: lambda reader, node: operators.cast(reader.value(node.of), node.type, node.at),
    tree.New: _Reader.new,
    tree.IsNull: _Reader.is_null,
    tree.Among: _Reader.among,
    tree.Between: _Reader.between,
    tree.Like: _Reader.like,
    tree.Lambda: _Reader.lambda_,
}


def _parts(node: Expression) -> list[Expression]:
    found: list[Expression] = []
    for name in node.__dataclass_fields__:
        part = getattr(node, name)
        for one in part if isinstance(part, (list, tuple)) else (part,):
            found += [one] if isinstance(one, Expression) else []
            found += [inner for inner in one if isinstance(inner, Expression)] if isinstance(one, tuple) else []
    return found
