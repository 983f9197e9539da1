"""Random expressions over random rows, against an evaluation of C# in Python that shares nothing with the engine."""

from __future__ import annotations

import csv
import math
import random
from dataclasses import dataclass

import pytest

from canalis.usql.running import run_script

INT = (-(2**31), 2**31 - 1)


@dataclass
class Made:
    """An expression of C#: its text, its type, and its value for a row."""

    text: str
    kind: str
    of: object


class Fails(Exception):
    """C# has no value for it."""


def leaf(draw: random.Random, kind: str) -> Made:
    if kind != "int?" and draw.random() < 0.35:
        if kind == "int":
            n = draw.randint(-9, 9)
            return Made(f"({n})", kind, lambda row: n)
        if kind == "string":
            s = draw.choice(["", "a", "A", "ab", "b,c", "é "])
            return Made(f'"{s}"', kind, lambda row: s)
        if kind == "double":
            x = draw.choice([0.5, -1.25, 3.0])
            return Made(f"({x})", kind, lambda row: x)
        truth = draw.random() < 0.5
        return Made(str(truth).lower(), kind, lambda row: truth)
    name = draw.choice({"int": ["i", "j"], "int?": ["m"], "string": ["s", "t"], "double": ["x"], "bool": ["f"]}[kind])
    return Made(name, kind, lambda row: row[name])


def whole(value: int) -> int:
    if not INT[0] <= value <= INT[1]:
        raise Fails
    return value


