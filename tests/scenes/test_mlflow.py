"""Scripts that log with MLflow's own client, which takes seconds to load: one step to a scene, and few scenes."""

from __future__ import annotations

import json
import subprocess

import pytest

from canalis.runconfig import RunConfiguration
from tests.scenes.conftest import CANALIS, log_of

# MLflow's client tells its makers of its use, and tries again for minutes what is refused with 429 and 5xx.
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "GIT_PYTHON_REFRESH": "quiet"}


def with_mlflow(author, name: str, text: str, **more: str):
    configuration = RunConfiguration()
    configuration.environment.environment_variables = QUIET | more
    return author.step(name, text, runconfig=configuration)


def the_step(run, name: str):
    (found,) = run.find_step_run(name)
    assert found.get_status() == "Finished", found.get_stdout_log()
    return found


def test_what_a_script_logs_with_mlflow_is_on_its_steps_run(author, tmp_path):
    step = with_mlflow(
        author,
        "train",
        """
        import json, math, mlflow
        from mlflow.entities import Metric, Param
        mlflow.set_experiment("iris of my own")  # as scripts for other places begin
        with mlflow.start_run(tags={"team": "a"}, description="a try") as run:
            mlflow.log_params({"alpha": 0.5, "layers": [1, 2]})
            mlflow.log_metric("loss", 0.5, step=1)
            mlflow.log_metric("loss", 0.25, step=2)
            mlflow.log_metrics({"auc": 0.9, "bad": math.nan, "far": -math.inf})
            mlflow.log_text("hello", "notes/hello.txt")
            mlflow.log_dict({"a": 1}, "a.json")
            mlflow.set_tag("stage", "try")
            with mlflow.start_run(run_name="trial 1", nested=True) as child:
                mlflow.log_param("alpha", 0.7)
                mlflow.log_metric("loss", 0.125)
                mlflow.log_text("inner", "inner.txt")
                mlflow.set_tag("stage", "inner")
        for name, wrong in {"param": lambda: mlflow.MlflowClient().log_param(run.info.run_id, "alpha", "1"),
                            "other": lambda: mlflow.get_run("0" * 32), "search": mlflow.search_runs}.items():
            try:
                wrong()
            except mlflow.exceptions.MlflowException as error:
                print(name, error.error_code, error)
        client = mlflow.MlflowClient()
        seen, inner = client.get_run(run.info.run_id), client.get_run(child.info.run_id)
        print("SEEN", json.dumps({
            "metrics": {k: str(v) for k, v in seen.data.metrics.items()}, "params": seen.data.params,
            "history": [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "loss")],
            "inner": [inner.data.metrics, inner.data.params, inner.data.tags["stage"], inner.info.status],
            "parent": inner.data.tags["mlflow.parentRunId"] == run.info.run_id,
            "files": sorted(f.path for f in client.list_artifacts(run.info.run_id)),
            "below": [f.path for f in client.list_artifacts(run.info.run_id, "notes")],
            "text": mlflow.artifacts.load_text(run.info.artifact_uri + "/notes/hello.txt"),
            "of inner": [f.path for f in client.list_artifacts(child.info.run_id)],
        }))
        with mlflow.start_run() as another:  # no longer the step's run itself: one below it
            mlflow.log_metric("late", 1)
        """,
    )
    run = author.runs(step, experiment="with-mlflow")

    found = the_step(run, "train")
    log = log_of(run, "train")
    seen = json.loads(next(line for line in log.splitlines() if line.startswith("SEEN"))[5:])
    metrics = found.get_metrics()
    (late,) = [name for name in metrics if name.endswith("/late")]
    assert (metrics["loss"], metrics["auc"], metrics["trial-1/loss"], metrics[late]) == ([0.5, 0.25], 0.9, 0.125, 1.0)
    assert str(metrics["bad"]) == "nan" and metrics["far"] == float("-inf")
    tags, details = found.get_tags(), found.get_details()
    assert (tags["team"], tags["stage"], tags["trial-1/stage"], tags["mlflow.note.content"]) == (
        "a", "try", "inner", "a try",
    )  # fmt: skip
    assert details["properties"] == {"params.alpha": "0.5", "params.layers": "[1, 2]", "params.trial-1/alpha": "0.7"}
    assert {"notes/hello.txt", "a.json", "trial-1/inner.txt"} <= set(found.get_file_names())
    found.download_file("notes/hello.txt", tmp_path / "hello.txt")
    assert (tmp_path / "hello.txt").read_text() == "hello"

    shown = subprocess.run([CANALIS, "show", found.id], capture_output=True, text=True, check=True).stdout
    assert "auc 0.9" in shown and "alpha 0.5, layers [1, 2], trial-1/alpha 0.7" in shown, shown

    assert author.ws.get_mlflow_tracking_uri().startswith("http")
    assert seen["metrics"] | {"loss": "0.25", "bad": "nan", "far": "-inf"} == seen["metrics"]
    assert seen["params"]["alpha"] == "0.5" and seen["history"] == [[1, 0.5], [2, 0.25]]
    assert seen["inner"] == [{"loss": 0.125}, {"alpha": "0.7"}, "inner", "FINISHED"] and seen["parent"]
    assert {"notes", "a.json", "trial-1"} <= set(seen["files"])
    assert (seen["below"], seen["text"], seen["of inner"]) == (["notes/hello.txt"], "hello", ["inner.txt"])
    assert "param INVALID_PARAMETER_VALUE" in log and "'alpha' was '0.5' and cannot become '1'" in log
    assert "other RESOURCE_DOES_NOT_EXIST" in log
    assert "search ENDPOINT_NOT_FOUND" in log and "docs/how-to/log-with-mlflow.md" in log


