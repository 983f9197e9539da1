"""Members of values and classes, and calls of them: `x.Year`, `s.Substring(1)`, `Math.Round(x, 2)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from canalis.usql.faults import At, Wrong
from canalis.usql.formats import composed, date_format, formatted
from canalis.usql.members import CLASSES, INSTANCE, STATIC, Signature
from canalis.usql.operators import binary, cast
from canalis.usql.types import BOOL, DATETIME, INT, INTEGERS, STRING, Type, array_of, common
from canalis.usql.values import Value, as_type, made, quoted, text_of, yes_or_no

_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_PARSED = (*INTEGERS, "float", "double", "decimal", "bool", "DateTime", "char", "Guid")
_CONVERTED = {
    "ToInt16": "short",
    "ToInt32": "int",
    "ToInt64": "long",
    "ToByte": "byte",
    "ToSingle": "float",
    "ToDouble": "double",
    "ToDecimal": "decimal",
    "ToBoolean": "bool",
    "ToDateTime": "DateTime",
    "ToChar": "char",
    "ToString": "string",
}
# Options of calls: what they are worth where they are known.
_IGNORE_CASE = ("StringComparison.OrdinalIgnoreCase", "StringComparison.InvariantCultureIgnoreCase")
_CASE = ("StringComparison.CurrentCultureIgnoreCase", "RegexOptions.IgnoreCase")
_NO_EMPTY = "StringSplitOptions.RemoveEmptyEntries"
_AWAY = "MidpointRounding.AwayFromZero"
_OPTION_CLASSES = ("StringComparison", "StringSplitOptions", "CultureInfo", "MidpointRounding", "RegexOptions")
_WITHOUT_EFFECT = (
    "CultureInfo.",
    "StringComparison.",
    "StringSplitOptions.None",
    "RegexOptions.None",
    "MidpointRounding.ToEven",
)


def static_member(owner: str, name: str, at: At) -> Value:
    """A property of a class, or an option. Raises Wrong when there is none."""
    if owner == "DayOfWeek" and name in _DAYS:
        return Value(str(_DAYS.index(name)), Type("DayOfWeek"), False)
    if owner in _OPTION_CLASSES:
        return Value("NULL", Type("option"), False, constant=f"{owner}.{name}")
    for signature in STATIC.get((CLASSES.get(owner, owner), name), []):
        if signature.arguments is None:
            constant = "" if (owner, name) == ("string", "Empty") else None
            type_ = Type(signature.result)
            return Value(f"CAST({signature.sql} AS {type_.sql})", type_, False, constant=constant)
    there = _members_of(CLASSES.get(owner, owner), STATIC) or f"; '{owner}' is no source, no column and no class here"
    raise Wrong(at, "usql_unknown", f"there is no {owner}.{name} here{there}")


def static_call(owner: str, name: str, given: Sequence[Value], at: At) -> Value:
    """A call of a static method. Raises Wrong when there is none, or its values do not fit."""
    owner = CLASSES.get(owner, owner)
    plain, options = _parted(given)
    if name == "Parse" and owner in _PARSED and len(plain) == 1:
        return _parsed(owner, plain[0], at)
    if (owner, name) == ("DateTime", "ParseExact") and len(plain) >= 2:
        form = _constant(plain[1], "the format of ParseExact", at)
        text = as_type(plain[0], STRING, at)
        sql = f"cs_parse_DateTime_as({text.sql}, {quoted(date_format(form, at))}, {_where(at)})"
        return made(sql, DATETIME, text, fails=True)
    if owner == "Convert" and name in _CONVERTED and len(plain) == 1:
        return _converted(_CONVERTED[name], plain[0], at)
    if owner == "string" and name in _OF_TEXTS:
        return _OF_TEXTS[name](plain, at)
    if (owner, name) == ("string", "Equals") and len(plain) == 2:
        one, other = _same_case([as_type(value, STRING, at) for value in plain], options)
        return binary("==", one, other, at)
    if (owner, name) == ("Math", "Round") and _AWAY in options:
        value = static_call(owner, name, plain, at)
        away = value.sql.replace("cs_round(", "cs_round_away(", 1)
        return replace(value, sql=away if away != value.sql else value.sql.replace("round_even(", "round(", 1))
    if owner == "Regex" and name in ("IsMatch", "Replace") and _CASE[1] in options:
        pattern = as_type(plain[1], STRING, at)
        plain = [plain[0], replace(pattern, sql=f"concat('(?i)', {pattern.sql})"), *plain[2:]]
        options = options - {_CASE[1]}
    elif (owner, name) == ("string", "Compare"):
        plain = _same_case([as_type(value, STRING, at) for value in plain], options)
        options -= {*_IGNORE_CASE, *_CASE}
    _refuse(options, f"{owner}.{name}", at)
    signatures = [one for one in STATIC.get((owner, name), []) if one.arguments is not None]
    if not signatures:
        hint = _members_of(owner, STATIC) or "; code-behind and assemblies cannot run here: say it in expressions"
        raise Wrong(at, "usql_unknown", f"there is no {owner}.{name}(...) here{hint}")
    return _applied(f"{owner}.{name}", signatures, None, plain, at)


def member(of: Value, name: str, at: At) -> Value:
    """A property of a value. Raises Wrong when it has none of that name."""
    if name == "HasValue" and of.type.nullable:
        return yes_or_no(f"({of.sql} IS NOT NULL)", of)
    if name == "Value" and of.type.nullable:
        return replace(of, type=of.type.with_null(False))
    for signature in INSTANCE.get((of.type.name, name), []):
        if signature.arguments is None:
            return _of_signature(signature, of.type, [of])
    raise Wrong(
        at, "usql_unknown", f"a value of {of.type} has no member '{name}' here{_members_of(of.type.name, INSTANCE)}"
    )


def method(of: Value, name: str, given: Sequence[Value], at: At) -> Value:
    """A call of a method of a value. Raises Wrong when it has none of that name, or its values do not fit."""
    plain, options = _parted(given)
    if name == "ToString":
        if not plain:
            return text_of(of, at)
        return formatted(of, _constant(plain[0], "the format of ToString", at), at)
    if name == "Equals" and len(plain) == 1:
        one, other = _same_case([of, plain[0]], options)
        return binary("==", one, other, at)
    if name == "GetValueOrDefault" and of.type.nullable and (plain or of.type.is_number or of.type.name == "bool"):
        default = Value("false" if of.type.name == "bool" else "0", of.type.with_null(False), False)
        return binary("??", of, plain[0] if plain else default, at)
    if of.type.name == "string" and name == "Split":
        return _split(of, plain, _NO_EMPTY in options, at)
    if of.type.name == "string" and name in ("StartsWith", "EndsWith", "IndexOf", "Contains", "LastIndexOf"):
        of, *plain = _same_case([of, *(as_type(value, STRING, at) for value in plain)], options)
        options -= {*_IGNORE_CASE, *_CASE}
    _refuse(options, name, at)
    signatures = [one for one in INSTANCE.get((of.type.name, name), []) if one.arguments is not None]
    if not signatures:
        raise Wrong(
            at, "usql_unknown", f"a value of {of.type} has no {name}(...) here{_members_of(of.type.name, INSTANCE)}"
        )
    return _applied(name, signatures, of, plain, at)


def element(of: Value, index: Value, at: At) -> Value:
    """The value of of[index]. Raises Wrong for what has no elements."""
    if of.type == STRING:
        place = as_type(index, INT, at)
        return made(f"cs_sign({of.sql}, {place.sql})", Type("char"), of, place, fails=True)
    if of.type.name == "SQL.ARRAY":
        place, inner = as_type(index, INT, at), of.type.arguments[0]
        null = of.may_be_null or inner.may_be_null
        return made(f"cs_element({of.sql}, {place.sql})", inner, of, place, fails=True, null=null)
    if of.type.name == "SQL.MAP":
        key, inner = as_type(index, of.type.arguments[0], at), of.type.arguments[1]
        return made(f"map_extract_value({of.sql}, {key.sql})", inner, of, key, null=True)
    raise Wrong(at, "usql_type", f"a value of {of.type} has no elements")


def _applied(name: str, signatures: Sequence[Signature], of: Value | None, given: Sequence[Value], at: At) -> Value:
    owner = of.type if of is not None else _widest(given)
    why: Wrong | None = None
    for signature in signatures:
        words = signature.arguments or ()
        if len(words) != len(given):
            continue
        try:
            fitted = [
                as_type(value, signature.type_of(word, owner).with_null(), at)
                for word, value in zip(words, given, strict=True)
            ]
        except Wrong as error:
            why = error
            continue
        return _of_signature(signature, owner, fitted if of is None else [of, *fitted])
    if why is not None:
        raise Wrong(at, "usql_type", f"{name}: {why}")
    counts = " or ".join(dict.fromkeys(str(len(one.arguments or ())) for one in signatures))
    raise Wrong(at, "usql_type", f"{name} takes {counts} values here, and has {len(given)}")


def _of_signature(signature: Signature, owner: Type, values: Sequence[Value]) -> Value:
    type_ = signature.type_of(signature.result, owner)
    sql = signature.sql.format(*(value.sql for value in values))
    if not type_.arguments and type_.name not in ("string", "char", "bool"):
        sql = f"CAST({sql} AS {type_.sql})"
    # T of an argument that may be null is one that may be null: Math.Abs has no int?, and ours is null then.
    return made(sql, type_, *values, fails=signature.fails)


def _widest(given: Sequence[Value]) -> Type:
    found = given[0].type if given else INT
    for value in given[1:]:
        found = common(found, value.type) or found
    return found


def _parsed(name: str, text: Value, at: At) -> Value:
    text = as_type(text, STRING, at)
    return made(f"cs_parse_{name}({text.sql}, {_where(at)})", Type(name), text, fails=True)


def _converted(name: str, value: Value, at: At) -> Value:
    if name == "string":
        return text_of(value, at)
    if value.type.name in ("string", "char"):
        return _parsed(name, replace(value, type=STRING), at)
    if name == "bool" and value.type.is_number:
        return made(f"({value.sql} <> 0)", BOOL, value)
    if value.type.name == "bool" and Type(name).is_number:
        return made(f"CAST({value.sql} AS {Type(name).sql})", Type(name), value)
    if value.type.name in ("float", "double", "decimal") and Type(name).is_integer:  # to the even neighbour
        return made(f"CAST(round_even({value.sql}, 0) AS {Type(name).sql})", Type(name), value, fails=True)
    return cast(value, Type(name, value.type.nullable), at)


def _where(at: At) -> str:
    """What an error says before all else."""
    return quoted(f"line {at.line}: ")


def _split(of: Value, given: Sequence[Value], no_empty: bool, at: At) -> Value:
    signs = []
    for value in given:
        if value.type.name == "SQL.ARRAY" and isinstance(value.constant, str):
            signs += list(value.constant)
        else:
            signs.append(_constant(value, "what Split looks for", at))
    if any(len(sign) > 1 for sign in signs) and len(signs) > 1:
        raise Wrong(at, "usql_not_here", "Split at several texts is not here; use Replace to make them one")
    if len(signs) == 1:
        sql = f"string_split({of.sql}, {quoted(signs[0])})"
    else:
        pattern = "[" + "".join(f"\\x{{{ord(sign):x}}}" for sign in signs) + "]" if signs else r"\s"
        sql = f"string_split_regex({of.sql}, {quoted(pattern)})"
    if no_empty:
        sql = f"list_filter({sql}, lambda part: part <> '')"
    return made(sql, array_of(STRING), of)


def _is_empty(given: Sequence[Value], at: At, blank: bool = False) -> Value:
    value = as_type(_only(given, at), STRING, at)
    text = f"cs_trim({value.sql})" if blank else value.sql
    return yes_or_no(f"coalesce({text} = '', true)" if value.may_be_null else f"({text} = '')", value)


def _join(given: Sequence[Value], at: At) -> Value:
    if len(given) < 2:
        raise Wrong(at, "usql_type", "string.Join takes what stands between, and what is joined")
    between, rest = as_type(given[0], STRING, at), given[1:]
    if len(rest) == 1 and rest[0].type.name == "SQL.ARRAY":
        part = Value("part", rest[0].type.arguments[0], True)
        texts = f"list_transform({rest[0].sql}, lambda part: coalesce({text_of(part, at).sql}, ''))"
        return made(f"array_to_string({texts}, {between.sql})", STRING, *given)
    texts = ", ".join(f"coalesce({text_of(value, at).sql}, '')" for value in rest)
    return made(f"concat_ws({between.sql}, {texts})", STRING, *given, null=False)


def _concat(given: Sequence[Value], at: At) -> Value:
    return made(f"concat({', '.join(text_of(value, at).sql for value in given)})", STRING, *given, null=False)


def _format(given: Sequence[Value], at: At) -> Value:
    if not given:
        raise Wrong(at, "usql_type", "string.Format takes a format, and what is put into it")
    return composed(_constant(given[0], "the format of string.Format", at), list(given[1:]), at)


_OF_TEXTS = {
    "IsNullOrEmpty": _is_empty,
    "IsNullOrWhiteSpace": lambda given, at: _is_empty(given, at, blank=True),
    "Join": _join,
    "Concat": _concat,
    "Format": _format,
}


def _only(given: Sequence[Value], at: At) -> Value:
    if len(given) != 1:
        raise Wrong(at, "usql_type", f"it takes 1 value, and has {len(given)}")
    return given[0]


def _constant(value: Value, what: str, at: At) -> str:
    if not isinstance(value.constant, str):
        raise Wrong(at, "usql_not_here", f"{what} must be written out here, and not be calculated")
    return value.constant


def _parted(given: Sequence[Value]) -> tuple[list[Value], set[str]]:
    """The values that are given, and the options among them."""
    options = {str(value.constant) for value in given if value.type.name == "option"}
    return [value for value in given if value.type.name != "option"], options


def _same_case(values: Sequence[Value], options: set[str]) -> list[Value]:
    if not options & {*_IGNORE_CASE, *_CASE}:
        return list(values)
    return [replace(value, sql=f"lower({value.sql})", constant=None) for value in values]


def _refuse(options: set[str], name: str, at: At) -> None:
    unknown = sorted(option for option in options if not option.startswith(_WITHOUT_EFFECT))
    if unknown:
        raise Wrong(at, "usql_not_here", f"{unknown[0]} of {name} is not here")


def _members_of(owner: str, table: Mapping[tuple[str, str], object]) -> str:
    names = sorted({name for kind, name in table if kind == owner})
    return f" (there are: {', '.join(names)})" if names else ""
