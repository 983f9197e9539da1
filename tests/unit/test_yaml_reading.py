"""YAML that people write: what it means, and what is wrong with it, with the line."""

from __future__ import annotations

import pytest

from canalis.contract.errors import YamlInvalid
from canalis.yaml_reading import BYTES_MAX, Faults, plain, read_file, read_text
from canalis.yaml_sections import as_section


def said_of(text: str, root: str = "") -> list[str]:
    """What is wrong with a text, line by line."""
    faults = Faults()
    with pytest.raises(YamlInvalid) as caught:
        read_text(text, "f.yml", faults, root)
        faults.raise_all()
    return caught.value.message.splitlines()


def meant(text: str) -> object:
    faults = Faults()
    found = plain(read_text(text, "f.yml", faults))
    faults.raise_all()
    return found


def test_values_are_what_people_mean_by_them():
    assert meant(
        "{a: 1, b: -2.5, c: yes, d: off, e: ~, f: , g: 'no', h: x, i: 0x1F, j: 1_000, k: .inf, l: [1, {m: null}], 1: 2}"
    ) == {
        "a": 1, "b": -2.5, "c": True, "d": False, "e": None, "f": None, "g": "no", "h": "x", "i": 31, "j": 1000,
        "k": float("inf"), "l": [1, {"m": None}], "1": 2,
    }  # fmt: skip


@pytest.mark.parametrize("text", ["12:30", "010", "2019-06-07T10:50:00", "1e-5", "<<", "=", "9" * 400, "0o17"])
def test_what_could_mean_two_things_stays_the_text_that_it_is(text):
    assert meant(f"a: {text}") == {"a": text}
    assert meant(f"a: !!str {text}") == {"a": text}


def test_every_value_knows_its_line_and_the_keys_that_lead_to_it():
    faults = Faults()
    root = read_text("top:\n  a:\n    b: 1\n  c:\n  - x\n  -\n    d: 2\n", "f.yml", faults, "top")
    top = as_section(root, faults).section("top")
    b = top.section("a").entries["b"]
    d = top.listed("c")[1].value["d"]
    assert (b.line, b.path, d.line, d.path) == (3, "a.b", 7, "c[1].d")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &x [1]\nb: *x\n", "f.yml:2: b: `*x` is an alias, which is not read: write out what it stands for"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "f.yml:4: b.c: the key stands here a second time; it is in line 3 already"),
        ("a: 1\n---\nb: 1\n", "f.yml:2: a second document begins; there is one"),
        ("a: [1\nb: 2", "f.yml:2: this is no YAML: while parsing a flow sequence did not find expected ',' or ']'"),
        ("\n\na: 'x", "f.yml:3: this is no YAML: while scanning a quoted scalar found unexpected end of stream"),
        ("a:\n\tb: 1", "f.yml:2: this is no YAML: while scanning for the next token found character"),
        ("a: 1\nb: \x01", "f.yml:2: this is no YAML: a character that no text has"),
        ("a: !!python/object/apply:os.system [x]", "f.yml:1: a: the tag 'tag:yaml.org,2002:python/object/apply:os.sys"),
        ("a: !secret x", "f.yml:1: a: the tag '!secret' is not read: only plain values, lists and sections are"),
        (
            "a: !!int 5",
            "f.yml:1: a: the tag 'tag:yaml.org,2002:int' is not read: only plain values, lists and sections",
        ),
        ("? [a, b]\n: 1\n", "f.yml:1: a key must be text on one line"),
        ("'': 1", "f.yml:1: a key must be text on one line"),
        ("a: " + "[" * 70 + "]" * 70, "f.yml:1: sections within sections, more than 64 deep"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text, said):
    (found,) = said_of(text)
    assert found.startswith(said)


def test_all_that_is_wrong_is_told_at_once_and_in_the_order_of_the_lines():
    assert [fault.partition(" ")[0] for fault in said_of("a: *x\nb: 1\nb: 2\nc: !t 1\n")] == [
        "f.yml:1:",
        "f.yml:3:",
        "f.yml:4:",
    ]


def test_a_bomb_of_aliases_is_refused_before_it_grows():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert said_of("\n".join(lines))[0].startswith("f.yml:2: a1[0]: `*a0` is an alias")


@pytest.mark.parametrize("text", ["[" * 200_000, "{a: " * 100_000, "- " * 200_000, "a: [" + "*x," * 300_000 + "]"])
def test_a_hostile_text_is_refused_in_no_time(text):
    assert len(said_of(text)) <= 101


def test_a_file_that_is_none_is_told(tmp_path):
    for name, content, said in (
        ("large.yml", b"a: 1\n" * (BYTES_MAX // 5 + 1), "1: the file has more than 1 MiB"),
        ("latin.yml", "a: 1\nb: é".encode("latin-1"), "2: this is no UTF-8 text"),
        ("folder", None, "1: the file cannot be read: Is a directory"),
        ("nothing.yml", None, "1: the file cannot be read: No such file or directory"),
        ("x" * 300, None, "1: the file cannot be read: File name too long"),
    ):
        file = tmp_path / name
        if content is not None:
            file.write_bytes(content)
        elif name == "folder":
            file.mkdir()
        faults = Faults()
        assert read_file(file, faults) is None
        with pytest.raises(YamlInvalid) as caught:
            faults.raise_all()
        assert caught.value.message.startswith(f"{file}:{said}")


def test_a_file_from_windows_is_read(tmp_path):
    (tmp_path / "f.yml").write_bytes(b"\xef\xbb\xbfa: 1\r\nb:\r\n  c: x\r\n")
    faults = Faults()
    assert plain(read_file(tmp_path / "f.yml", faults)) == {"a": 1, "b": {"c": "x"}} and not faults


def test_a_fault_travels_with_its_parts():
    with pytest.raises(YamlInvalid) as caught:
        faults = Faults()
        faults.add(read_text("a: 1", "f.yml", faults).value["a"], "wrong")
        faults.raise_all()
    assert caught.value.code == "yaml_invalid"
    assert caught.value.details["faults"] == [{"file": "f.yml", "line": 1, "key": "a", "message": "wrong"}]
