"""Files that DuckDB cannot read by itself, and files that cannot be read at all."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from canalis.usql import delimited
from canalis.usql.faults import ScriptFailed
from canalis.usql.options import Options
from canalis.usql.running import run_script

READ = '@a = EXTRACT n int, s string FROM "@@in@@" USING Extractors.{};\n'
WRITE = 'OUTPUT @a TO "@@out@@" ORDER BY n USING Outputters.{};'


def run(folder: Path, data: bytes, read: str, write: str = "Csv()") -> bytes:
    (folder / "in").write_bytes(data)
    values = {"in": str(folder / "in"), "out": str(folder / "out")}
    run_script(READ.format(read) + WRITE.format(write), values, lambda said: None)
    return (folder / "out").read_bytes()


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("Unicode", "utf-16"),
        ("Unicode", "utf-16-le"),
        ("BigEndianUnicode", "utf-16-be"),
        ("UTF32", "utf-32-le"),
        ("UTF7", "utf-7"),
        ("UTF8", "utf-8-sig"),
    ],
)
def test_a_file_in_another_encoding_is_read_and_one_is_written(name, codec, tmp_path):
    found = run(
        tmp_path,
        '1,"né, è"\r\n2,日本\r\n'.encode(codec),
        f"Csv(encoding: Encoding.{name})",
        f"Csv(encoding: Encoding.{name})",
    )
    assert found.decode(codec.replace("-sig", "")).lstrip("\ufeff") == '1,"né, è"\r\n2,"日本"\r\n'


@pytest.mark.parametrize("data", [b"1,a\r\n2,b\n3,c\r4,d", b"1,a\n2,b\r\n3,c\n4,d\n"])
def test_line_ends_of_all_kinds_may_stand_in_one_file(data, tmp_path):
    assert run(tmp_path, data, "Csv()") == b'1,"a"\r\n2,"b"\r\n3,"c"\r\n4,"d"\r\n'


@pytest.mark.parametrize("read", ["Csv()", "Csv(encoding: Encoding.Unicode)", "Csv(escapeCharacter: '^')"])
def test_a_packed_file_is_unpacked_by_its_name(read, tmp_path):
    text = "".join(f"{n},{'x' * (n % 7)}y\n" for n in range(500))
    data = gzip.compress(text.encode("utf-16-le" if "Unicode" in read else "utf-8"))
    (tmp_path / "in.gz").write_bytes(data)
    values = {"in": str(tmp_path / "in.gz"), "out": str(tmp_path / "out")}
    run_script(READ.format(read) + WRITE.format("Csv(quoting: false)"), values, lambda said: None)
    assert (tmp_path / "out").read_bytes().decode() == text.replace("\n", "\r\n")


def test_signs_of_a_pattern_in_a_files_name_are_signs(tmp_path):
    (tmp_path / "a1.csv").write_text("1,wrong\n")
    (tmp_path / "a[1]*?.csv").write_text("2,right\n")
    script = READ.replace("@@in@@", "@@in@@/a[1]*?.csv").format("Csv()") + WRITE.format("Csv()")
    run_script(script, {"in": str(tmp_path), "out": str(tmp_path / "out")}, lambda said: None)
    assert (tmp_path / "out").read_text() == '2,"right"\n'
    sets = (
        '@a = EXTRACT n int, s string, name string FROM "@@in@@/{name}.csv" USING Extractors.Csv();\n'
        + WRITE.format("Csv()")
    )
    run_script(sets, {"in": str(tmp_path), "out": str(tmp_path / "out")}, lambda said: None)
    assert (tmp_path / "out").read_text() == '1,"wrong","a1"\n2,"right","a[1]*?"\n'


def test_rows_may_end_with_any_text_when_read_and_when_written(tmp_path):
    found = run(
        tmp_path,
        b'1,a#b<>2,"c<>d"<>3,<',
        "Text(delimiter: ',', rowDelimiter: \"<>\")",
        'Csv(rowDelimiter: "~~", quoting: false)',
    )
    assert found == b"1,a#b~~2,c<>d~~3,<~~"


@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
def test_a_row_may_stand_across_the_pieces_in_which_a_file_is_read(chunk, tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "_CHUNK", chunk)
    (tmp_path / "in").write_text('a\\|b|"c""|d"\r\n\r\n|""\n"x"y|\\\nz\r', newline="")
    delimited.rewrite(str(tmp_path / "in"), tmp_path / "out", Options(delimiter="|", escape="\\"))
    assert (tmp_path / "out").read_text() == '"a|b","c""|d"\n,""\n"xy","\nz"\n'


@pytest.mark.parametrize(
    ("data", "read", "said"),
    [
        (b"1,a\n2\n", "Csv()", "in, line 2 has 1 columns, and 2 are extracted; silent: true leaves such rows out"),
        (b"1,a\nx,b\n", "Csv()", "EXTRACT in line 1, column n: 'x' is no int"),
        (b"1,a\n1.0,b\n", "Csv()", "EXTRACT in line 1, column n: '1.0' is no int"),
        (
            b"1,a\n,b\n",
            "Csv()",
            "EXTRACT in line 1, column n: there is nothing in a field, and int has no null; int? has",
        ),
        (b"1,\xff\n", "Csv()", "in, line 1: Invalid unicode"),
        (b"1,\xff\n", "Csv(escapeCharacter: '^')", "line 1: '"),
        (b"1,a\n2,b\n", "Csv(encoding: Encoding.UTF32)", "line 1: '"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place_and_nothing_is_written(data, read, said, tmp_path):
    (tmp_path / "out").write_text("what was there before")
    with pytest.raises(ScriptFailed) as failed:
        run(tmp_path, data, read)
    assert said in str(failed.value)
    assert (tmp_path / "out").read_text() == "what was there before"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in", "out"]


def test_of_several_outputs_none_is_there_when_one_fails(tmp_path):
    script = """@a = SELECT * FROM (VALUES (1), (0)) AS T(n);
        @b = SELECT 1 / n AS n FROM @a;
        OUTPUT @a TO "@@out@@/a" USING Outputters.Csv();
        OUTPUT @b TO "@@out@@/b" USING Outputters.Csv();"""
    said: list[str] = []
    with pytest.raises(ScriptFailed, match="OUTPUT in line 4: Division by zero"):
        run_script(script, {"out": str(tmp_path / "out")}, said.append)
    assert len(said) == 1 and list((tmp_path / "out").iterdir()) == []


def test_an_output_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    script = 'OUTPUT @a TO "@@out@@/a/b" USING Outputters.Csv();'
    with pytest.raises(ScriptFailed, match=r"file/a cannot be written: Not a directory|file cannot be written"):
        run_script(
            "@a = SELECT 1 AS n FROM (VALUES (1)) AS T(x);\n" + script,
            {"out": str(tmp_path / "file")},
            lambda said: None,
        )
