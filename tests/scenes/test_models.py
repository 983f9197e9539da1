"""Models: one step registers, the next uses, and the author finds them again."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from canalis import Dataset, Model, Workspace
from canalis.contract.errors import HashMismatch, StoreUnavailable
from canalis.exceptions import ModelNotFoundException, ModelPathNotFoundException, WebserviceException
from canalis.resource_configuration import ResourceConfiguration
from tests.scenes.conftest import canalis, cells, log_of

TRAINS = """
    import os, pathlib, pickle
    from azureml.core import Model, Run
    from azureml.exceptions import ModelPathNotFoundException
    run = Run.get_context()
    ws = run.experiment.workspace
    pathlib.Path("outputs/model").mkdir()
    pathlib.Path("outputs/model/weights.pkl").write_bytes(pickle.dumps([1, 2, 3]))
    pathlib.Path("outputs/model/vocabulary.txt").write_text("a b")
    made = run.register_model(
        "NAME", "outputs/model", tags={"area": "north", "mse": 0.25}, properties={"n": 3},
        model_framework=Model.Framework.SCIKITLEARN, model_framework_version="1.5", description="of weather",
    )
    print("registered", made.id, made.run_id == run.id, made.experiment_name, type(made.version).__name__)
    pathlib.Path("elsewhere").mkdir()
    pathlib.Path("elsewhere/other.bin").write_bytes(b"other")
    run.upload_file("best/uploaded.bin", "elsewhere/other.bin")
    print("uploaded", run.register_model("NAME-uploaded", model_path="best/uploaded.bin").id)
    print("anywhere", Model.register(ws, "elsewhere/other.bin", "NAME-other").run_id == run.id)
    run.parent.upload_file("outputs/whole.txt", "elsewhere/other.bin")
    print("of the parent", run.parent.register_model("NAME-whole", "outputs/whole.txt").run_id == run.parent.id)
    try:
        run.register_model("NAME-none", "elsewhere/other.bin")
    except ModelPathNotFoundException as error:
        print("refused:", error.message)
"""
USES = """
    import os, pickle
    from azureml.core.model import Model
    from azureml.core import Run
    path = Model.get_model_path("NAME")
    print("used", path, sorted(os.listdir(path)), pickle.load(open(os.path.join(path, "weights.pkl"), "rb")))
    print("again", Model.get_model_path("NAME", version=1) == path, open(Model.get_model_path("NAME-other")).read())
    ws = Run.get_context().experiment.workspace
    model = Model(ws, "NAME", tags=[["area", "north"]])
    model.add_tags({"checked": True})
    trained = Run.get_context().parent.find_step_run("train")[0]
    later = trained.register_model("NAME", "outputs/model/vocabulary.txt", tags={"area": "south"})
    print("later", later.id, later.run_id == trained.id)
