"""Datasets of rows: made, registered, read in steps, and written."""

from __future__ import annotations

from pathlib import Path

import pytest
from azureml.core import Dataset
from azureml.data import DataType, OutputFileDatasetConfig
from azureml.data.datapath import DataPath
from azureml.exceptions import UserErrorException

from canalis.data import PipelineData, PipelineParameter
from canalis.dataset import DatasetConsumptionConfig, TabularDataset
from tests.scenes.conftest import log_of

WEATHER = {
    "nl/2020.csv": "day,station,rain,code\n2020-01-01,De Bilt,1.5,007\n2020-01-02,Eelde,,008\n",
    "nl/2021.csv": "day,station,rain,code\n2021-01-01,De Bilt,0,009\n",
    "be/2020.csv": "day,station,rain,code\n2020-01-01,Ukkel,n/a,010\n",
}


@pytest.fixture
def weather(ws):
    """A datastore with rows of three files."""
    store = ws.get_default_datastore()
    for name, text in WEATHER.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    store.upload_files(list(WEATHER), relative_root=".", target_path="weather", overwrite=True, show_progress=False)
    return store


def test_rows_are_read_in_a_step_as_they_were_defined_with_and_without_a_name(author, ws, weather):
    rows = Dataset.Tabular.from_delimited_files(
        (weather, "weather/**/*.csv"),
        include_path=True,
        partition_format="/{country}/{year:yyyy}.csv",
        set_column_types={"rain": DataType.to_float(), "code": DataType.to_string()},
    )
    named = rows.filter(rows["station"] == "De Bilt").register(ws, "De Bilt", "rain", {"of": "knmi"})
    assert (named.version, named.tags) == (1, {"of": "knmi"})
    assert named.register(ws, "De Bilt").version == 1
    assert rows.register(ws, "De Bilt", create_new_version=True).version == 2
    found = Dataset.get_by_name(ws, "De Bilt", version=1)
    assert type(found) is TabularDataset and found.id == Dataset.get_by_id(ws, named.id).id != rows.id

    parameter = PipelineParameter("rows", rows.keep_columns(["rain"]))
    run = author.runs(
        author.step(
            "read",
            """
            import sys
            from azureml.core import Dataset, Run
            from azureml.data import TabularDataset
            run = Run.get_context()
            sets = run.input_datasets
            for name in ("plain", "named", "chosen"):
                assert type(sets[name]) is TabularDataset, sets
            plain = sets["plain"].to_pandas_dataframe()
            print(list(plain.columns), str(plain.dtypes["day"]), plain.shape)
            print(plain.drop(columns=["day"]).astype(str).values.tolist()[-1])
            print(sets["named"].name, sets["named"].version, sets["named"].to_pandas_dataframe()["code"].tolist())
            print(sets["chosen"].to_pandas_dataframe().isna()["rain"].tolist())
            by_id = Dataset.get_by_id(run.experiment.workspace, sys.argv[1])
            print(by_id.take(1).to_pandas_dataframe()["country"].tolist(), by_id.partition_keys)
            """,
            arguments=[rows.as_named_input("plain")],
            inputs=[found.as_named_input("named"), DatasetConsumptionConfig("chosen", parameter)],
        )
    )
    assert log_of(run, "read").splitlines() == [
        "['Path', 'country', 'year', 'day', 'station', 'rain', 'code'] datetime64[ns] (4, 7)",
        "['/weather/nl/2021.csv', 'nl', '2021-01-01', 'De Bilt', '0.0', '009']",
        "De Bilt 1 ['007', '009']",
        "[True, False, True, False]",
        "['be'] ['country', 'year']",
    ]
    found.unregister_all_versions()
    with pytest.raises(UserErrorException, match="There is no dataset 'De Bilt'"):
        Dataset.get_by_name(ws, "De Bilt")
    with pytest.raises(UserErrorException, match="no dataset with the id"):
        Dataset.get_by_id(ws, named.id)


def test_what_a_step_writes_is_read_as_rows_by_others(author, weather):
    made = OutputFileDatasetConfig("made")
    table = made.read_delimited_files(set_column_types={"n": DataType.to_string()})
    some, others = table.drop_columns("m").random_split(0.5, seed=1)
    run = author.runs(
        author.step(
            "make",
            "import sys\nopen(sys.argv[1] + '/x.csv', 'w').write('n,m\\n' + ''.join(f'{n:02},{n}\\n' for n in range(9)))",
            arguments=[made],
        ),
        author.step(
            "read",
            """
            from azureml.core import Run
            sets = Run.get_context().input_datasets
            some, others = (sets[name].to_pandas_dataframe() for name in ("some", "others"))
            assert list(some.columns) == ["n"] and 0 < len(some) < 9
            print(sorted([*some["n"], *others["n"]]))
            print(len(sets["all"].to_pandas_dataframe().columns))
            """,
            inputs=[some.as_input("some"), others.as_input("others"), table.as_input("all")],
        ),
    )
    assert log_of(run, "read").splitlines() == [str([f"{n:02}" for n in range(9)]), "2"]