def test_autolog_of_scikit_learn_leaves_its_values_and_the_model_with_the_step(author):
    pytest.importorskip("sklearn")
    step = with_mlflow(
        author,
        "fit",
        """
        import mlflow
        from sklearn.datasets import load_iris
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV
        mlflow.sklearn.autolog()
        x, y = load_iris(return_X_y=True)
        with mlflow.start_run() as run:
            search = GridSearchCV(LogisticRegression(max_iter=300), {"C": [0.1, 1.0]}, cv=2).fit(x, y)
        model = mlflow.sklearn.load_model(f"runs:/{run.info.run_id}/best_estimator")
        print("SAME", (model.predict(x) == search.predict(x)).all())
        """,
    )
    run = author.runs(step)

    found = the_step(run, "fit")
    log = log_of(run, "fit")
    metrics, files = found.get_metrics(), found.get_file_names()
    assert metrics["training_score"] > 0.9 and metrics["best_cv_score"] > 0.9, (metrics, log)
    assert {"best_estimator/MLmodel", "model/MLmodel"} <= set(files), (files, log)
    assert found.get_properties()["params.best_C"] in ("0.1", "1.0")
    assert len([name for name in metrics if name.endswith("/mean_test_score")]) == 2, (metrics, log)
    assert "SAME True" in log, log


def test_an_author_with_a_store_of_their_own_is_told_of_none_of_ours(author):
    text = "import os\nprint(sorted(name for name in os.environ if name.startswith('MLFLOW')))"
    configuration = RunConfiguration()
    configuration.environment.environment_variables = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9/mine"}
    run = author.runs(author.step("mine", text, runconfig=configuration), author.step("ours", text))

    assert log_of(run, "mine").strip() == "['MLFLOW_TRACKING_URI']"
    ours = ["EXPERIMENT_ID", "EXPERIMENT_NAME", "RUN_ID", "TRACKING_TOKEN", "TRACKING_URI"]
    assert eval(log_of(run, "ours")) == [f"MLFLOW_{name}" for name in ours]
