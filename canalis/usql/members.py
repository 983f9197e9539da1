"""The members of C#'s types that expressions may use: what each takes, what it gives, and what DuckDB calls it.

In a line: owner and name; the types of its arguments, or `property`; the type of what it gives; SQL, in which {0} is
the value itself, or the first argument of a static member, and the others follow. A `!` behind the type says that
there are values for which it is an error. A type in capitals that is `T` is that of the value itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from canalis.usql.types import Type, array_of

_STRING = """
    string Length                 | property      | int      | length({0})
    string Substring              | int           | string!  | cs_substring({0}, {1})
    string Substring              | int int       | string!  | cs_substring_of({0}, {1}, {2})
    string ToUpper                |               | string   | upper({0})
    string ToUpperInvariant       |               | string   | upper({0})
    string ToLower                |               | string   | lower({0})
    string ToLowerInvariant       |               | string   | lower({0})
    string Trim                   |               | string   | cs_trim({0})
    string TrimStart              |               | string   | cs_trim_start({0})
    string TrimEnd                |               | string   | cs_trim_end({0})
    string Trim                   | char          | string   | trim({0}, {1})
    string TrimStart              | char          | string   | ltrim({0}, {1})
    string TrimEnd                | char          | string   | rtrim({0}, {1})
    string Contains               | string        | bool     | contains({0}, {1})
    string StartsWith             | string        | bool     | starts_with({0}, {1})
    string EndsWith               | string        | bool     | ends_with({0}, {1})
    string IndexOf                | string        | int      | cs_index_of({0}, {1})
    string LastIndexOf            | string        | int      | cs_last_index_of({0}, {1})
    string Replace                | string string | string   | replace({0}, {1}, coalesce({2}, ''))
    string PadLeft                | int           | string   | cs_pad_left({0}, {1}, ' ')
    string PadLeft                | int char      | string   | cs_pad_left({0}, {1}, {2})
    string PadRight               | int           | string   | cs_pad_right({0}, {1}, ' ')
    string PadRight               | int char      | string   | cs_pad_right({0}, {1}, {2})
    string Insert                 | int string    | string!  | cs_insert({0}, {1}, {2})
    string Remove                 | int           | string!  | cs_substring_of({0}, 0, {1})
    string Remove                 | int int       | string!  | cs_remove({0}, {1}, {2})
    string CompareTo              | string        | int      | cs_compare({0}, {1})
"""
_STATIC_STRING = """
    string Empty                  | property      | string   | ''
    string Compare                | string string | int      | cs_compare({0}, {1})
    string CompareOrdinal         | string string | int      | cs_compare({0}, {1})
    Regex IsMatch                 | string string | bool!    | regexp_matches({0}, {1})
    Regex Replace                 | string string string | string! | regexp_replace({0}, {1}, {2}, 'g')
    char IsDigit                  | char          | bool     | regexp_full_match({0}, '\\pN')
    char IsLetter                 | char          | bool     | regexp_full_match({0}, '\\pL')
    char IsLetterOrDigit          | char          | bool     | regexp_full_match({0}, '[\\pL\\pN]')
    char IsWhiteSpace             | char          | bool     | (cs_trim({0}) = '')
    char IsUpper                  | char          | bool     | regexp_full_match({0}, '\\p{{Lu}}')
    char IsLower                  | char          | bool     | regexp_full_match({0}, '\\p{{Ll}}')
    char ToUpper                  | char          | char     | upper({0})
    char ToLower                  | char          | char     | lower({0})
    Guid NewGuid                  |               | Guid     | uuid()
