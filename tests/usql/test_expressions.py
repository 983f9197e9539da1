"""Expressions of C#: each kept with what C# makes of it, and what it must refuse when the data is wrong."""

from __future__ import annotations

import pytest

from canalis.usql.faults import ScriptFailed
from canalis.usql.running import Engine, run_script
from tests.usql.corpus import FOLDER

COLUMNS = """(VALUES (7, -7, (int?)null, (int?)3, 5000000000, (byte)200, 2.5, (double?)null, 1.25m, "Hello, World", "", (string)null,
"  pad ", new DateTime(2017, 3, 4, 15, 6, 7).AddMilliseconds(500), (DateTime?)null, true, 'x', "a,b,,c"))
AS T(n, z, m, p, l, b, x, y, d, s, e, u, w, t, q, f, c, csv)"""


def lines() -> list[tuple[str, str]]:
    text = (FOLDER / "expressions.md").read_text()
    return [tuple(line.rsplit(" =>", 1)) for line in text.splitlines() if " =>" in line]


def results(expressions: list[str], folder) -> list[str]:
    items = ",\n".join(f"({text}) AS c{number}" for number, text in enumerate(expressions))
    script = f"""@r = SELECT {items} FROM {COLUMNS};
        OUTPUT @r TO "@@out@@" USING Outputters.Text(delimiter: '|', rowDelimiter: "\\n~", quoting: false, nullEscape: "null");"""
    out = folder / "r.txt"
    run_script(script, {"out": str(out)}, lambda said: None)
    return out.read_text().removesuffix("\n~").split("\x1f")


def test_every_expression_is_what_csharp_makes_of_it(tmp_path):
    known = [
        (text, result.strip(" ")) for text, result in lines() if "|" not in text + result and "15.102" not in result
    ]
    assert len(known) > 200
    (row,) = results([text for text, _ in known], tmp_path)
    found = row.split("|")
    assert len(found) == len(known)
    wrong = [
        f"{text} => {result}, and not {got}"
        for (text, result), got in zip(known, found, strict=True)
        if got.strip(" ") != result
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("n / (n - 7)", "OUTPUT in line 4: Division by zero in expression (n // (n - 7))."),
        ("d / (d - 1.25m)", "OUTPUT in line 4: division by zero, of the decimal 1.2500000000"),
        ("2147483647 + n", "OUTPUT in line 4: Out of Range Error: Overflow in addition of INT32 (2147483647 + 7)!"),
        (
            "(byte)(n * 100)",
            "OUTPUT in line 4: Conversion Error: Type INT32 with value 700 can't be cast because the value is out of range for the destination type UINT8",
        ),
        ("int.Parse(s)", "line 1: 'Hello, World' is no int"),
        ('int.Parse("1.5")', "line 1: '1.5' is no int"),
        ('int.Parse("1e3")', "line 1: '1e3' is no int"),
        ('int.Parse("0x10")', "line 1: '0x10' is no int"),
        ('int.Parse("99999999999")', "line 1: '99999999999' is no int"),
        ('double.Parse("1_000")', "line 1: '1_000' is no double"),
        ('double.Parse("inf")', "line 1: 'inf' is no double"),
        ("DateTime.Parse(s)", "line 1: 'Hello, World' is no DateTime"),
        ("bool.Parse(s)", "line 1: 'Hello, World' is no bool"),
        ("s.Substring(50)", "OUTPUT in line 4: Substring(50) of a text of 12 signs: no such place"),
        ("s.Substring(5, 50)", "OUTPUT in line 4: Substring(5, 50) of a text of 12 signs: no such place"),
        ("s[50]", "OUTPUT in line 4: [50] of a text of 12 signs: no such place"),
        ("csv.Split(',')[9]", "OUTPUT in line 4: [9] of 4 elements: there is none"),
    ],
)
def test_what_csharp_cannot_calculate_fails_and_is_never_another_value(expression, said, tmp_path):
    with pytest.raises(ScriptFailed) as failed:
        results([expression], tmp_path)
    assert str(failed.value).startswith(said)
    assert list(tmp_path.iterdir()) == []


def test_what_guards_an_expression_is_looked_at_first(tmp_path):
    """DuckDB itself may look at either side of AND first, and does when one has shown to be cheaper."""
    script = """@v = SELECT * FROM (VALUES ("1"), ("x"), ("2"), ("")) AS T(s);
        @r = SELECT int.Parse(s) AS n FROM @v WHERE Regex.IsMatch(s, "^[0-9]+$") && int.Parse(s) > 0;
        OUTPUT @r TO "@@out@@" ORDER BY n USING Outputters.Csv();"""
    run_script(script, {"out": str(tmp_path / "r")}, lambda said: None)
    assert (tmp_path / "r").read_text().split() == ["1", "2"]


def test_an_engine_leaves_nothing_behind():
    with Engine() as engine:
        scratch = engine._scratch
        assert scratch.is_dir() and engine.calculate("1 + 1") == "2"
    assert not scratch.exists()