"""


def trained(author, name: str):
    first = author.step("train", TRAINS.replace("NAME", name))
    second = author.step("use", USES.replace("NAME", name))
    second.run_after(first)
    return author.runs(first, second)


def test_a_step_registers_a_model_that_the_next_one_uses_and_the_author_finds(author, ws, project):
    run = trained(author, "weather")
    assert run.get_status() == "Finished", [log_of(run, step) for step in ("train", "use")]
    said = log_of(run, "train").splitlines()
    assert said[:2] == ["registered weather:1 True scene int", "uploaded weather-uploaded:1"]
    assert said[2:4] == ["anywhere True", "of the parent True"]
    assert "has no file or folder 'elsewhere/other.bin' (it has: best/uploaded.bin, outputs/model/" in said[4]
    assert "run.upload_file" in said[4] and "Model.register takes files from anywhere" in said[4]
    said = log_of(run, "use").splitlines()
    assert said[0] == "used azureml-models/weather/1/model ['vocabulary.txt', 'weights.pkl'] [1, 2, 3]"
    assert said[1:] == ["again True other", "later weather:2 True"]

    newest = Model(ws, "weather")
    first = Model(ws, id="weather:1")
    assert (newest.version, first.version, ws.models["weather"].id) == (2, 1, "weather:2")
    assert {"weather", "weather-other", "weather-uploaded", "weather-whole"} <= set(ws.models)
    assert "weather-none" not in ws.models and ws.models.get("weather-none") is None
    assert first.tags == {"area": "north", "mse": "0.25", "checked": "True"} and first.properties == {"n": "3"}
    assert (first.model_framework, first.model_framework_version) == ("ScikitLearn", "1.5")
    assert (first.description, newest.description, first.experiment_name) == ("of weather", None, "scene")
    (step,) = run.find_step_run("train")
    assert first.run_id == step.id and first.run.get_status() == "Finished"
    assert first.created_time < newest.created_time

    ids = lambda **wanted: [found.id for found in Model.list(ws, **wanted)]  # noqa: E731
    assert ids(name="weather") == ["weather:2", "weather:1"] and ids(name="weather", latest=True) == ["weather:2"]
    assert ids(name="weather", tags=[["area", "north"], "mse"]) == ["weather:1"]
    assert ids(name="weather", tags=["mse", ["area", "south"]]) == []
    assert ids(run_id=run.id) == ["weather-whole:1"] and "weather:2" in ids(run_id=step.id)
    assert Model(ws, "weather", tags=["mse"]).version == Model(ws, "weather", version="1").version == 1

    assert first.download("here") == "here/model" and Path("here/model/vocabulary.txt").read_text() == "a b"
    with pytest.raises(WebserviceException, match=r"is there already; pass exist_ok=True"):
        first.download("here")
    assert first.download("here", exist_ok=True) == "here/model"
    assert Model.get_model_path("weather", _workspace=ws) == "azureml-models/weather/2/vocabulary.txt"
    with pytest.raises(ModelNotFoundException, match="pass _workspace=ws"):
        Model.get_model_path("weather")


def test_a_model_knows_the_rows_that_it_was_made_with(ws, project):
    store = ws.get_default_datastore()
    (project / "trained.csv").write_text("city,degrees\nOslo,4\n")
    store.upload_files([str(project / "trained.csv")], target_path="model-rows")
    rows = Dataset.Tabular.from_delimited_files((store, "model-rows/trained.csv"))
    wanted = ResourceConfiguration(cpu=2, memory_in_gb=1.5)
    (project / "m.bin").write_text("m")
    known = rows.keep_columns(["degrees"]).register(ws, "model-rows")
    given = {"sample_input_dataset": known, "resource_configuration": wanted}
    Model.register(ws, "m.bin", "of-rows", datasets=[("training", known), ("raw", rows)], **given)

    found = Model(ws, "of-rows")
    assert found.resource_configuration.serialize() == {"cpu": 2.0, "memoryInGB": 1.5, "gpu": None}
    found.update(resource_configuration=ResourceConfiguration(gpu=1))
    assert found.resource_configuration.serialize() == {"cpu": None, "memoryInGB": None, "gpu": 1}
    assert found.sample_input_dataset.id == known.id
    with pytest.raises(WebserviceException, match="is a ResourceConfiguration, not 'much'"):
        found.update(resource_configuration="much")
    assert found.datasets["training"][0].to_pandas_dataframe().to_dict("list") == {"degrees": [4]}
    assert found.datasets["raw"][0].to_pandas_dataframe().columns.tolist() == ["city", "degrees"]
    assert (found.datasets["training"][0].name, found.sample_input_dataset.id) == ("model-rows", known.id)
    assert [one.id for one in Model.list(ws, dataset_id=known.id)] == ["of-rows:1"]


def test_a_model_of_files_here_is_described_changed_and_deleted(ws, project):
    folder = project / "net"
    (folder / "deep").mkdir(parents=True)
    for name in ("config.json", "deep/a.bin", "deep/b.bin", "notes.txt"):
        (folder / name).write_text(name)
    (folder / "linked").symlink_to(folder / "deep")
    (folder / "deep" / "round").symlink_to(folder)
    data = Dataset.File.upload_directory("net/deep", (ws.get_default_datastore(), "net-data"), pattern="*.bin")
    known = data.register(ws, "net-data")
    made = Model.register(
        workspace=ws,
        model_path="net",
        model_name="net",
        tags={"kind": "small"},
        description="a net",
        datasets=[(Dataset.Scenario.TRAINING, known), ("extra", data)],
        child_paths=["config.json", "deep/a.bin"],
        sample_input_dataset=known,
    )
    assert (made.id, made.version, made.run_id, made.run, made.description) == ("net:1", 1, None, None, "a net")
    assert made.datasets["training"][0].name == "net-data" and made.datasets["extra"][0].to_path() == data.to_path()
    assert made.sample_input_dataset.id == known.id and made.sample_output_dataset is None
    assert [found.id for found in Model.list(ws, dataset_id=known.id)] == ["net:1"]
    assert sorted(path.name for path in Path(made.download("one")).rglob("*.*")) == ["a.bin", "config.json"]
    whole = Model.register(ws, folder, "net")
    assert whole.version == 2 and (Path(whole.download("two")) / "linked" / "b.bin").read_text() == "deep/b.bin"
    assert not (Path("two") / "net" / "deep" / "round").exists(), "a folder that links back to one above it has no end"

    made.add_tags({"a": 1})
    made.remove_tags(["kind", "never"])
    made.add_properties({"p": "1"})
    made.add_dataset_references([("validation", known)])
    made.update(description="better")
    again = Model(ws, id="net:1")
    assert (again.tags, again.properties, again.description) == ({"a": "1"}, {"p": "1"}, "better")
    assert set(again.datasets) == {"training", "extra", "validation"}
    made.update(tags={"b": "2"})
    made.update_tags_properties(add_tags={"c": "3"}, remove_tags=["b"], add_properties={"q": "2"})
    assert Model(ws, id="net:1").tags == {"c": "3"} and json.loads(json.dumps(made.serialize()))["tags"] == {"c": "3"}
    with pytest.raises(WebserviceException, match="cannot be changed once they are set: p of 'net:1'"):
        made.add_properties({"p": "2"})
    whole.delete()
    assert Model(ws, "net").version == 1 and Model.register(ws, folder / "notes.txt", "net").version == 3
    with pytest.raises(AttributeError, match="will not come: serve what a run leaves with a web framework"):
        Model.deploy(ws, "service", [made])


def test_what_cannot_be_registered_is_told_and_leaves_no_version(author, ws, project, monkeypatch):
    (project / "empty").mkdir()
    (project / "m.bin").write_text("x")
    for given, said in (
        ({"model_path": "none.bin"}, "The model path 'none.bin' is not there"),
        ({"model_path": "empty"}, "has no files to make a model of"),
        ({"model_path": ".", "child_paths": ["m.bin", "gone", "../x"]}, "no files or folders below .: gone, ../x"),
        ({"model_name": "a b/c"}, "'a b/c' cannot be the name of a model"),
        ({"model_name": None}, "The name of a model is text, not None"),
        ({"tags": ["a"]}, r"Tags of a model are {name: value}, not \['a'\]"),
        ({"tags": {"a": {"b": 1}, 2: "x"}}, "not 'a': {'b': 1}, 2: 'x'"),
        ({"properties": "p"}, "Properties of a model are"),
        ({"datasets": ["x"]}, r"are \[\(scenario, dataset\)\]"),
        ({"datasets": [("training", "weather")]}, "refers to datasets, not to 'weather'"),
    ):
        with pytest.raises(WebserviceException, match=said):
            Model.register(**{"workspace": ws, "model_path": "m.bin", "model_name": "never"} | given)

    def fails(*ignored: object) -> None:
        raise StoreUnavailable("away")

    def changes(*ignored: object) -> None:
        raise HashMismatch("other bytes")

    (project / "m.bin").write_bytes(os.urandom(8))
    with monkeypatch.context() as patched, pytest.raises(StoreUnavailable):
        patched.setattr("canalis.snapshot._send_files", fails)
        Model.register(ws, "m.bin", "never")
    with monkeypatch.context() as patched, pytest.raises(WebserviceException, match=r"files in a model keep changing"):
        patched.setattr("canalis.snapshot._upload", changes)
        Model.register(ws, "m.bin", "never")
    assert "never" not in ws.models
    for given, said in (
        ({"name": "never"}, r"There is no model 'never' \(there: "),
        ({"name": "never", "tags": ["x"]}, "There is no model with name='never', tags="),
        ({"name": "never", "version": 2}, "There is no model 'never'"),
        ({"name": "never", "version": "x"}, "'x' is no version"),
        ({"id": "never:1"}, "There is no model 'never'"),
        ({"tags": [3]}, "3 is no filter"),
    ):
        with pytest.raises(WebserviceException, match=said):
            Model(ws, **given)
    with pytest.raises(ModelNotFoundException, match="There is no model 'never'"):
        Model.get_model_path("never", _workspace=ws)
    (step,) = author.runs(author.step("writes", "open('outputs/a.txt', 'w').write('x')")).get_steps()
    for path in ("outputs/b.txt", "../x", "a.txt", None):
        with pytest.raises(ModelPathNotFoundException, match=r"\(it has: outputs/a.txt, user_logs/std_log.txt\)"):
            step.register_model("never", path)
    assert step.register_model("outputs", "outputs").download("again") == "again/outputs"
    with pytest.raises(ModelPathNotFoundException, match=r"has no file or folder 'never' \(it has: none\)"):
        step.parent.register_model("never")


def test_registrations_at_once_get_a_version_each(ws, project):
    (project / "m.bin").write_text("x")

    def register(number: int) -> int:
        return Model.register(Workspace._at(ws._host), "m.bin", "race", tags={"number": number}).version

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(register, range(8))) == [*range(1, 9)]
    assert sorted(int(found.tags["number"]) for found in Model.list(ws, "race")) == [*range(8)]


def test_models_are_listed_shown_and_copied_from_the_command_line(ws, project):
    (project / "m.bin").write_bytes(b"x" * 2048)
    for number in (1, 2):
        Model.register(ws, "m.bin", "shown", tags={"n": number}, description="for people", model_framework="Onnx")
    listed = [cells(line) for line in canalis("models", "list", "-w", "scenes").stdout.splitlines()]
    assert ["shown:2", "n=2", "1", "2 KiB"] in [line[:4] for line in listed]
    assert "shown:1" not in [line[0] for line in listed]
    assert len(json.loads(canalis("models", "list", "shown", "--json").stdout)) == 2
    shown = [cells(line) for line in canalis("models", "show", "shown:1").stdout.splitlines()]
    assert shown[:4] == [["Model shown:1"], ["for people"], ["framework", "Onnx"], ["tags", "n=1"]]
    assert shown[-2:] == [["Files"], ["m.bin", "2 KiB"]]
    assert canalis("models", "download", "shown", "-o", "copied").stdout == "copied/m.bin\n"
    assert "is there already" in canalis("models", "download", "shown", "-o", "copied", check=1).stderr
    assert "There is no model 'nothing'" in canalis("models", "show", "nothing", check=1).stderr