"""
_TIME = """
    DateTime Year                 | property      | int      | year({0})
    DateTime Month                | property      | int      | month({0})
    DateTime Day                  | property      | int      | day({0})
    DateTime Hour                 | property      | int      | hour({0})
    DateTime Minute               | property      | int      | minute({0})
    DateTime Second               | property      | int      | second({0})
    DateTime Millisecond          | property      | int      | (millisecond({0}) % 1000)
    DateTime DayOfYear            | property      | int      | dayofyear({0})
    DateTime DayOfWeek            | property      | DayOfWeek | dayofweek({0})
    DateTime Date                 | property      | DateTime | date_trunc('day', {0})
    DateTime TimeOfDay            | property      | TimeSpan | (epoch_us({0}) - epoch_us(date_trunc('day', {0})))
    DateTime Ticks                | property      | long     | (epoch_us({0}) * 10 + 621355968000000000)
    DateTime AddYears             | int           | DateTime | ({0} + to_years({1}))
    DateTime AddMonths            | int           | DateTime | ({0} + to_months({1}))
    DateTime AddDays              | double        | DateTime | cs_later({0}, {1}, 86400000000)
    DateTime AddHours             | double        | DateTime | cs_later({0}, {1}, 3600000000)
    DateTime AddMinutes           | double        | DateTime | cs_later({0}, {1}, 60000000)
    DateTime AddSeconds           | double        | DateTime | cs_later({0}, {1}, 1000000)
    DateTime AddMilliseconds      | double        | DateTime | cs_later({0}, {1}, 1000)
    DateTime Subtract             | DateTime      | TimeSpan | (epoch_us({0}) - epoch_us({1}))
    DateTime ToShortDateString    |               | string   | strftime({0}, '%-m/%-d/%Y')
    TimeSpan TotalDays            | property      | double   | ({0} / 86400000000)
    TimeSpan TotalHours           | property      | double   | ({0} / 3600000000)
    TimeSpan TotalMinutes         | property      | double   | ({0} / 60000000)
    TimeSpan TotalSeconds         | property      | double   | ({0} / 1000000)
    TimeSpan TotalMilliseconds    | property      | double   | ({0} / 1000)
    TimeSpan Days                 | property      | int      | ({0} // 86400000000)
    TimeSpan Hours                | property      | int      | ({0} // 3600000000 % 24)
    TimeSpan Minutes              | property      | int      | ({0} // 60000000 % 60)
    TimeSpan Seconds              | property      | int      | ({0} // 1000000 % 60)
"""
_STATIC_TIME = """
    DateTime Now                  | property      | DateTime | CAST(now() AT TIME ZONE 'UTC' AS TIMESTAMP)
    DateTime UtcNow               | property      | DateTime | CAST(now() AT TIME ZONE 'UTC' AS TIMESTAMP)
    DateTime Today                | property      | DateTime | date_trunc('day', now() AT TIME ZONE 'UTC')
    DateTime MinValue             | property      | DateTime | TIMESTAMP '0001-01-01'
    DateTime MaxValue             | property      | DateTime | TIMESTAMP '9999-12-31 23:59:59.999999'
    DateTime DaysInMonth          | int int       | int!     | day(last_day(make_date({0}, {1}, 1)))
    DateTime IsLeapYear           | int           | bool!    | (dayofyear(make_date({0}, 12, 31)) = 366)
    TimeSpan FromDays             | double        | TimeSpan | CAST({0} * 86400000000 AS BIGINT)
    TimeSpan FromHours            | double        | TimeSpan | CAST({0} * 3600000000 AS BIGINT)
    TimeSpan FromMinutes          | double        | TimeSpan | CAST({0} * 60000000 AS BIGINT)
    TimeSpan FromSeconds          | double        | TimeSpan | CAST({0} * 1000000 AS BIGINT)
"""
# Math.Round goes to the even neighbour, as C# does.
_MATH = """
    Math Abs                      | T             | T!       | abs({0})
    Math Ceiling                  | decimal       | decimal  | ceil({0})
    Math Ceiling                  | double        | double   | ceil({0})
    Math Floor                    | decimal       | decimal  | floor({0})
    Math Floor                    | double        | double   | floor({0})
    Math Truncate                 | decimal       | decimal  | trunc({0})
    Math Truncate                 | double        | double   | trunc({0})
    Math Round                    | decimal       | decimal  | round_even({0}, 0)
    Math Round                    | double        | double   | round_even({0}, 0)
    Math Round                    | decimal int   | decimal  | round_even({0}, {1})
    Math Round                    | double int    | double   | cs_round({0}, {1})
    Math Pow                      | double double | double!  | pow({0}, {1})
    Math Sqrt                     | double        | double   | cs_sqrt({0})
    Math Exp                      | double        | double!  | exp({0})
    Math Log                      | double        | double!  | ln({0})
    Math Log                      | double double | double!  | (ln({0}) / ln({1}))
    Math Log10                    | double        | double!  | log10({0})
    Math Sin                      | double        | double   | sin({0})
    Math Cos                      | double        | double   | cos({0})
    Math Tan                      | double        | double   | tan({0})
    Math Atan                     | double        | double   | atan({0})
    Math Atan2                    | double double | double   | atan2({0}, {1})
    Math Sign                     | T             | int      | sign({0})
    Math Max                      | T T           | T        | greatest({0}, {1})
    Math Min                      | T T           | T        | least({0}, {1})
    Math PI                       | property      | double   | pi()
    Math E                        | property      | double   | exp(1.0::DOUBLE)
    double NaN                    | property      | double   | CAST('NaN' AS DOUBLE)
    double IsNaN                  | double        | bool     | isnan({0})
    double IsInfinity             | double        | bool     | isinf({0})
    int MaxValue                  | property      | int      | 2147483647
    int MinValue                  | property      | int      | -2147483648
    long MaxValue                 | property      | long     | 9223372036854775807
    long MinValue                 | property      | long     | -9223372036854775808
    double MaxValue               | property      | double   | 1.7976931348623157e308
    double MinValue               | property      | double   | -1.7976931348623157e308
    decimal Round                 | decimal int   | decimal  | round_even({0}, {1})
"""
_LIST = """
    SQL.ARRAY Count               | property      | int      | len({0})
    SQL.ARRAY Length              | property      | int      | len({0})
    SQL.ARRAY Count               |               | int      | len({0})
    SQL.ARRAY ToArray             |               | T        | {0}
    SQL.ARRAY ToList              |               | T        | {0}
    SQL.ARRAY Distinct            |               | T        | list_distinct({0})
    SQL.ARRAY Reverse             |               | T        | list_reverse({0})
    SQL.ARRAY First               |               | E!       | cs_element({0}, 0)
    SQL.ARRAY Last                |               | E!       | cs_element({0}, len({0}) - 1)
    SQL.ARRAY Contains            | E             | bool     | list_contains({0}, {1})
    SQL.ARRAY ElementAt           | int           | E!       | cs_element({0}, {1})
    SQL.ARRAY Sum                 |               | E        | list_sum({0})
    SQL.ARRAY Max                 |               | E        | list_max({0})
    SQL.ARRAY Min                 |               | E        | list_min({0})
    SQL.MAP Count                 | property      | int      | cardinality({0})
    SQL.MAP ContainsKey           | K             | bool     | map_contains({0}, {1})
"""
# What else C# calls the types and classes of static members.
CLASSES = {
    "String": "string",
    "Int32": "int",
    "Int64": "long",
    "Int16": "short",
    "Double": "double",
    "Single": "float",
    "Decimal": "decimal",
    "Boolean": "bool",
    "Char": "char",
    "Byte": "byte",
    "System.Math": "Math",
    "System.DateTime": "DateTime",
    "System.Text.RegularExpressions.Regex": "Regex",
    **{name: name for name in ("Math", "Regex", "Convert", "TimeSpan", "DayOfWeek", "StringComparison", "CultureInfo")},
}


@dataclass(frozen=True, slots=True)
class Signature:
    """One way to use a member. arguments: None for a property, which takes none."""

    arguments: tuple[str, ...] | None
    result: str
    fails: bool
    sql: str

    def type_of(self, word: str, of: Type) -> Type:
        """The type that a word of the tables stands for, where the value itself is of type `of`."""
        if word == "T":
            return of.with_null(False) if not of.arguments else of
        if word in ("E", "K"):
            return of.arguments[0]
        if word.endswith("[]") and word != "byte[]":
            return array_of(Type(word[:-2]))
        return Type(word)


def _read(*tables: str) -> dict[tuple[str, str], list[Signature]]:
    found: dict[tuple[str, str], list[Signature]] = {}
    for line in "\n".join(tables).splitlines():
        if not line.strip():
            continue
        head, arguments, result, sql = (part.strip() for part in line.split("|", 3))
        owner, name = head.split()
        taken = None if arguments == "property" else tuple(arguments.split())
        found.setdefault((owner, name), []).append(Signature(taken, result.rstrip("!"), result.endswith("!"), sql))
    return found


INSTANCE = _read(_STRING, _TIME, _LIST)
STATIC = _read(_STATIC_STRING, _STATIC_TIME, _MATH)
