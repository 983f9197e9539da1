"""Data that steps hand each other, in each of v1's ways to say so."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path

import pytest

from canalis.data import DataPath, DataPathComputeBinding, DataReference, PipelineData, PipelineParameter
from canalis.dataset import Dataset, OutputFileDatasetConfig
from canalis.exceptions import UserErrorException
from canalis.pipeline import Pipeline
from tests.scenes.conftest import log_of

WRITE_FILE = """
    import sys
    open(sys.argv[1], "w").write("a file")
"""
WRITE_FOLDER = """
    import os, sys
    os.makedirs(sys.argv[1], exist_ok=True)
    for name in ("one.txt", "two.txt"):
        open(os.path.join(sys.argv[1], name), "w").write(name)
"""
READ = """
    import os, sys
    for path in sys.argv[1:]:
        if os.path.isdir(path):
            for root, _, names in sorted(os.walk(path)):
                for name in sorted(names):
                    found = os.path.join(root, name)
                    print(os.path.relpath(found, path), "=", open(found).read())
        else:
            print("file =", open(path).read())
"""


def test_pipeline_data_is_a_file_or_a_folder_as_the_script_decides(author):
    file, folder = PipelineData("a_file"), PipelineData("a_folder", is_directory=True)
    steps = [
        author.step("write_file", WRITE_FILE, arguments=[file], outputs=[file]),
        author.step("write_folder", WRITE_FOLDER, arguments=[folder], outputs=[folder]),
        author.step("read", READ, arguments=[file, folder], inputs=[file, folder]),
    ]

    run = author.runs(*steps)

    assert run.get_status() == "Finished"
    assert log_of(run, "read").splitlines() == ["file = a file", "one.txt = one.txt", "two.txt = two.txt"]


def test_outputs_lie_where_v1_put_them_and_are_downloaded_with_their_whole_path(author, project):
    folder = PipelineData("model", pipeline_output_name="the_model")
    run = author.runs(author.step("train", WRITE_FOLDER, arguments=[folder], outputs=[folder]))
    (step,) = run.find_step_run("train")

    assert step.get_output_data("model").path_on_datastore == f"azureml/{step.id}/model"
    assert step.get_outputs()["model"].name == "model"
    for reference in (step.get_output_data("model"), run.get_pipeline_output("the_model")):
        assert reference.download(str(project / "got"), overwrite=True, show_progress=False) == 2
    assert os.listdir(project / "got" / "azureml") == [step.id]
    assert (project / "got" / "azureml" / step.id / "model" / "one.txt").read_text() == "one.txt"


def test_the_output_of_one_run_is_the_input_of_another_pipeline(author):
    folder = PipelineData("made")
    first = author.runs(author.step("make", WRITE_FOLDER, arguments=[folder], outputs=[folder]))
    made = first.find_step_run("make")[0].get_output_data("made")

    second = author.runs(author.step("read", READ, arguments=[made], inputs=[made]))
    assert log_of(second, "read").splitlines() == ["one.txt = one.txt", "two.txt = two.txt"]


def test_an_input_can_be_copied_to_where_the_script_wants_it(author):
    made = PipelineData("made")
    reading = made.as_download(input_name="copy", path_on_compute="here/it/is")
    steps = [
        author.step("make", WRITE_FOLDER, arguments=[made], outputs=[made]),
        author.step(
            "read",
            "import os, sys\nprint(sorted(os.listdir('here/it/is')), os.path.samefile(sys.argv[1], 'here/it/is'))",
            arguments=[reading],
            inputs=[reading],
        ),
    ]
    assert log_of(author.runs(*steps), "read").strip() == "['one.txt', 'two.txt'] True"


def test_a_copied_input_can_be_changed_without_changing_the_original(author, ws):
    store = ws.get_default_datastore()
    Path("raw.txt").write_text("as it was")
    store.upload_files(["raw.txt"], target_path="originals", overwrite=True, show_progress=False)
    raw = DataReference(store, "raw", "originals").as_download()

    run = author.runs(
        author.step(
            "change", "import sys\nopen(sys.argv[1] + '/raw.txt', 'w').write('x')", arguments=[raw], inputs=[raw]
        )
    )

    assert run.get_status() == "Finished"
    store.download("back", prefix="originals", show_progress=False)
    assert Path("back/originals/raw.txt").read_text() == "as it was"


def test_an_upload_output_is_copied_from_where_the_script_left_it(author):
    made = PipelineData("made", output_mode="upload", output_path_on_compute="results/of/mine")
    text = (
        "import os\nos.makedirs('results/of/mine', exist_ok=True)\nopen('results/of/mine/r.txt', 'w').write('result')"
    )
    run = author.runs(
        author.step("make", text, outputs=[made]), author.step("read", READ, arguments=[made], inputs=[made])
    )
    assert log_of(run, "read").strip() == "r.txt = result"


def test_data_references_and_variables_stand_for_the_same_path(author, ws):
    store = ws.get_default_datastore()
    Path("d").mkdir()
    Path("d/x.csv").write_text("1,2")
    reference = store.upload("d", target_path="./refs", overwrite=True, show_progress=False)
    assert reference.path_on_datastore == "refs"
    named = DataReference(store, "numbers", "refs/x.csv")

    run = author.runs(
        author.step(
            "read",
            """
            import os, sys
            print(open(sys.argv[1]).read(), sys.argv[1] == os.environ["AZUREML_DATAREFERENCE_numbers"], sys.argv[2])
            """,
            arguments=[named, f"--in={named}"],
            inputs=[named],
        )
    )
    content, is_same, embedded = log_of(run, "read").split()
    assert (content, is_same) == ("1,2", "True")
    assert embedded.startswith("--in=/") and embedded.endswith("/refs/x.csv")


def test_a_reference_may_point_at_what_is_not_there(author, ws):
    nowhere = DataReference(ws.get_default_datastore(), "nowhere", "no/such/path")
    run = author.runs(
        author.step("look", "import sys\nprint('got', sys.argv[1])", arguments=[nowhere], inputs=[nowhere])
    )
    assert run.get_status() == "Finished"
    assert log_of(run, "look").strip().endswith("no/such/path")


def test_a_copy_of_what_is_not_there_fails_before_the_script_and_names_it(author, ws):
    nowhere = DataReference(ws.get_default_datastore(), "nowhere", "no/such/path").as_download()
    run = author.runs(author.step("look", "print('reached')", inputs=[nowhere]))

    (step,) = run.get_steps()
    assert step.get_status() == "Failed"
    message = step.get_details()["error"]["error"]["message"]
    assert message == "Input 'nowhere': there is nothing at workspaceblobstore/no/such/path"
    assert log_of(run, "look") == f"canalis: {message}\n"


def test_a_data_path_parameter_names_another_place_in_another_run(author, ws):
    store = ws.get_default_datastore()
    for name in ("one", "two"):
        Path(f"{name}.txt").write_text(name)
        store.upload_files([f"{name}.txt"], target_path=f"paths/{name}", overwrite=True, show_progress=False)
    parameter = PipelineParameter("where", DataPath(store, "paths/one"))
    pair = (parameter, DataPathComputeBinding(mode="mount"))
    pipeline = Pipeline(ws, [author.step("read", READ, arguments=[pair], inputs=[pair])])

    said = []
    for options in ({}, {"pipeline_parameters": {"where": DataPath(store, "paths/two")}}):
        run = pipeline.submit("scene", **options)
        run.wait_for_completion(show_output=False)
        said.append(log_of(run, "read").strip())
    assert said == ["one.txt = one", "two.txt = two"]


def test_a_dataset_output_is_a_folder_that_is_there_and_its_copies_are_one_output(author, ws):
    store = ws.get_default_datastore()
    made = OutputFileDatasetConfig(name="made", destination=(store, "kept/{run-id}/{output-name}"))
    run = author.runs(
        author.step(
            "make",
            """
            import os, sys
            assert os.path.isdir(sys.argv[1]), sys.argv
            assert sys.argv[2] == "data.folder=" + sys.argv[1] == "data.folder=" + os.environ["made"]
            open(os.path.join(sys.argv[1], "x.txt"), "w").write("x")
            """,
            arguments=[made.as_mount(), f"data.folder={made.arg_val}"],
        ),
        author.step("read", READ, arguments=[made.as_input("given")]),
    )
    assert run.get_status() == "Finished", log_of(run, "make")
    assert log_of(run, "read").strip() == "x.txt = x"
    (step,) = run.find_step_run("make")
    assert step.get_output_data("made").path_on_datastore == f"kept/{step.id}/made"


def test_a_dataset_output_goes_to_its_default_place_and_is_uploaded_when_asked(author):
    plain, sent = OutputFileDatasetConfig(name="plain"), OutputFileDatasetConfig(name="sent").as_upload(overwrite=True)
    text = "import sys\nfor path in sys.argv[1:]:\n    open(path + '/f', 'w').write('f')"
    run = author.runs(
        author.step("make", text, arguments=[plain, sent]),
        author.step("read", READ, arguments=[plain.as_input(), sent.as_input()]),
    )
    (step,) = run.find_step_run("make")
    assert log_of(run, "read").split("\n")[:2] == ["f = f", "f = f"]
    assert step.get_output_data("plain").path_on_datastore == f"dataset/{step.id}/plain"


def test_a_dataset_output_is_taken_from_its_source_and_of_the_files_that_its_globs_name(author, ws):
    store = ws.get_default_datastore()
    kinds = {
        "sent": OutputFileDatasetConfig("sent", (store, "src/{run-id}/sent"), source="made/here").as_upload(),
        "seen": OutputFileDatasetConfig("seen", (store, "src/{run-id}/seen"), source="outputs"),
        "some": OutputFileDatasetConfig("some").as_upload(overwrite=True, source_globs=["**/*.csv"]),
        "none": OutputFileDatasetConfig("none").as_upload(source_globs="*.csv"),
    }
    kinds = {name: kind.register_on_complete(f"{name} of a source") for name, kind in kinds.items()}
    run = author.runs(
        author.step(
            "make",
            """
            import os, sys
            open("made/here/z.txt", "w").write("z")
            open("outputs/o.txt", "w").write("o")
            for name in ("a.csv", "b.tmp"):
                open(os.path.join(sys.argv[1], name), "w").write(name)
            """,
            arguments=[kinds["some"]],
            outputs=[kinds["sent"], kinds["seen"], kinds["none"]],
        ),
    )
    assert run.get_status() == "Finished", log_of(run, "make")
    found = {name: Dataset.get_by_name(ws, f"{name} of a source") for name in kinds}
    assert {name: found[name].to_path() for name in ("sent", "seen", "some")} == {
        "sent": ["/z.txt"],
        "seen": ["/o.txt"],
        "some": ["/a.csv"],
    }
    assert "output 'none' is empty: the script has left no file there that fits *.csv" in log_of(run, "make")
    with pytest.raises(ValueError, match="source '/tmp/made': it must be below the script's working folder"):
        outside = OutputFileDatasetConfig("outside", source="/tmp/made")
        Pipeline(ws, [author.step("leave", "", outputs=[outside])])


@pytest.fixture
def files(ws):
    store = ws.get_default_datastore()
    for name in ("2020/a.csv", "2020/b.txt", "2021/c.csv"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(name)
        store.upload_files([name], relative_root=".", target_path="set", overwrite=True, show_progress=False)
    return store


@pytest.mark.parametrize("how", ["as_mount", "as_download"])
def test_a_dataset_of_files_is_seen_below_their_common_folder(author, files, how):
    dataset = getattr(Dataset.File.from_files((files, "set/**/*.csv")).as_named_input("csvs"), how)()
    run = author.runs(
        author.step(
            "read",
            """
            import os
            from azureml.core import Run
            path = Run.get_context().input_datasets["csvs"]
            assert path == os.environ["csvs"]
            print(sorted(os.path.join(os.path.relpath(root, path), name) for root, _, names in os.walk(path) for name in names))
            """,
            inputs=[dataset],
        )
    )
    assert log_of(run, "read").strip() == "['2020/a.csv', '2021/c.csv']"


@pytest.mark.parametrize("how", ["as_mount", "as_download"])
def test_a_dataset_of_one_file_is_that_file(author, files, how):
    dataset = getattr(Dataset.File.from_files((files, "set/2020/b.txt")).as_named_input("one"), how)()
    assert log_of(author.runs(author.step("read", READ, arguments=[dataset])), "read").strip() == "file = 2020/b.txt"


@pytest.mark.parametrize("how", ["as_mount", "as_download"])
def test_a_pattern_that_matches_one_file_is_that_file_and_a_folder_of_one_is_the_folder(author, files, how):
    pattern = getattr(Dataset.File.from_files((files, "set/2020/*.csv")).as_named_input("pattern"), how)()
    folder = getattr(Dataset.File.from_files((files, "set/2021")).as_named_input("folder"), how)()
    text = "import os, sys\nprint([os.path.isfile(path) for path in sys.argv[1:]], os.listdir(sys.argv[2]))"
    run = author.runs(author.step("read", text, arguments=[pattern, folder]))
    assert log_of(run, "read").strip() == "[True, False] ['c.csv']"


def test_a_dataset_read_directly_is_itself_in_the_script(author, files):
    dataset = Dataset.File.from_files([(files, "set/2020")]).as_named_input("them")
    run = author.runs(
        author.step(
            "read",
            """
            from azureml.core import Run
            them = Run.get_context().input_datasets["them"]
            print(them.to_path(), [open(path).read() for path in them.download("got")])
            for ports in (Run.get_context().input_datasets, Run.get_context().output_datasets):
                assert ports.get("then") is None
                try:
                    ports["then"]
                except KeyError as error:
                    print(error)
            """,
            inputs=[dataset],
        )
    )
    assert log_of(run, "read").splitlines() == [
        "['/a.csv', '/b.txt'] ['2020/a.csv', '2020/b.txt']",
        "Step 'read' has no input dataset 'then' (there: them)",
        "Step 'read' has no output dataset 'then' (there: none)",
    ]


def test_a_folder_that_is_uploaded_is_a_dataset_of_what_was_in_it(files):
    upload = partial(Dataset.File.upload_directory, show_progress=False)
    assert upload("2020", files).to_path() == ["/a.csv", "/b.txt"], "and not all that the datastore has"
    assert upload("2020", (files, "up [1]"), pattern="*.csv").to_path() == ["/a.csv"]
    assert upload("2021", DataPath(files, "/up2/")).to_path() == ["/c.csv"]
    for folder, pattern, said in (("2020", "*.json", "has no file that fits '.*json'"), ("no", None, "is no folder")):
        with pytest.raises(UserErrorException, match=rf"src_dir '{folder}' {said}"):
            upload(folder, files, pattern=pattern)


def test_files_that_are_downloaded_nowhere_in_particular_leave_the_current_folder_as_it_is(files, project):
    dataset, before = Dataset.File.from_files((files, "set/2020")), sorted(project.rglob("*"))
    for _ in range(2):
        (path, _) = dataset.download()
        assert Path(path).read_text() == "2020/a.csv" and project not in Path(path).parents
        shutil.rmtree(Path(path).parent)
    assert sorted(project.rglob("*")) == before, "nothing that a snapshot would take along"


def test_a_dataset_that_matches_nothing_is_an_error_unless_it_shall_not_be_checked(files):
    with pytest.raises(UserErrorException, match=r"No file is at workspaceblobstore/set/\*\.json"):
        Dataset.File.from_files((files, "set/*.json"))
    Dataset.File.from_files((files, "set/*.json"), validate=False)


def test_a_bare_dataset_is_refused_with_the_way_out(author, files):
    with pytest.raises(ValueError, match="as_named_input"):
        author.step("read", inputs=[Dataset.File.from_files((files, "set/2020"))])


def test_a_datastore_keeps_what_is_there_unless_told_otherwise(ws, capsys):
    store = ws.datastores["workspacefilestore"]
    Path("x.txt").write_text("first")
    store.upload_files(["x.txt"], target_path="kept")
    Path("x.txt").write_text("second")
    store.upload_files(["x.txt"], target_path="kept")
    assert "is there already and was kept" in capsys.readouterr().out

    assert store.download("back", prefix="kept") == 1
    assert Path("back/kept/x.txt").read_text() == "first"
    assert store.download("back", prefix="kept") == 0

    store.upload_files(["x.txt"], target_path="kept", overwrite=True)
    store.download("back", prefix="kept", overwrite=True)
    assert Path("back/kept/x.txt").read_text() == "second"


def test_files_keep_their_paths_below_their_common_folder(ws):
    store = ws.get_default_datastore()
    for name in ("in/a/1.txt", "in/b/2.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    store.upload_files(["in/a/1.txt", "in/b/2.txt"], target_path="common", overwrite=True, show_progress=False)
    assert store.download("out", prefix="common/", show_progress=False) == 2
    assert Path("out/common/a/1.txt").is_file() and Path("out/common/b/2.txt").is_file()


def test_a_missing_file_stops_the_upload_of_all(ws):
    Path("there.txt").write_text("x")
    with pytest.raises(UserErrorException, match=r"not there, so nothing was uploaded: missing\.txt"):
        ws.get_default_datastore().upload_files(["there.txt", "missing.txt"], target_path="none")
    assert ws.get_default_datastore().download("out", prefix="none") == 0


def test_one_dataset_is_read_under_two_names_each_in_its_own_mode(author, files):
    dataset = Dataset.File.from_files((files, "set/2020"))
    one, other = dataset.as_named_input("one").as_mount(), dataset.as_named_input("other").as_download()
    run = author.runs(
        author.step(
            "read",
            "import sys\nfrom azureml.core import Run\nsets = Run.get_context().input_datasets\n"
            "print(sys.argv[1] == sets['one'] != sets['other'] == sys.argv[2])",
            arguments=[one, other],
        )
    )
    assert log_of(run, "read").strip() == "True"


@pytest.mark.parametrize("how", ["as_mount", "as_download"])
@pytest.mark.laptop("an absolute path_on_compute is refused in Azure: instances are shared")
def test_data_is_seen_at_a_path_of_the_machine_for_as_long_as_the_step_runs(author, files, project, how):
    seen = project / "seen" / "here"
    dataset = getattr(Dataset.File.from_files((files, "set/*/*.csv")).as_named_input("them"), how)(str(seen))
    step = author.step("read", READ, arguments=[dataset])
    for _ in range(2):  # what the first run has left would be in the way of the second
        assert log_of(author.runs(step), "read").splitlines() == ["2020/a.csv = 2020/a.csv", "2021/c.csv = 2021/c.csv"]
        assert not seen.is_symlink()

    seen.mkdir()
    (seen / "mine.txt").write_text("mine")
    run = author.runs(step)
    assert "since there is something already on this machine" in log_of(run, "read")
    assert [path.name for path in seen.iterdir()] == ["mine.txt"], "what is the author's is left alone"


@pytest.mark.laptop("about the rights of a file in the workspace's folder")
def test_what_was_uploaded_is_not_written_into_by_a_slip(author, ws):
    store = ws.get_default_datastore()
    Path("raw.txt").write_text("as it was")
    store.upload_files(["raw.txt"], target_path="guarded", overwrite=True, show_progress=False)
    stored = ws._root / "datastores" / "workspaceblobstore" / "guarded" / "raw.txt"
    assert stored.stat().st_mode & 0o222 == 0
    store.upload_files(["raw.txt"], target_path="guarded", overwrite=True, show_progress=False)


def test_files_that_are_there_are_neither_sent_again_nor_replaced(ws, project, capsys):
    for number in range(3):
        (project / "many").mkdir(exist_ok=True)
        (project / "many" / f"{number}.txt").write_text(f"{number}\n")
    store = ws.get_default_datastore()
    store.upload(str(project / "many"), "many-files")
    assert "Uploaded 3 of 3 files" in capsys.readouterr().out

    (project / "many" / "1.txt").write_text("another\n")
    (project / "many" / "3.txt").write_text("new\n")
    store.upload(str(project / "many"), "many-files")
    assert "Uploaded 1 of 4 files" in capsys.readouterr().out
    assert store.download(str(project / "back"), prefix="many-files", show_progress=False) == 4
    assert [path.read_text() for path in sorted((project / "back" / "many-files").iterdir())] == [
        "0\n",
        "1\n",
        "2\n",
        "new\n",
    ]
