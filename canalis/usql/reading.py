"""The text of one statement becomes a tree, by the grammar beside this file. The parser is lark's."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from canalis.usql import tree
from canalis.usql.faults import At, Wrong
from canalis.usql.tree import Expression
from canalis.usql.types import Type

_GRAMMAR = Path(__file__).with_name("grammar.lark")


def read_statement(text: str, at: At) -> tree.Statement:
    """The tree of a statement, without its semicolon, that begins at that place.

    Raises Wrong, with the place at which it cannot be read.
    """
    padded = "\n" * (at.line - 1) + " " * (at.column - 1) + text  # so that the parser counts lines as the script does
    try:
        made: tree.Statement = _Tree().transform(_parser().parse(padded))
    except UnexpectedInput as error:
        raise _syntax_fault(error, padded, at) from None
    return made


@lru_cache(1)
def _parser() -> Lark:
    return Lark(_GRAMMAR.read_text(), parser="lalr", lexer="contextual", propagate_positions=True)


def _syntax_fault(error: UnexpectedInput, text: str, begin: At) -> Wrong:
    if isinstance(error, UnexpectedEOF) or (isinstance(error, UnexpectedToken) and error.token.type == "$END"):
        lines = text.split("\n")
        return Wrong(At(len(lines), len(lines[-1]) + 1), "usql_syntax", "the statement ends too early")
    found = At(error.line, error.column) if error.line > 0 else begin
    if isinstance(error, UnexpectedCharacters):
        rest = text.split("\n")[found.line - 1][found.column - 1 :]
        shown = rest.split()[0][:30] if rest.split() else rest[:1]
    else:
        shown = str(error.token)[:30]  # type: ignore[attr-defined]
    hint = ""
    if shown == "=":
        hint = "; equality is =="
    elif shown.upper() != shown and shown.upper() in _WORDS:
        hint = f"; words of U-SQL are in capitals: {shown.upper()}"
    return Wrong(found, "usql_syntax", f"'{shown}' does not fit here{hint}")


_WORDS = frozenset(
    "SELECT FROM WHERE GROUP BY HAVING ORDER AS ON JOIN INNER LEFT RIGHT FULL OUTER CROSS APPLY UNION EXCEPT INTERSECT "
    "ALL DISTINCT EXTRACT OUTPUT TO USING DECLARE FETCH OFFSET ASC DESC AND OR NOT IN BETWEEN LIKE VALUES "
    "EXPLODE".split()
)


def _at(meta: Any) -> At:
    return At(meta.line, meta.column) if not meta.empty else At(1, 1)


@v_args(meta=True)
class _Expressions(Transformer[Token, Any]):
    """The rules of expressions. Each gets what its parts became, None for an optional one that is not there."""

    def name(self, meta: Any, parts: list[Token]) -> str:
        text = str(parts[0])
        return text[1:-1] if text.startswith("[") else text

    def literal(self, meta: Any, parts: list[Token]) -> Expression:
        return tree.Literal(_at(meta), parts[0].type, str(parts[0]))

    def column_name(self, meta: Any, parts: list[str]) -> Expression:
        return tree.Name(_at(meta), parts[0])

    def variable(self, meta: Any, parts: list[Token]) -> Expression:
        return tree.Variable(_at(meta), str(parts[0]))

    def static_type(self, meta: Any, parts: list[Any]) -> Expression:
        return tree.Member(_at(meta), str(parts[0]), parts[1])

    def parenthesis(self, meta: Any, parts: list[Expression]) -> Expression:
        return parts[0]

    def member(self, meta: Any, parts: list[Any]) -> Expression:
        return tree.Member(_at(meta), parts[0], parts[1])

    def index(self, meta: Any, parts: list[Expression]) -> Expression:
        return tree.Index(_at(meta), parts[0], parts[1])

    def arguments(self, meta: Any, parts: list[Any]) -> tuple[list[Expression], dict[str, Expression]]:
        return [one for one in parts if not isinstance(one, tuple)], dict(
            one for one in parts if isinstance(one, tuple)
        )

    def argument(self, meta: Any, parts: list[Expression]) -> Expression:
        return parts[0]

    def named_argument(self, meta: Any, parts: list[Any]) -> tuple[str, Expression]:
        return parts[0], parts[1]

    def lambda_(self, meta: Any, parts: list[Any]) -> Expression:
        return tree.Lambda(_at(meta), str(parts[0]), parts[1])

    def call(self, meta: Any, parts: list[Any]) -> Expression:
        given, named = parts[1] or ([], {})
        return tree.Call(_at(meta), parts[0], given, named, within=parts[2] or (), over=parts[3])

    def distinct_call(self, meta: Any, parts: list[Any]) -> Expression:
        return tree.Call(_at(meta), parts[0], [parts[2]], distinct=True, over=parts[3])

    def star_call(self, meta: Any, parts: list[Any]) -> Expression:
        return tree.Call(_at(meta), parts[0], star=True, over=parts[2])

    def within(self, meta: Any, parts: list[tree.Sorting]) -> Any:
        return parts[0].keys

    def over(self, meta: Any, parts: list[Any]) -> tree.Over:
        partition, sorting, frame = parts
        return tree.Over(partition or (), sorting.keys if sorting else (), frame or "")

    def partition(self, meta: Any, parts: list[Expression]) -> list[Expression]:
        return parts

    def frame(self, meta: Any, parts: list[Token]) -> str:
        unit = "RANGE" if parts[0].type == "RANGE" else "ROWS"
        bounds = [" ".join(part.split()) for part in parts if part.type == "BOUND"]
        return f"{unit} {bounds[0]}" if len(bounds) == 1 else f"{unit} BETWEEN {bounds[0]} AND {bounds[1]}"

    def sign(self, meta: Any, parts: list[Any]) -> Expression:
        return tree.Sign(_at(meta), str(parts[0]), parts[1])

    def binary(self, meta: Any, parts: list[Any]) -> Expression:
        return tree.Binary(_at(meta), str(parts[1]), parts[0], parts[2])

    def product(self, meta: Any, parts: list[Any]) -> Expression:
        return self.binary(meta, parts)

    def either(self, meta: Any, parts: list[Any]) -> Expression:
        return tree.Binary(_at(meta), "||", parts[0], parts[-1])

    def both(self, meta: Any, parts: list[Any]) -> Expression:
        return tree.Binary(_at(meta), "&&", parts[0], parts[-1])

    def coalesce(self, meta: Any, parts: list[Expression]) -> Expression:
        return tree.Binary(_at(meta), "??", parts[0], parts[1])

    def negated(self, meta: Any, parts: list[Expression]) -> Expression:
        return tree.Sign(_at(meta), "!", parts[0])

    def ternary(self, meta: Any, parts: list[Expression]) -> Expression:
        return tree.Ternary(_at(meta), *parts)

    def cast(self, meta: Any, parts: list[Any]) -> Expression:
        return tree.Cast(_at(meta), parts[0], parts[1])

    def is_null(self, meta: Any, parts: list[Any]) -> Expression:
        return tree.IsNull(_at(meta), parts[0], parts[1] is not None)

    def among(self, meta: Any, parts: list[Any]) -> Expression:
        return tree.Among(_at(meta), parts[0], parts[2:], parts[1] is not None)

    def between(self, meta: Any, parts: list[Any]) -> Expression:
        return tree.Between(_at(meta), parts[0], parts[2], parts[3], parts[1] is not None)

    def like(self, meta: Any, parts: list[Any]) -> Expression:
        return tree.Like(_at(meta), parts[0], parts[2], parts[1] is not None)

    def new(self, meta: Any, parts: list[Any]) -> Expression:
        if len(parts) == 2:
            return tree.New(_at(meta), parts[0], (), parts[1])
        given, _ = parts[1] or ([], {})
        return tree.New(_at(meta), parts[0], given, parts[2])

    def new_array(self, meta: Any, parts: list[Any]) -> Expression:
        inner = parts[0]
        of = Type("SQL.ARRAY", arguments=(inner,)) if inner else None
        return tree.New(_at(meta), of, (), [one for one in parts[1:] if one is not None])

    def initializer(self, meta: Any, parts: list[Any]) -> list[Any]:
        return [one for one in parts if one is not None]

    def element(self, meta: Any, parts: list[Expression]) -> Expression:
        return parts[0]

    def pair(self, meta: Any, parts: list[Expression]) -> tuple[Expression, Expression]:
        return parts[0], parts[1]

    def basic_type(self, meta: Any, parts: list[Any]) -> Type:
        return Type(str(parts[0])).with_null(parts[1] is not None)

    def generic_type(self, meta: Any, parts: list[Any]) -> Type:
        words = [str(part) for part in parts if isinstance(part, Token)]
        name = {"SqlArray": "SQL.ARRAY", "SqlMap": "SQL.MAP"}.get(".".join(words), ".".join(words))
        arguments = tuple(part for part in parts if isinstance(part, Type))
        fits = len(arguments) == {"SQL.ARRAY": 1, "SQL.MAP": 2}.get(name)
        return Type(name, arguments=arguments) if fits else Type(f"{name}<...>")

    def unknown_type(self, meta: Any, parts: list[Any]) -> Type:
        return Type(".".join(str(part) for part in parts if part is not None and part.type == "NAME"))


@v_args(meta=True)
class _Tree(_Expressions):
    """The rules of rowsets and statements."""

    def start(self, meta: Any, parts: list[Any]) -> Any:
        return parts[0]

    def declare(self, meta: Any, parts: list[Any]) -> tree.Declare:
        name, kind, value = parts[-3:]
        return tree.Declare(_at(meta), str(name), kind, value)

    def assign(self, meta: Any, parts: list[Any]) -> tree.Assign:
        return tree.Assign(_at(meta), str(parts[0]), parts[1])

    def output(self, meta: Any, parts: list[Any]) -> tree.Write:
        name, path, sorting, using = parts
        return tree.Write(_at(meta), tree.RowsetName(_at_token(name), str(name)), path, sorting, using)

    def extract(self, meta: Any, parts: list[Any]) -> tree.Extract:
        *columns, paths, using = parts
        return tree.Extract(_at(meta), columns, paths, using)

    def paths(self, meta: Any, parts: list[Expression]) -> list[Expression]:
        return parts

    def column(self, meta: Any, parts: list[Any]) -> tuple[str, Type, At]:
        return parts[0], parts[1], _at(meta)

    def set_operation(self, meta: Any, parts: list[Any]) -> tree.SetOperation:
        left, sign, many, by_name, right = parts
        outer = sign.type == "OUTER_UNION"
        return tree.SetOperation(
            _at_token(sign), "UNION" if outer else str(sign), many == "ALL", left, right, by_name, outer
        )

    def intersection(self, meta: Any, parts: list[Any]) -> tree.SetOperation:
        return self.set_operation(meta, parts)

    def by_name(self, meta: Any, parts: list[Any]) -> list[str]:
        return [part for part in parts if isinstance(part, str) and not isinstance(part, Token)]

    def rowset_name(self, meta: Any, parts: list[Token]) -> tree.RowsetName:
        return tree.RowsetName(_at(meta), str(parts[0]))

    def select(self, meta: Any, parts: list[Any]) -> tree.Select:
        distinct, items, (source, *joins), where, (groups, having), sorting = parts
        return tree.Select(_at(meta), distinct is not None, items, source, joins, where, groups or (), having, sorting)

    def grouping(self, meta: Any, parts: list[Any]) -> list[Any]:
        return parts

    def items(self, meta: Any, parts: list[tree.Item]) -> list[tree.Item]:
        return parts

    def all_columns(self, meta: Any, parts: list[Any]) -> tree.Item:
        return tree.Item(_at(meta), None)

    def columns_of(self, meta: Any, parts: list[Token]) -> tree.Item:
        return tree.Item(_at(meta), None, alias=parts[0].partition(".")[0].strip())

    def item(self, meta: Any, parts: list[Any]) -> tree.Item:
        return tree.Item(_at(meta), parts[0], parts[1] or "")

    def where(self, meta: Any, parts: list[Expression]) -> Expression:
        return parts[0]

    def having(self, meta: Any, parts: list[Expression]) -> Expression:
        return parts[0]

    def group(self, meta: Any, parts: list[Any]) -> list[Any]:
        return parts

    def group_key(self, meta: Any, parts: list[Any]) -> tuple[Expression, str]:
        return parts[0], parts[1] or ""

    def order(self, meta: Any, parts: list[Any]) -> tree.Sorting:
        return tree.Sorting(_at(meta), *parts)

    def order_keys(self, meta: Any, parts: list[tree.Order]) -> list[tree.Order]:
        return parts

    def order_key(self, meta: Any, parts: list[Any]) -> tree.Order:
        return tree.Order(parts[0], parts[1] == "DESC")

    def offset(self, meta: Any, parts: list[Expression]) -> Expression:
        return parts[0]

    def fetch(self, meta: Any, parts: list[Expression]) -> Expression:
        return parts[0]

    def sources(self, meta: Any, parts: list[Any]) -> list[Any]:
        return parts

    def named_source(self, meta: Any, parts: list[Any]) -> tree.Source:
        return tree.Source(_at(meta), tree.RowsetName(_at(meta), str(parts[0])), parts[1] or str(parts[0])[1:])

    def derived_source(self, meta: Any, parts: list[Any]) -> tree.Source:
        return tree.Source(_at(meta), parts[0], parts[1], parts[2] or ())

    def values_source(self, meta: Any, parts: list[Any]) -> tree.Source:
        *rows, alias, names = parts
        return tree.Source(_at(meta), tree.Values(_at(meta), rows), alias, names)

    def catalog_source(self, meta: Any, parts: list[Any]) -> tree.Source:
        words = ".".join(str(part) for part in parts[:-2] if isinstance(part, str))
        return tree.Source(_at(meta), tree.Catalog(_at(meta), words), parts[-1] or words.rpartition(".")[2])

    def names(self, meta: Any, parts: list[str]) -> list[str]:
        return parts

    def row(self, meta: Any, parts: list[Expression]) -> list[Expression]:
        return parts

    def join(self, meta: Any, parts: list[Any]) -> tree.Join:
        kind = str(parts[0] or "INNER").split()[0]
        return tree.Join(_at(meta), kind, parts[1], parts[2])

    def half_join(self, meta: Any, parts: list[Any]) -> tree.Join:
        words = str(parts[0]).replace("JOIN", " ").split()
        side = words[0] if words[0] in ("LEFT", "RIGHT") else "LEFT"
        return tree.Join(_at(meta), f"{side} {'ANTI' if 'ANTISEMI' in words else 'SEMI'}", parts[1], parts[2])

    def apply(self, meta: Any, parts: list[Any]) -> tree.Apply:
        kind, of, alias, names = parts
        return tree.Apply(_at(meta), kind.type == "OUTER_APPLY", of, alias, names)


def _at_token(token: Token) -> At:
    return At(token.line or 1, token.column or 1)


setattr(_Tree, "lambda", _Tree.lambda_)  # the name of a rule, which is a word of Python
