"""Datastores that an author registers: found, filled, read and written by steps, and gone again."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

import pytest

from canalis.data import DataPath, DataReference, PipelineData
from canalis.databases import SqlDatastore
from canalis.dataset import Dataset, OutputFileDatasetConfig
from canalis.datastore import Datastore
from canalis.datastore_kinds import AzureFileDatastore, FsspecDatastore
from canalis.exceptions import DatasetValidationError, UserErrorException
from canalis.pipeline import Pipeline
from tests.scenes.conftest import log_of

SHARE_KEY = "bm90IGFza2Vk"


@pytest.mark.laptop("a file share is a folder there, and memory is that of its service")
def test_steps_read_and_write_what_lies_in_a_folder_and_what_a_library_leads_to(author, project):
    ws = author.ws
    share = Datastore.register_azure_file_share(ws, "share", "files", "contoso", account_key=SHARE_KEY, overwrite=True)
    far = Datastore.register_fsspec(ws, "far", "memory://scene/far", overwrite=True)
    assert type(Datastore(ws, "share")) is AzureFileDatastore and type(ws.datastores["far"]) is FsspecDatastore
    assert (share.container_name, share.account_name, share.account_key) == ("files", "contoso", SHARE_KEY)
    assert (far.url, far.options, far.datastore_type) == ("memory://scene/far", {}, "Fsspec")
    (project / "in.csv").write_text("a\n1\n2\n")
    for store in (share, far):
        store.upload_files(["in.csv"], target_path="in", overwrite=True, show_progress=False)
        assert Dataset.File.from_files((store, "in/*.csv")).to_path() == ["/in.csv"]
        assert Dataset.Tabular.from_delimited_files((store, "in/in.csv")).to_pandas_dataframe()["a"].sum() == 3

    mounted, copied = DataReference(share, "mounted", "in/in.csv"), DataReference(far, "copied", "in", mode="download")
    made, out = PipelineData("made", datastore=far), OutputFileDatasetConfig("out", destination=(far, "out/{run-id}"))
    first = author.step("first", """
        import shutil, sys
        mounted, copied, made, out = sys.argv[1:]
        print(open(mounted).read() == open(copied + "/in.csv").read())
        shutil.copy(mounted, made)
        open(out + "/more.txt", "w").write("more")
    """, arguments=[mounted, copied, made, out], inputs=[mounted, copied], outputs=[made])  # fmt: skip
    reading = Dataset.File.from_files(DataPath(far, "in/in.csv")).as_named_input("data").as_mount()
    second = author.step("second", """
        import os, sys
        print(open(sys.argv[1]).read(), os.listdir(sys.argv[2]), open(sys.argv[3]).read())
    """, arguments=[made, out.as_input("more"), reading], inputs=[made])  # fmt: skip
    run = author.runs(first, second)
    assert run.get_status() == "Finished", log_of(run, "first")
    assert log_of(run, "first") == "True\n" and log_of(run, "second") == "a\n1\n2\n ['more.txt'] a\n1\n2\n\n"
    step = run.find_step_run("first")[0]
    assert far.download("got", prefix=f"azureml/{step.id}", show_progress=False) == 1
    assert step.get_output_data("made").datastore.name == "far"

    for store in (share, far):
        store.unregister()
    with pytest.raises(UserErrorException, match="There is no datastore 'far'"):
        Datastore(ws, "far")
    gone = author.runs(first).find_step_run("first")[0]
    assert "There is no datastore 'share'" in str(gone.get_details())


def test_a_step_asks_a_database_for_its_rows(author, project):
    with sqlite3.connect(project / "sales.db") as database:
        database.execute("create table sales (town text, sum integer)")
        database.executemany("insert into sales values (?, ?)", [("Bonn", 1), ("Bonn", 2), ("Ulm", 4)])
    database.close()
    store = Datastore.register_sql(author.ws, "sales", f"sqlite:///{project}/sales.db", overwrite=True)
    assert type(Datastore(author.ws, "sales")) is SqlDatastore
    sums = Dataset.Tabular.from_sql_query((store, "select town, sum(sum) as s from sales group by town order by town"))
    registered = sums.register(author.ws, "sums of sales", create_new_version=True)
    assert Dataset.get_by_id(author.ws, registered.id).to_pandas_dataframe()["s"].tolist() == [3, 4]
    step = author.step("ask", """
        from azureml.core import Run
        inputs = Run.get_context().input_datasets
        print(inputs["sums"].to_pandas_dataframe()["s"].tolist(), inputs["known"].take(1).to_pandas_dataframe()["s"].tolist())
    """, inputs=[sums.as_named_input("sums"), registered.as_named_input("known")], allow_reuse=True)  # fmt: skip
    step.reuse_by_content = True
    run = author.runs(step)
    assert run.get_status() == "Finished", log_of(run, "ask")
    assert log_of(run, "ask") == "[3, 4] [3]\n"
    # Nobody can tell whether the rows are the same.
    assert [one.why for one in Pipeline(author.ws, steps=[step]).plan("scene")] == ["changed"]
    with pytest.raises(UserErrorException, match=r"is a database, which has rows and no files: .*from_sql_query"):
        Dataset.File.from_files((store, "a.csv"))
    store.unregister()


def test_what_is_wrong_with_a_datastore_is_told_where_it_is_named(ws):
    def register(name: str, container: str, **more: object) -> object:
        return Datastore.register_azure_blob_container(ws, name, container, "account", **more)

    for asking, said in (
        (lambda: register("no name", "container"), "cannot be the name of a datastore"),
        (lambda: register("d", "c"), "its container must have a name"),
        (lambda: register("d", "container", account_key=7), "account_key must be text"),
        (lambda: Datastore.get_default(ws).unregister(), "is one that every workspace has"),
        (lambda: Datastore(ws, "nothing"), "There is no datastore 'nothing' (there: "),
    ):
        with pytest.raises(UserErrorException) as told:
            asking()
        assert said in str(told.value)
    with pytest.raises(TypeError, match="is not registered with colour"):
        Datastore.register_dbfs(ws, "d", colour="red")
    with pytest.raises(DatasetValidationError, match=r"No file is at workspaceblobstore/none/\*.csv"):
        Dataset.File.from_files((Datastore.get_default(ws), "none/*.csv"))


def test_files_are_chosen_by_values_in_their_paths_and_what_is_known_of_them(ws, project):
    store = Datastore.get_default(ws)
    for path, text in (("nl/2025/a.csv", ""), ("nl/2026/b.csv", "1"), ("de/2026/c.txt", "22"), ("de/2026/d.csv", "3")):
        (project / "by" / path).parent.mkdir(parents=True, exist_ok=True)
        (project / "by" / path).write_text(text)
    store.upload("by", "chosen/by", overwrite=True, show_progress=False)
    made = Dataset.File.from_files((store, "chosen/by/**"), partition_format="/{country}/{year:yyyy}/*")
    assert made.partition_keys == ["country", "year"]

    def chosen(condition) -> list[str]:
        return sorted(path.rpartition("/")[2] for path in made.filter(condition).to_path())

    assert chosen(made["country"] == "nl") == ["a.csv", "b.csv"]
    assert chosen((made["year"] >= datetime(2026, 1, 1, tzinfo=UTC)) & ~(made["country"] == "nl")) == ["c.txt", "d.csv"]
    assert chosen(made.file_metadata("Size") > 0) == ["b.csv", "c.txt", "d.csv"]
    assert chosen((made.file_metadata("Extension") == ".txt") | (made.file_metadata("Size") == 0)) == ["a.csv", "c.txt"]
    assert chosen(made.file_metadata("LastModifiedTime") > datetime(2020, 1, 1, tzinfo=UTC))[0] == "a.csv"

    registered = made.register(ws, "chosen", description="by country", create_new_version=True)
    again = Dataset.get_by_name(ws, "chosen")
    assert again.partition_keys == ["country", "year"] and len(again.filter(again["country"] == "de").to_path()) == 2
    assert registered.add_tags({"a": 1, "b": "2"}).remove_tags(["a"]).tags == {"b": "2"}
    assert again.update(description="anew").description == "anew" and again.tags == {"b": "2"}
    for wrong, said in (
        (lambda: made.filter(made["country"] == "fr"), "No file of .* would be left; it has 4"),
        (lambda: made["town"], r"'town' is no value in the paths of .*\(there: country, year\)"),
        (lambda: made.filter("country"), "takes a condition such as"),
        (lambda: made.file_metadata("Colour"), "'Colour' is nothing that is known of files: Size"),
        (
            lambda: made.filter(made.file_metadata("Size") > made.file_metadata("LastModifiedTime")),
            "cannot be compared",
        ),
        (lambda: made.add_tags({"a": "b"}), "is not registered: register"),
        (lambda: registered.remove_tags("a"), "takes a list"),
        (lambda: Dataset.File.from_files((store, "chosen"), partition_format="/none"), "names no column"),
    ):
        with pytest.raises(UserErrorException, match=said):
            wrong()
    with pytest.raises(AttributeError, match=r"register_dask_dataframe .* will not come: write its parts as parquet"):
        _ = Dataset.Tabular.register_dask_dataframe