def divided(a: int, b: int) -> int:
    if b == 0:
        raise Fails
    return whole(int(math.copysign(abs(a) // abs(b), a * b)) if a * b else 0)


def remainder(a: int, b: int) -> int:
    if b == 0:
        raise Fails
    return int(math.fmod(a, b))


def cut(s: str | None, at: int) -> str | None:
    if s is None:
        return None
    if not 0 <= at <= len(s):
        raise Fails
    return s[at:]


def order(sign: str, a, b) -> bool:
    if a is None or b is None:
        return False
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[sign]


def number(value: float | int | bool | str | None) -> str:
    """ToString() of C#."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    if math.isnan(value) or math.isinf(value):
        return "NaN" if math.isnan(value) else ("-" if value < 0 else "") + "Infinity"
    digits, _, exponent = f"{value!r}".partition("e")
    if exponent or abs(value) >= 1e15:
        shortest = next(f"{value:.{n}e}" for n in range(18) if float(f"{value:.{n}e}") == value)
        mantissa, _, power = shortest.partition("e")
        return f"{mantissa}E{'-' if int(power) < 0 else '+'}{abs(int(power)):02d}"
    return "0" if value == 0 else digits.removesuffix(".0")


def expression(draw: random.Random, kind: str, depth: int) -> Made:
    if depth == 0 or draw.random() < 0.15:
        return leaf(draw, kind)

    def make(of: str) -> Made:
        return expression(draw, of, depth - 1)

    if kind == "int":
        way = draw.randrange(7)
        if way < 5:
            sign = "+-*/%"[way]
            a, b = make("int"), make("int")
            do = [lambda p, q: whole(p + q), lambda p, q: whole(p - q), lambda p, q: whole(p * q), divided, remainder][
                way
            ]
            return Made(f"({a.text} {sign} {b.text})", kind, lambda row: do(a.of(row), b.of(row)))
        if way == 5:
            a, b = leaf(draw, "int?"), make("int")
            return Made(f"({a.text} ?? {b.text})", kind, lambda row: b.of(row) if (p := a.of(row)) is None else p)
        return conditional(make, kind)
    if kind == "double":
        a, b, sign = make(draw.choice(["int", "double"])), make("double"), draw.choice("+-*")
        do = {"+": lambda p, q: p + q, "-": lambda p, q: p - q, "*": lambda p, q: p * q}[sign]
        return Made(f"({a.text} {sign} {b.text})", kind, lambda row: float(do(a.of(row), b.of(row))))
    if kind == "string":
        return text(draw, make)
    return truth(draw, make)


def conditional(make, kind: str) -> Made:
    c, a, b = make("bool"), make(kind), make(kind)
    return Made(f"({c.text} ? {a.text} : {b.text})", kind, lambda row: a.of(row) if c.of(row) else b.of(row))


def text(draw: random.Random, make) -> Made:
    way = draw.randrange(6)
    if way == 0:
        return conditional(make, "string")
    if way == 1:
        a, b = make("string"), make(draw.choice(["string", "int", "bool", "double"]))
        return Made(f"({a.text} + {b.text})", "string", lambda row: (a.of(row) or "") + number(b.of(row)))
    a = make("string")
    if way == 2:
        return Made(f"{a.text}.ToUpper()", "string", lambda row: None if (s := a.of(row)) is None else s.upper())
    if way == 3:
        return Made(
            f'{a.text}.Replace("a", "xy")',
            "string",
            lambda row: None if (s := a.of(row)) is None else s.replace("a", "xy"),
        )
    if way == 4:
        n = draw.randint(0, 2)
        return Made(f"{a.text}.Substring({n})", "string", lambda row: cut(a.of(row), n))
    b = make("string")
    return Made(f"({a.text} ?? {b.text})", "string", lambda row: b.of(row) if (s := a.of(row)) is None else s)


def truth(draw: random.Random, make) -> Made:
    way = draw.randrange(6)
    if way == 0:
        a, b, sign = make("bool"), make("bool"), draw.choice(["&&", "||"])
        if sign == "&&":
            return Made(f"({a.text} && {b.text})", "bool", lambda row: a.of(row) and b.of(row))
        return Made(f"({a.text} || {b.text})", "bool", lambda row: a.of(row) or b.of(row))
    if way == 1:
        a = make("bool")
        return Made(f"!{a.text}", "bool", lambda row: not a.of(row))
    if way == 2:
        kind = draw.choice(["int", "string"])
        a, b, same = make(kind), make(kind), draw.random() < 0.5
        return Made(
            f"({a.text} {'==' if same else '!='} {b.text})", "bool", lambda row: (a.of(row) == b.of(row)) == same
        )
    if way == 3:
        a, b, sign = leaf(draw, "int?"), make("int"), draw.choice(["<", "<=", ">", ">="])
        return Made(f"({a.text} {sign} {b.text})", "bool", lambda row: order(sign, a.of(row), b.of(row)))
    a = make("string")
    if way == 4:
        return Made(f"string.IsNullOrEmpty({a.text})", "bool", lambda row: not a.of(row))
    b = make("int")
    return Made(
        f"({a.text}.Length > {b.text})",
        "bool",
        lambda row: (n := b.of(row)) is not None and (s := a.of(row)) is not None and len(s) > n,
    )


def rows(draw: random.Random, count: int) -> list[dict[str, object]]:
    return [
        {
            "id": number,
            "i": draw.choice([0, 1, -1, 7, -8, 100, INT[1], INT[0]]),
            "j": draw.randint(-5, 5),
            "m": draw.choice([None, 0, 3, -4]),
            "s": draw.choice([None, "", "a", "Aé", "b,c", 'q"q', "  x"]),
            "t": draw.choice(["ab", "ba", "aa"]),
            "x": draw.choice([0.0, 1.5, -2.25, 1e20, 1e-7, 1e15]),
            "f": draw.random() < 0.5,
        }
        for number in range(count)
    ]


def written(value: object) -> str:
    if value is None:
        return ""
    return '"' + value.replace('"', '""') + '"' if isinstance(value, str) else str(value)


def value_of(made: Made, row: dict[str, object]) -> object:
    try:
        return made.of(row)
    except Fails:
        return Fails


@pytest.mark.parametrize("seed", range(6))
def test_random_expressions_are_what_csharp_makes_of_them(seed, tmp_path):
    draw = random.Random(seed)
    data = rows(draw, 12)
    (tmp_path / "in.csv").write_text("".join(",".join(map(written, row.values())) + "\n" for row in data))
    made: list[Made] = []
    while len(made) < 40:
        one = expression(draw, draw.choice(["int", "double", "string", "bool"]), 4)
        if all(value_of(one, row) is not Fails for row in data) and one.text not in (known.text for known in made):
            made.append(one)
    items = ", ".join(f"{one.text} AS c{number}" for number, one in enumerate(made))
    chosen = next(
        one
        for one in iter(lambda: expression(draw, "bool", 4), None)
        if all(value_of(one, row) is not Fails for row in data)
    )
    script = f"""@a = EXTRACT id int, i int, j int, m int?, s string, t string, x double, f bool FROM "@@in@@" USING Extractors.Csv();
        @r = SELECT id, {items} FROM @a WHERE {chosen.text};
        OUTPUT @r TO "@@out@@" ORDER BY id USING Outputters.Csv(nullEscape: "null");"""

    run_script(script, {"in": str(tmp_path / "in.csv"), "out": str(tmp_path / "out.csv")}, lambda said: None)

    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        found = [row[1:] for row in csv.reader(file)]
    kept = [row for row in data if chosen.of(row)]
    assert len(found) == len(kept), chosen.text
    for got, row in zip(found, kept, strict=True):
        for one, text_ in zip(made, got, strict=True):
            value = one.of(row)
            assert text_ == ("null" if value is None else number(value)), (one.text, row)


@pytest.mark.parametrize("seed", range(4))
def test_random_joins_groups_and_sets_are_what_loops_give(seed, tmp_path):
    draw = random.Random(seed)
    left = [(draw.choice([None, 1, 2, 3]), draw.randint(0, 9)) for _ in range(12)]
    right = [(draw.choice([None, 1, 2, 4]), draw.choice(["p", "q", None])) for _ in range(9)]
    for name, table in (("l", left), ("r", right)):
        (tmp_path / f"{name}.csv").write_text("".join(",".join(map(written, row)) + "\n" for row in table))
    script = """@l = EXTRACT k int?, n int FROM "@@in@@/l.csv" USING Extractors.Csv();
        @r = EXTRACT k int?, s string FROM "@@in@@/r.csv" USING Extractors.Csv();
        @full = SELECT l.k AS a, l.n, r.k AS b, r.s FROM @l AS l FULL OUTER JOIN @r AS r ON l.k == r.k;
        @semi = SELECT k, n FROM @l AS l SEMIJOIN @r AS r ON l.k == r.k;
        @anti = SELECT k, n FROM @l AS l ANTISEMIJOIN @r AS r ON l.k == r.k;
        @group = SELECT k, COUNT(*) AS c, SUM(n) AS total, MAX(n) AS top FROM @l GROUP BY k HAVING COUNT(*) > 1;
        @ex = SELECT k FROM @l EXCEPT ALL SELECT k FROM @r;
        @in = SELECT k FROM @l INTERSECT DISTINCT SELECT k FROM @r;
        @rank = SELECT k, n, RANK() OVER(PARTITION BY k ORDER BY n DESC) AS place FROM @l;
        """
    names = ("full", "semi", "anti", "group", "ex", "in", "rank")
    script += "\n".join(
        f'OUTPUT @{name} TO "@@in@@/{name}.out" USING Outputters.Csv(quoting: false, nullEscape: "-");'
        for name in names
    )

    run_script(script, {"in": str(tmp_path)}, lambda said: None)

    keys = {k for k, _ in left}
    others = {k for k, _ in right}
    full = [(k, n, k2, s) for k, n in left for k2, s in right if k == k2]
    full += [(k, n, None, None) for k, n in left if k not in others]
    full += [(None, None, k2, s) for k2, s in right if k2 not in keys]
    rest = [k for k, _ in right]
    excess = [k for k, _ in left if not (k in rest and (rest.remove(k) or True))]
    groups = [(k, [n for other, n in left if other == k]) for k in keys]
    wanted = {
        "full": full,
        "semi": [(k, n) for k, n in left if k in others],
        "anti": [(k, n) for k, n in left if k not in others],
        "group": [(k, len(ns), sum(ns), max(ns)) for k, ns in groups if len(ns) > 1],
        "ex": [(k,) for k in excess],
        "in": [(k,) for k in keys & others],
        "rank": [(k, n, 1 + sum(1 for k2, n2 in left if k2 == k and n2 > n)) for k, n in left],
    }
    for name, rows_ in wanted.items():
        lines = sorted(",".join("-" if value is None else str(value) for value in row) for row in rows_)
        assert sorted((tmp_path / f"{name}.out").read_text().splitlines()) == lines, name
