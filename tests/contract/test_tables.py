"""What every table promises."""

from __future__ import annotations

import random

import pytest

from adapters.tables import Delete, Insert, Merge, Replace
from adapters.tables.keys import decoded, encoded
from adapters.tables.table import OPERATIONS_MAX
from canalis.contract.errors import Conflict, TooLarge

KEYS = [
    "try:node:001",
    "out:00000001",
    "a/b",
    "a'b",
    "a#?\\%b&",
    "ü中\U0001f600",
    "a",
    "a.b",
    "a0",
    "x\n\0 !",
    "~",
    "\x7f",
]


def keys(rows) -> list[str]:
    return [row.key for row in rows]


@pytest.fixture
def filled(table):
    for key in KEYS:
        table.transact("p/'1", [Insert(key, {"n": 1})])
    return table


def test_keys_may_have_any_characters_and_come_in_order(filled):
    assert keys(filled.rows("p/'1")) == sorted(KEYS)
    for key in KEYS:
        assert filled.get("p/'1", key).key == key
    assert filled.get("p/'1", "b") is None
    assert keys(filled.rows("p")) == []


@pytest.mark.parametrize("prefix", ["", "a", "a.", "a/", "try:", "ü", "~", "x\n", "nothing"])
def test_rows_are_found_by_the_beginning_of_their_keys_and_from_a_key_on(filled, prefix):
    fitting = [key for key in sorted(KEYS) if key.startswith(prefix)]
    assert keys(filled.rows("p/'1", prefix)) == fitting
    assert keys(filled.rows("p/'1", prefix, start="a.b")) == [key for key in fitting if key >= "a.b"]
    assert keys(filled.rows("p/'1", prefix, at_once=2)) == fitting


def test_a_key_is_no_part_of_a_query(filled):
    assert keys(filled.rows("p/'1", "' or RowKey ge '")) == []
    assert keys(filled.rows("p/'1' or PartitionKey ge '")) == []


def test_values_keep_their_types(table):
    row = {"int": 1, "long": 2**40, "low": -(2**31) - 1, "whole": 2.0, "part": 0.1, "yes": True, "no": False}
    row |= {"text": "é'\n\0", "none": "", "bytes": b"\0\xff", "no_bytes": b"", "inf": float("inf")}
    table.transact("p", [Insert("k", row)])
    table.transact("p", [Merge("k", {"more": 3.0}), Insert("l", row)])

    for key, more in (("k", {"more": 3.0}), ("l", {})):
        found = table.get("p", key).properties
        assert found == row | more
        assert {name: type(value) for name, value in found.items()} == {
            name: type(value) for name, value in (row | more).items()
        }


def test_a_transaction_is_done_as_a_whole_or_not_at_all(table):
    (tag,) = table.transact("p", [Insert("there", {"n": 1})])

    for guarded in (Insert("there", {}), Replace("there", {}, "W/\"datetime'2020-01-01T00%3A00%3A00.0000000Z'\"")):
        with pytest.raises(Conflict):
            table.transact("p", [Merge("new", {"n": 2}), guarded])
        with pytest.raises(Conflict):
            table.transact("p", [guarded])
    assert table.get("p", "new") is None

    tags = table.transact("p", [Replace("there", {"m": 3}, tag), Insert("new", {"n": 2}), Delete("never was")])
    assert tags[0] == table.get("p", "there").etag and tags[1] == table.get("p", "new").etag and tags[2] == ""
    assert table.get("p", "there").properties == {"m": 3}


def test_a_write_carries_the_tag_that_was_read(table):
    (first,) = table.transact("p", [Insert("k", {"a": 1})])
    (second,) = table.transact("p", [Merge("k", {"b": 2}, first)])
    assert second != first

    for late in (
        Merge("k", {"b": 3}, first),
        Replace("k", {"b": 3}, first),
        Delete("k", first),
        Merge("no", {}, first),
    ):
        with pytest.raises(Conflict):
            table.transact("p", [late])
    assert table.get("p", "k").properties == {"a": 1, "b": 2}
    table.transact("p", [Delete("k", second)])
    assert table.get("p", "k") is None
    assert table.transact("p", [Delete("k")]) == [""]


def test_what_is_too_large_is_refused_before_anything_is_written(table):
    too_large = (
        [Insert(f"{n:03d}", {}) for n in range(OPERATIONS_MAX + 1)],
        [Insert("a", {"text": "x" * 32769})],
        [Insert("a", {"bytes": b"x" * 65537})],
        [Insert("a", {f"p{n}": n for n in range(252)})],
        [Insert("a", {f"p{n}": b"x" * 60_000 for n in range(18)})],
        [Insert(f"{n}", {f"p{m}": b"x" * 60_000 for m in range(15)}) for n in range(5)],
    )
    for operations in too_large:
        with pytest.raises(TooLarge):
            table.transact("p", operations)
    assert keys(table.rows("p")) == []

    table.transact("p", [Insert(f"{n:03d}", {"b": b"x" * 20_000}) for n in range(OPERATIONS_MAX)])
    assert len(keys(table.rows("p"))) == OPERATIONS_MAX


def test_written_keys_keep_order_and_beginnings_and_say_what_they_were():
    chance = random.Random(5)
    alphabet = "ab.:/\\#?%'&!~ \"$[>@_-0AZ{}\x00\x1f\x7fé中\U0001f600"
    some = ["".join(chance.choices(alphabet, k=chance.randrange(6))) for _ in range(3000)]

    assert [decoded(encoded(key)) for key in some] == some
    assert sorted(some) == sorted(some, key=encoded)
    for one, other in zip(some, some[1:], strict=False):
        assert encoded(other).startswith(encoded(one)) == other.startswith(one)
    assert not set("".join(map(encoded, some))) & set("/\\#?%' \x7f") and "".join(map(encoded, some)).isascii()


def test_a_name_too_long_for_a_key_is_refused():
    assert encoded("x" * 512)
    for name in ("x" * 513, "中" * 60):
        with pytest.raises(TooLarge):
            encoded(name)