def test_what_a_step_writes_is_registered_when_it_has_succeeded(author, ws, weather):
    rows = OutputFileDatasetConfig("rows", destination=(weather, "done [x]/{run-id}")).read_delimited_files()
    rows = rows.register_on_complete("made rows", "of a step", {"by": "us"})
    files = PipelineData("files", is_directory=True).as_dataset().register("made files")
    never = OutputFileDatasetConfig("never").register_on_complete("never made")
    write = "import os, sys\nfor path in sys.argv[1:]:\n    os.makedirs(path, exist_ok=True)\n    open(path + '/x.csv', 'w').write('n,m\\n7,8\\n')\n"
    table = files.parse_delimited_files(set_column_types={"n": DataType.to_string()}).drop_columns("m")
    steps = (
        author.step("make", write, arguments=[rows, files], outputs=[files]),
        author.step("fail", "import sys; sys.exit(1)", arguments=[never]),
        author.step(
            "read",
            """
            import os, sys
            from azureml.core import Run
            sets = Run.get_context().input_datasets
            print(sets["files"].to_pandas_dataframe().to_dict("list"), os.listdir(sets["folder"]), sys.argv[1] == sets["folder"])
            print(sets["direct"].to_path())
            """,
            arguments=[folder := files.as_named_input("folder").as_download()],
            inputs=[table, folder, files.as_named_input("direct").as_direct()],
        ),
    )
    for version in (1, 2):
        run = author.runs(*steps, continue_on_step_failure=True)
        assert log_of(run, "read").splitlines() == ["{'n': ['7']} ['x.csv'] True", "['/x.csv']"]
        made = Dataset.get_by_name(ws, "made rows")
        assert (made.version, made.description, made.tags) == (version, "of a step", {"by": "us"})
        assert made.to_pandas_dataframe().to_dict("list") == {"n": [7], "m": [8]}
        assert Dataset.get_by_name(ws, "made files").version == version
    assert "never made" not in ws.datasets
    made.unregister_all_versions()
    with pytest.raises(UserErrorException, match="cannot be the name of a dataset"):
        never.register_on_complete("a/b")


def test_rows_become_files_and_dataframes_datasets(ws, weather):
    import pandas

    frame = pandas.DataFrame({"n": range(6), "of": ["a", "b", "c"] * 2})
    for version in (1, 2):
        made = Dataset.Tabular.register_pandas_dataframe(frame, (weather, "frames"), "frame", show_progress=False)
        assert (made.name, made.version) == ("frame", version)
    frame = frame.astype(made.to_pandas_dataframe().dtypes)
    pandas.testing.assert_frame_equal(ws.datasets["frame"].to_pandas_dataframe(), frame)

    apart = made.partition_by(["of"], DataPath(weather, "apart"), name="apart", show_progress=False)
    assert (apart.partition_keys, apart.version) == (["of"], 1)
    again = Dataset.get_by_name(ws, "apart")
    assert again.filter(again["of"] == "b").to_pandas_dataframe()["n"].tolist() == [1, 4]
    assert again.get_partition_key_values()["of"].tolist() == ["a", "b", "c"]

    csv, parquet = made.take(2).to_csv_files(separator=";"), made.skip(4).to_parquet_files()
    assert Path(csv.download("csv")[0]).read_text().replace('"', "") == "n;of\n0;a\n1;b\n"
    assert pandas.read_parquet(parquet.download("parquet")[0])["n"].tolist() == [4, 5]
    made.unregister_all_versions(), apart.unregister_all_versions()


def test_some_files_of_a_dataset_are_a_dataset(author, weather):
    files = Dataset.File.from_files((weather, "weather/**/*.csv"))
    first, others = files.take(1), files.skip(1)
    assert (first.to_path(), others.to_path()) == (["/2020.csv"], ["/2020.csv", "/2021.csv"])
    one, other = files.random_split(0.4, seed=3)
    assert len(one.to_path()) + len(other.to_path()) == 3 == len(files.take_sample(1).to_path())
    with files.mount() as mounted:
        assert Path(mounted.mount_point, "nl/2021.csv").read_text() == WEATHER["nl/2021.csv"]
    assert not Path(mounted._dataset.id).exists()
    with pytest.raises(UserErrorException, match="before start"):
        print(mounted.mount_point)
    run = author.runs(
        author.step(
            "read",
            "import os, sys\nprint(open(sys.argv[1]).read()[:3], sorted(os.listdir(sys.argv[2])))",
            arguments=[first.as_named_input("one").as_download(), others.as_named_input("two").as_mount()],
        )
    )
    assert log_of(run, "read").strip() == "day ['2020.csv', '2021.csv']"
