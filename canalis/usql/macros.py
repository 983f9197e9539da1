"""What C# does otherwise than DuckDB, as macros of DuckDB. Their names begin with `cs_`."""

from __future__ import annotations

from canalis.usql.types import INTEGERS, Type

WHITE = r"' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(133) || chr(160)"

# What DateTime.Parse reads beside ISO 8601. Source: the patterns of en-US, in which Data Lake Analytics ran
_DATES = ("%m/%d/%Y", "%d %b %Y", "%b %d, %Y", "%B %d, %Y", "%a, %d %b %Y", "%Y/%m/%d")
_TIMES = ("", " %I:%M:%S %p", " %I:%M %p", " %H:%M:%S", " %H:%M", " %H:%M:%S GMT", " %H:%M:%S.%f")
_FORMATS = "[" + ", ".join(f"'{date}{time}'" for date in _DATES for time in _TIMES) + "]"

_TEXTS = [
    # C# writes 1 and not 1.0, 1E-05 and not 1e-05, and 1E+15 where DuckDB begins with 1e+16.
    r"""cs_double_text(x) AS CASE
        WHEN isnan(x) THEN 'NaN' WHEN isinf(x) THEN CASE WHEN x > 0 THEN 'Infinity' ELSE '-Infinity' END
        WHEN x = 0 THEN '0'
        WHEN abs(x) >= 1e15 AND abs(x) < 1e16 THEN regexp_replace(regexp_replace(
            replace(CAST(x AS VARCHAR), '.', ''), '^(-?\d)(\d*)$', '\1.\2'), '\.?0*$', '') || 'E+15'
        ELSE regexp_replace(replace(upper(CAST(x AS VARCHAR)), '.0E', 'E'), '\.0$', '') END""",
    r"cs_decimal_text(x) AS regexp_replace(CAST(x AS VARCHAR), '\.?0+$', '')",
    "cs_substring(s, i) AS CASE WHEN i < 0 OR i > length(s) THEN error('Substring(' || i || ') of a text of ' || "
    "length(s) || ' signs: no such place') ELSE substr(s, i + 1) END",
    "cs_substring_of(s, i, n) AS CASE WHEN i < 0 OR n < 0 OR i + n > length(s) THEN error("
    "'Substring(' || i || ', ' || n || ') of a text of ' || length(s) || ' signs: no such place') "
    "ELSE substr(s, i + 1, n) END",
    "cs_sign(s, i) AS CASE WHEN i < 0 OR i >= length(s) THEN error('[' || i || '] of a text of ' || length(s) || "
    "' signs: no such place') ELSE substr(s, i + 1, 1) END",
    "cs_element(l, i) AS CASE WHEN i < 0 OR i >= len(l) THEN error('[' || i || '] of ' || len(l) || "
    "' elements: there is none') ELSE list_extract(l, i + 1) END",
    "cs_index_of(s, x) AS CASE WHEN x = '' THEN 0 ELSE instr(s, x) - 1 END",
    "cs_last_index_of(s, x) AS CASE WHEN contains(s, x) THEN length(s) - length(x) - instr(reverse(s), reverse(x)) + 1 "
    "ELSE -1 END",
    "cs_insert(s, i, x) AS cs_substring_of(s, 0, i) || x || cs_substring(s, i)",
    "cs_remove(s, i, n) AS cs_substring_of(s, 0, i) || cs_substring(s, i + n)",
    "cs_pad_left(s, n, c) AS CASE WHEN length(s) >= n THEN s ELSE lpad(s, CAST(n AS INTEGER), c) END",
    "cs_pad_right(s, n, c) AS CASE WHEN length(s) >= n THEN s ELSE rpad(s, CAST(n AS INTEGER), c) END",
    "cs_compare(a, b) AS CASE WHEN a IS NOT DISTINCT FROM b THEN 0 WHEN a IS NULL OR a < b THEN -1 ELSE 1 END",
    "cs_later(t, n, unit) AS t + to_microseconds(CAST(n * unit AS BIGINT))",
    "cs_round(x, n) AS round_even(x * pow(10, n), 0) / pow(10, n)",  # as C# does, halves of the product to even
    "cs_round_away(x, n) AS round(x * pow(10, n)) / pow(10, n)",
    "cs_sqrt(x) AS CASE WHEN x < 0 THEN CAST('NaN' AS DOUBLE) ELSE sqrt(x) END",
    f"cs_trim(s) AS trim(s, {WHITE})",
    f"cs_trim_start(s) AS ltrim(s, {WHITE})",
    f"cs_trim_end(s) AS rtrim(s, {WHITE})",
]
_IS_NUMBER = (
    r"cs_is_number(s) AS "
    r"regexp_full_match(s, '\s*[-+]?([0-9]{1,3}(,[0-9]{3})+|[0-9]*)(\.[0-9]*)?([eE][-+]?[0-9]+)?\s*')"
)
_PARSE_DATE = (
    "cs_parse_DateTime_as(s, f, place) AS coalesce(try_strptime(s, f), "
    "CASE WHEN s IS NOT NULL THEN error(place || '''' || s || ''' is no DateTime of the form that was asked for') END)"
)


def _integer(sql: str) -> str:
    """The usual form is told by writing it again, which is three times faster than a pattern."""
    usual = f"CAST(try_cast(s AS {sql}) AS VARCHAR) = s"
    return rf"CASE WHEN {usual} OR regexp_full_match(s, '\s*[-+]?[0-9]+\s*') THEN try_cast(s AS {sql}) END"


# Reading a text as a type: null for what cannot be read.
_READERS = {
    # DuckDB reads all that C# does but for commas, and 1_000 and inf beside; the pattern takes four times as long.
    "double": "CASE WHEN isfinite(try_cast(s AS DOUBLE)) AND NOT contains(s, '_') THEN try_cast(s AS DOUBLE) "
    "WHEN cs_is_number(s) OR trim(s) IN ('NaN', 'Infinity', '-Infinity') "
    "THEN try_cast(replace(s, ',', '') AS DOUBLE) END",
    "float": "CAST(cs_try_double(s) AS FLOAT)",
    "decimal": "CASE WHEN cs_is_number(s) THEN try_cast(replace(s, ',', '') AS DECIMAL(38,10)) END",
    "bool": "CASE lower(trim(s)) WHEN 'true' THEN true WHEN 'false' THEN false END",
    "DateTime": f"coalesce(try_cast(s AS TIMESTAMP), try_strptime(s, {_FORMATS}))",
    "Guid": "try_cast(s AS UUID)",
    "char": "CASE WHEN length(s) = 1 THEN s END",
    **{name: _integer(Type(name).sql) for name in INTEGERS},
}


def macros() -> list[str]:
    """The statements that make them."""
    found = [*_TEXTS, _IS_NUMBER]
    for name, sql in _READERS.items():
        found.append(f"cs_try_{name}(s) AS {sql}")
        failing = f"CASE WHEN s IS NOT NULL THEN error(place || '''' || s || ''' is no {name}') END"
        found.append(f"cs_parse_{name}(s, place) AS coalesce(cs_try_{name}(s), {failing})")
    return [f"CREATE TEMP MACRO {macro}" for macro in [*found, _PARSE_DATE]]
