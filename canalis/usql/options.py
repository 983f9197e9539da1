"""How files are read and written: extractors, outputters, and their options.

Source   the U-SQL language reference, extractor parameters and outputter parameters
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from canalis.usql import tree
from canalis.usql.expressions import value_of
from canalis.usql.faults import At, Wrong
from canalis.usql.formats import date_format
from canalis.usql.scopes import Scope
from canalis.usql.values import Value

# .NET's names of encodings, and Python's.
_ENCODINGS = {
    "UTF8": "utf-8",
    "ASCII": "ascii",
    "Unicode": "utf-16-le",
    "BigEndianUnicode": "utf-16-be",
    "UTF7": "utf-7",
    "UTF32": "utf-32-le",
}
_DELIMITERS = {"Csv": ",", "Tsv": "\t", "Text": ","}


@dataclass(frozen=True, slots=True)
class Options:
    """How one file is read or written.

    encoding        Python's name for it
    row_delimiter   None for any line end when reading, and CR LF when writing
    null_escape     what stands for null; None for nothing at all
    silent          whether rows with another number of columns are left out, and what cannot be read is null
    date_format     for strftime; "" for .NET's "O"
    """

    delimiter: str = ","
    encoding: str = "utf-8"
    escape: str | None = None
    null_escape: str | None = None
    quoting: bool = True
    row_delimiter: str | None = None
    silent: bool = False
    skip: int = 0
    date_format: str = ""
    header: bool = False


# Option of U-SQL: the field, and the type of its value.
_BOTH = {
    "delimiter": ("delimiter", "char"),
    "encoding": ("encoding", "encoding"),
    "escapeCharacter": ("escape", "char"),
    "nullEscape": ("null_escape", "string"),
    "quoting": ("quoting", "bool"),
    "rowDelimiter": ("row_delimiter", "string"),
    "charFormat": ("", "string"),
}
_KNOWN = {
    "Extractors": {**_BOTH, "silent": ("silent", "bool"), "skipFirstNRows": ("skip", "int")},
    "Outputters": {**_BOTH, "dateTimeFormat": ("date_format", "string"), "outputHeader": ("header", "bool")},
}


def options_of(using: tree.Expression, family: str, variables: Mapping[str, Value]) -> Options:
    """The options of `USING Extractors.Csv(...)` or of an outputter.

    family   Extractors or Outputters
    Raises   Wrong for another class, and for an option that is not there or has a value that it cannot have
    """
    ways = " or ".join(f"{family}.{name}()" for name in _DELIMITERS)
    name = _name_of(using, family)
    if name is None or not isinstance(using, tree.Call):
        what = f"{family[:-1].lower()}s of code-behind and assemblies cannot run here; there are {ways}"
        raise Wrong(using.at, "usql_not_here", what)
    if name not in _DELIMITERS:
        raise Wrong(using.at, "usql_option", f"there is no {family}.{name} here; there are {ways}")
    if using.arguments:
        raise Wrong(using.at, "usql_option", f"options are given by name: {family}.{name}(quoting: false)")
    found = Options(delimiter=_DELIMITERS[name])
    known = _KNOWN[family]
    for option, node in using.named.items():
        if option not in known or (option == "delimiter" and name != "Text"):
            there = ", ".join(one for one in known if one != "delimiter" or name == "Text")
            raise Wrong(node.at, "usql_option", f"{family}.{name} has no option '{option}' (there are: {there})")
        field, type_ = known[option]
        if not field:
            raise Wrong(node.at, "usql_not_here", f"the option {option} is not here")
        found = replace(found, **{field: _value(option, type_, node, variables)})  # type: ignore[arg-type]
    return _fitting(found, using.at)


def _fitting(found: Options, at: At) -> Options:
    if found.row_delimiter == "":
        raise Wrong(at, "usql_option", "rowDelimiter cannot be empty")
    if found.delimiter == '"' or found.delimiter in "\r\n":
        raise Wrong(at, "usql_option", "delimiter cannot be a quotation mark or a line end")
    if found.escape is not None and found.escape in (found.delimiter, '"'):
        raise Wrong(at, "usql_option", "escapeCharacter cannot be the delimiter or the quotation mark")
    return replace(found, date_format=date_format(found.date_format, at)) if found.date_format else found


def _name_of(using: tree.Expression, family: str) -> str | None:
    function = using.function if isinstance(using, tree.Call) else None
    if isinstance(function, tree.Member) and isinstance(function.of, tree.Name) and function.of.text == family:
        return function.name
    return None


def _value(option: str, type_: str, node: tree.Expression, variables: Mapping[str, Value]) -> str | bool | int | None:
    if type_ == "encoding":
        return _encoding(node)
    value = value_of(node, Scope(variables=variables))
    if value.type.name == "null" and type_ in ("string", "char"):
        return None
    constant = value.constant
    fits = {
        "char": isinstance(constant, str) and len(constant) == 1,
        "string": isinstance(constant, str),
        "bool": isinstance(constant, bool),
        "int": isinstance(constant, int) and not isinstance(constant, bool) and constant >= 0,
    }[type_]
    if not fits or isinstance(constant, float):
        raise Wrong(
            node.at, "usql_option", f"{option} must be a {type_} that is written out, or a variable that is one"
        )
    return constant


def _encoding(node: tree.Expression) -> str:
    name = node.name if isinstance(node, tree.Member) else ""
    of = node.of if isinstance(node, tree.Member) else None
    is_class = isinstance(of, tree.Name) and of.text == "Encoding"
    if isinstance(of, tree.Member) and of.name == "Encoding":
        is_class = True  # System.Text.Encoding
    if not is_class or name not in _ENCODINGS:
        there = ", ".join(f"Encoding.{one}" for one in _ENCODINGS)
        raise Wrong(node.at, "usql_option", f"that is no encoding here (there are: {there})")
    return _ENCODINGS[name]
