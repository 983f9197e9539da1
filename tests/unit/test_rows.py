"""Rows of files: which types they have, what becomes of them, and what is said when they are not what they should be."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace

import pandas
import pyarrow
import pyarrow.parquet
import pytest

from canalis import tabular_dataset
from canalis.dataset import Dataset, DatasetConsumptionConfig, DataType, PromoteHeadersBehavior
from canalis.exceptions import DatasetExecutionError, DatasetValidationError, UserErrorException

Tabular = Dataset.Tabular
at = datetime.fromisoformat


class Files:
    """A datastore of this machine, in a workspace that has no service."""

    name, _lies_here = "files", True

    def __init__(self, root: Path) -> None:
        self.folder = root / "datastores" / "files"
        self.workspace = SimpleNamespace(_root=root, _client=SimpleNamespace(get=self._listed))

    def write(self, name: str, content: str | bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def _listed(self, route: str, prefix: str) -> list[dict[str, str]]:
        found = (path.relative_to(self.folder).as_posix() for path in sorted(self.folder.rglob("*")) if path.is_file())
        return [{"path": path} for path in found if path.startswith(prefix)]


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


@pytest.fixture
def rows(files):
    """What a dataframe has of one delimited file."""

    def read(text: str | bytes, **options: object):
        files.write("x.csv", text)
        return Tabular.from_delimited_files((files, "x.csv"), **options).to_pandas_dataframe()

    return read


def test_types_are_found_and_nothing_that_is_written_is_lost(rows):
    found = rows('day,at,n,part,yes,text,none\n2020-01-01,12:30,1,0.5,true,a,\n2020-01-02,07:05,,NaN,False,"b, c",\n')
    assert (
        found["day"].tolist() == [at("2020-01-01"), at("2020-01-02")] and str(found.dtypes["day"])[:10] == "datetime64"
    )
    assert found["at"].tolist() == ["12:30", "07:05"], "what looks like a time of day is text, as it was written"
    assert found["yes"].tolist() == [True, False] and found["text"].tolist() == ["a", "b, c"]
    assert found[["n", "part"]].isna().values.tolist() == [[False, False], [True, True]]
    late = "n\n" + "1\n" * 300_000 + "x\n"
    assert rows(late)["n"].iloc[-1] == "x", "a type that holds until the last row only is none"
    assert rows("a,a\n1,2\n").columns.tolist() == ["a", "a_1"]
    zoned = rows("t\n2020-01-01T02:00:00+02:00\n2020-01-01T00:00:00Z\n")["t"]
    assert zoned.nunique() == 1 and zoned.dt.tz is None


def test_what_an_author_says_of_delimited_files_holds(rows):
    assert rows("a;b\n1;\n", separator=";")["b"].isna().all()
    assert rows("a,b\n1,\n", infer_column_types=False, empty_as_string=True).values.tolist() == [["1", ""]]
    assert rows("1,x\n2,y\n", header=False, set_column_types={"Column1": DataType.to_string()}).to_dict("list") == {
        "Column1": ["1", "2"],
        "Column2": ["x", "y"],
    }
    assert rows('a,b\n"1\n2",x\n', support_multi_line=True)["a"].tolist() == ["1\n2"]
    assert rows("a\né\n".encode("utf16"), encoding="utf16")["a"].tolist() == ["é"]
    assert rows("\ufeffa\né\n", encoding="utf8bom")["a"].tolist() == ["é"]
    types = {
        "f": DataType.to_float(decimal_mark=","),
        "n": DataType.to_long(),
        "y": DataType.to_bool(),
        "d": DataType.to_datetime("%d/%m/%y"),
        "e": DataType.to_datetime(),
    }
    text = 'f,n,y,d,e\n"1.234,5",7,1,31/01/20,01/31/2020\nx,1.5,maybe,2020,soon\n'
    found = rows(text, set_column_types=types)
    assert found.iloc[0].tolist() == [1234.5, 7, True, at("2020-01-31"), at("2020-01-31")]
    assert found.iloc[1].isna().all()


def test_files_are_read_together_as_their_headers_say(files):
    files.write("in/1.csv", "a,b\n1,x\n")
    files.write("in/2.csv", "b,c\ny,2.5\n")
    files.write("in/3.csv", "")
    with pytest.raises(
        DatasetExecutionError, match=r"in/2\.csv has other columns than in/1\.csv: 'a', 'c'.*COMBINE_ALL"
    ):
        Tabular.from_delimited_files((files, "in")).to_pandas_dataframe()
    combined = Tabular.from_delimited_files((files, "in"), header=PromoteHeadersBehavior.COMBINE_ALL_FILES_HEADERS)
    assert combined.to_pandas_dataframe().isna().values.tolist() == [[False, False, True], [True, False, False]]
    files.write("one/1.csv", "a,b\n1,x\n")
    files.write("one/2.csv", "2,y\n")
    first = Tabular.from_delimited_files((files, "one"), header=PromoteHeadersBehavior.ONLY_FIRST_FILE_HAS_HEADERS)
    assert first.to_pandas_dataframe().values.tolist() == [[1, "x"], [2, "y"]]

    files.write("mixed/1.csv", "a\n1\n")
    files.write("mixed/2.csv", "a\nx\n")
    mixed = Tabular.from_delimited_files([(files, "mixed/1.csv"), (files, "mixed/2.csv")])
    with pytest.raises(DatasetExecutionError, match=r"column 'a'.*int64, string.*set_column_types=\{'a'"):
        mixed.to_pandas_dataframe(on_error="fail")
    as_text = Tabular.from_delimited_files((files, "mixed"), set_column_types={"a": DataType.to_string()})
    assert as_text.to_pandas_dataframe()["a"].tolist() == ["1", "x"]


def test_a_file_without_rows_has_its_columns_and_one_without_a_header_is_told(files):
    files.write("e/e.csv", "a,b\n")
    files.write("open.csv", "a,b")
    files.write("some.csv", "a,b\n1,x\n")
    files.write("zero.csv", "")
    files.write("blank.csv", "\n\n")
    for name in ("e/e.csv", "open.csv"):
        table = Tabular.from_delimited_files((files, name))
        assert table.to_pandas_dataframe().columns.tolist() == ["a", "b"] and table.take(1).to_pandas_dataframe().empty
        for order in ([name, "some.csv"], ["some.csv", name, "zero.csv", "blank.csv"]):
            found = Tabular.from_delimited_files([(files, one) for one in order]).to_pandas_dataframe()
            assert found.values.tolist() == [[1, "x"]] and str(found.dtypes["a"]) == "int64", order
    for name in ("zero.csv", "blank.csv"):
        with pytest.raises(DatasetValidationError, match=rf"{name} is empty: .*needs the line with their names"):
            Tabular.from_delimited_files((files, name))
    with pytest.raises(DatasetExecutionError, match="is empty, like 1 more: "):
        Tabular.from_delimited_files([(files, "zero.csv"), (files, "blank.csv")], validate=False).to_pandas_dataframe()


def test_lines_with_more_or_fewer_values_keep_their_place_and_what_they_have(files):
    text = "a,b,c\n1,x,2\n\n3\n4,y,5,surplus\n" + "6,z,7\n" * 100_000 + "8,,9,,\n10\n"
    files.write("x.csv", text)
    table = Tabular.from_delimited_files((files, "x.csv"), validate=False)
    with pytest.warns(UserWarning, match=r"x\.csv: rows with .*: 4\. .* row 3, '3'\. .*on_error='fail'"):
        found = table.to_pandas_dataframe()
    assert found["a"].tolist() == [1, 3, 4, *[6] * 100_000, 8, 10]
    assert found["b"].fillna("-").tolist() == ["x", "-", "y", *["z"] * 100_000, "-", "-"]
    assert found["c"].fillna(-1).tolist() == [2, -1, 5, *[7] * 100_000, 9, -1]
    with pytest.raises(DatasetExecutionError, match=r"x\.csv.*Expected 3 columns, got 1"):
        table.to_pandas_dataframe(on_error="fail")
    with pytest.warns(UserWarning, match=r"columns: 4\."):
        assert table.take(2).to_pandas_dataframe()["a"].tolist() == [1, 3]

    files.write("x.csv", "1,x\n2\n07:30,y,z\n")  # in the line alone that is too long it is no number
    plain = Tabular.from_delimited_files((files, "x.csv"), validate=False, header=False)
    with pytest.warns(UserWarning, match="row 2, '2'"):
        assert plain.to_pandas_dataframe().fillna("-").values.tolist() == [["1", "x"], ["2", "-"], ["07:30", "y"]]


def test_a_column_that_is_a_number_here_and_a_word_there_is_text_as_it_is_written(files):
    kinds = {"int": "007", "part": "1.50", "day": "2021-01-01", "yes": "true", "word": "x", "none": ""}
    for name, value in kinds.items():
        files.write(f"{name}.csv", f"a,b\n{value},1\n")
        files.write(f"{name}.jsonl", json.dumps({"a": {"int": 7, "word": "x", "none": [1]}.get(name)}))

    def read(*names: str):
        return Tabular.from_delimited_files([(files, f"{name}.csv") for name in names])

    for one, other in (("int", "word"), ("part", "day"), ("yes", "int"), ("day", "yes")):
        for names in ((one, other), (other, one, "none")):
            found = read(*names).to_pandas_dataframe()
            assert found["a"].dropna().tolist() == [kinds[name] for name in names if name != "none"]
            assert found["b"].tolist() == [1] * len(names)
        with pytest.raises(DatasetExecutionError, match=r"do not agree on column 'a'.*DataType\.to_string\(\)"):
            read(one, other).to_pandas_dataframe(on_error="fail")
    assert read("int", "part", "none").to_pandas_dataframe()["a"].tolist()[:2] == [7, 1.5], "numbers stay numbers"
    assert read("int", "word").keep_columns("b").to_pandas_dataframe(on_error="fail")["b"].tolist() == [1, 1]

    lines = Tabular.from_json_lines_files([(files, f"{name}.jsonl") for name in ("int", "word")])
    assert lines.to_pandas_dataframe()["a"].tolist() == ["7", "x"]
    with pytest.raises(DatasetExecutionError, match="do not agree on column 'a'"):
        Tabular.from_json_lines_files([(files, f"{name}.jsonl") for name in ("int", "none")]).to_pandas_dataframe()


def test_operations_are_done_in_their_order_and_name_columns_that_are_not_there(files):
    files.write("a.csv", "n,s\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(60)))
    files.write("b.csv", "n,s\n" + "".join(f"{n},c\n" for n in range(60, 100)))
    whole = Tabular.from_delimited_files([(files, "a.csv"), (files, "b.csv")])
    numbers = lambda dataset: dataset.to_pandas_dataframe()["n"].tolist()  # noqa: E731

    assert numbers(whole.skip(58).take(4)) == [58, 59, 60, 61] and numbers(whole.take(4).skip(3)) == [3]
    assert numbers(whole.take(0)) == [] and numbers(whole.skip(200)) == []
    one, other = whole.random_split(0.3)
    assert sorted(numbers(one) + numbers(other)) == list(range(100)) and 10 < len(numbers(one)) < 50
    assert numbers(one) == numbers(one), "drawn once"
    assert numbers(whole.take_sample(0.5, seed=1)) == numbers(whole.take_sample(0.5, seed=1))
    assert numbers(whole.take_sample(0)) == [] and len(numbers(whole.take_sample(1.0))) == 100
    some = whole.filter(((whole["n"] >= 58) & ~(whole["s"] == "c")) | (whole["n"] == 99)).keep_columns("n")
    assert some.to_pandas_dataframe().to_dict("list") == {"n": [58, 59, 99]}
    assert whole.drop_columns("n").take(1).to_pandas_dataframe().columns.tolist() == ["s"]

    for wrong in (whole.keep_columns(["x"]), whole.drop_columns("x"), whole.filter(whole["x"] == 1)):
        with pytest.raises(DatasetExecutionError, match=r"names 'x'.*it has: n, s"):
            wrong.to_pandas_dataframe()
    with pytest.raises(DatasetValidationError, match="names 'x'"):
        whole.keep_columns("x", validate=True)
    with pytest.raises(DatasetExecutionError, match=r"'n' is int64; set_column_types"):
        whole.filter(whole["n"] == "x").to_pandas_dataframe()
    with pytest.raises(UserErrorException, match="join them by &"):
        whole.filter(whole["n"] > 1 and whole["n"] < 3)
    for call in (lambda: whole.take(-1), lambda: whole.random_split(2), lambda: whole.take_sample(0.1, seed="x")):
        with pytest.raises(UserErrorException, match="takes a"):
            call()


def test_rows_have_a_time_and_a_place_in_a_path(files):
    for day in ("01", "02"):
        files.write(f"t/nl/2020/{day}/x.csv", f"at,n\n2020-01-{day} 10:00:00,{day}\n")
    whole = Tabular.from_delimited_files((files, "t"), partition_format="/{of}/{day:yyyy}/*/x.csv")
    assert whole.partition_keys == ["of", "day"]
    timed = whole.with_timestamp_columns("at", "day", validate=True)
    assert timed.timestamp_columns == ("at", "day")
    count = lambda dataset: len(dataset.to_pandas_dataframe())  # noqa: E731
    first, second = at("2020-01-01 10:00"), at("2020-01-02 10:00")
    assert count(timed.time_before(first)) == 1 == count(timed.time_after(first, include_boundary=False))
    assert count(timed.time_between(first, second)) == 2 and count(timed.filter(timed["at"] > date(2020, 1, 2))) == 1
    with pytest.raises(UserErrorException, match=r"with_timestamp_columns\(timestamp='column'\)"):
        whole.time_before(first)
    with pytest.raises(DatasetValidationError, match=r"t/nl/2020/01/x\.csv does not end as partition_format"):
        Tabular.from_delimited_files((files, "t"), partition_format="/{day:yyyy}/y.csv")


def test_parquet_and_json_lines_are_read(files):
    old = pyarrow.table({"n": [1, 2], "at": [at("1500-01-01"), at("2020-01-01")]})
    (files.folder).mkdir(parents=True)
    pyarrow.parquet.write_table(old, files.folder / "x.parquet")
    parquet = Tabular.from_parquet_files((files, "x.parquet"), set_column_types={"n": DataType.to_string()})
    assert parquet.to_pandas_dataframe()["n"].tolist() == ["1", "2"]
    assert parquet.take(1).to_pandas_dataframe()["at"].isna().all()
    for refused in ("fail", "error"):
        with pytest.raises(DatasetExecutionError, match=r"Column 'at'.*1500.*out_of_range_datetime='null'"):
            parquet.to_pandas_dataframe(out_of_range_datetime=refused)
    with pytest.raises(UserErrorException, match="out_of_range_datetime are 'null' or 'fail'"):
        parquet.to_pandas_dataframe(out_of_range_datetime="raise")

    files.write("x.jsonl", '{"n": 1, "s": "é"}\n{"n": 2.5}\nnonsense\n'.encode("latin1"))
    lines = Tabular.from_json_lines_files((files, "x.jsonl"), invalid_lines="drop", encoding="latin1")
    assert lines.to_pandas_dataframe()["n"].tolist() == [1, 2.5] and lines.to_pandas_dataframe()["s"][0] == "é"
    with pytest.raises(DatasetValidationError, match=r"x\.jsonl cannot be read"):
        Tabular.from_json_lines_files((files, "x.jsonl"))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda files: Tabular.from_delimited_files((files, "no/*.csv")),
            r"No file is at files/no/\*\.csv.*validate=False",
        ),
        (
            lambda files: Tabular.from_delimited_files((files, "latin.csv")),
            r"latin\.csv.*encoding is not utf8.*windows1252",
        ),
        (lambda files: Tabular.from_delimited_files((files, "broken.csv")), r"broken\.csv.*support_multi_line=True"),
        (lambda files: Tabular.from_delimited_files((files, "semicolons.csv")), r"semicolons\.csv.*mend separator="),
        (lambda files: Tabular.from_parquet_files((files, "latin.csv")), r"latin\.csv cannot be read"),
        (
            lambda files: Tabular.from_delimited_files((files, "x"), encoding="klingon"),
            "'klingon' is no encoding: utf8",
        ),
        (lambda files: Tabular.from_delimited_files((files, "x"), separator=", "), "use one sign"),
        (
            lambda files: Tabular.from_delimited_files((files, "x"), set_column_types={"a": int}),
            r"DataType\.to_string\(\)",
        ),
        (lambda files: Tabular.from_delimited_files((files, "x"), partition_format="/x.csv"), "names no column"),
        (
            lambda files: Tabular.from_delimited_files((files, "ok.csv"), set_column_types={"x": DataType.to_long()}),
            r"set_column_types names 'x', and ok\.csv has no such column \(it has: a\)",
        ),
        (lambda files: Tabular.from_delimited_files([]), "needs a place"),
        (lambda files: Tabular.from_delimited_files("https://x/y.csv"), "Upload them to a datastore first"),
        (lambda files: Tabular.from_sql_query("select 1"), r"takes \(datastore, .select"),
        (lambda files: Tabular.register_pandas_dataframe([1], (files, "x"), "n"), "takes a dataframe, not list"),
    ],
)
def test_what_cannot_be_read_says_why_and_what_to_do(files, make, said):
    files.write("latin.csv", "a\né\n".encode("latin1"))
    files.write("broken.csv", 'a,b\n1,2\n1,2,"3\n')
    files.write("semicolons.csv", "a;b\n1,5;2\n2,5;3\n")
    files.write("ok.csv", "a\n1\n")
    with pytest.raises(UserErrorException, match=said):
        make(files)


def test_a_value_of_another_type_is_an_error_when_that_is_asked_for(files):
    files.write("x.csv", "n\n1\nx\n")
    whole = Tabular.from_delimited_files((files, "x.csv"), set_column_types={"n": DataType.to_long()})
    assert whole.to_pandas_dataframe()["n"].isna().tolist() == [False, True]
    with pytest.raises(DatasetExecutionError, match=r"Column 'n' has values that are no long, such as 'x'"):
        whole.to_pandas_dataframe(on_error="fail")


def test_rows_are_read_in_mode_direct_alone(files):
    whole = Tabular.from_delimited_files((files, "x.csv"), validate=False)
    for mode in ("mount", "download"):
        with pytest.raises(UserErrorException, match=r"has rows.*input_datasets\['x'\]"):
            DatasetConsumptionConfig("x", whole, mode)
    with pytest.raises(DatasetValidationError, match=r"No file is at files/x\.csv"):
        whole.to_pandas_dataframe()


def test_packages_that_are_not_there_are_named(files, monkeypatch):
    files.write("x.csv", "n\n1\n")
    whole = Tabular.from_delimited_files((files, "x.csv"))
    with pytest.raises(UserErrorException, match=r"to_spark_dataframe\(\) needs pyspark.*pip install 'pyspark'"):
        whole.to_spark_dataframe()
    monkeypatch.setattr(tabular_dataset, "find_spec", lambda name: None)
    assert Tabular.from_delimited_files((files, "x.csv")).id == whole.id, "what is not read needs nothing"
    with pytest.raises(UserErrorException, match="needs pandas"):
        whole.to_pandas_dataframe()
    with pytest.raises(UserErrorException, match=r"needs pyarrow.*pip install 'canalis\[tables\]'"):
        whole._arrow()


def test_naming_datasets_loads_neither_pyarrow_nor_pandas():
    import subprocess

    text = (
        "import sys, canalis, canalis.dataset, canalis.context\nprint({'pyarrow', 'pandas', 'numpy'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    assert pandas.__version__
