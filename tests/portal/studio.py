"""A workspace with something of everything in it, a run going on, and names that would do harm on a careless page."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

from canalis.azureml import install_as_azureml
from canalis.cli.portal import portal_link
from canalis.pipeline_run import PipelineRun
from canalis.workspace import Workspace

install_as_azureml()

EVIL = "<img src=x onerror=\"document.title='owned'\">"
TURNED = "\u202egnp.exe"

SCRIPTS = {
    "prep.py": """
        import argparse
        import os
        p = argparse.ArgumentParser()
        p.add_argument("--out")
        p.add_argument("--rows", type=int)
        a = p.parse_args()
        os.makedirs(a.out, exist_ok=True)
        with open(os.path.join(a.out, "rows.csv"), "w") as file:
            file.write("id,name,amount\\n")
            for n in range(a.rows):
                file.write(f'{n},"customer, {n}",{n * 1.5}\\n')
        for n in range(30):
            print(f"\\x1b[3{n % 7 + 1}mchunk {n}\\x1b[0m of 30 is ready")
    """,
    "train.py": """
        import argparse
        import os
        from azureml.core import Run
        p = argparse.ArgumentParser()
        for name in ("data", "model", "rounds", "kind"):
            p.add_argument("--" + name)
        a = p.parse_args()
        run, loss = Run.get_context(), 1.0
        for n in range(int(a.rounds)):
            loss *= 0.8 if a.kind == "forest" else 0.9
            run.log("loss", loss)
            run.log("accuracy", 1 - loss / 2)
            print(f"round {n}: loss {loss:.4f}")
        run.log_row("by class", label="stays", precision=0.9, recall=0.8)
        run.log_row("by class", label="leaves", precision=0.7, recall=0.85)
        run.log_confusion_matrix("confusion", {"schema_type": "confusion_matrix", "schema_version": "v1", "data": {
            "class_labels": ["stays", "leaves"], "matrix": [[30, 2], [3, 25]]}})
        os.makedirs("outputs", exist_ok=True)
        with open("outputs/model.txt", "w") as file:
            file.write("weights " + str(loss))
        with open(a.model, "w") as file:
            file.write(str(loss))
    """,
    "score.py": """
        import sys
        print("scoring with", sys.argv[2:])
        if "yes" in sys.argv:
            raise KeyError("no column 'amount_eur' in rows.csv: it has id, name, amount")
    """,
    "evil.py": """
        print("<script>document.title='owned'</script> \\u202e \\x1b]8;;javascript:alert(1)\\x07click\\x1b]8;;\\x07 \\x1b[2Jgone")
        from azureml.core import Run
        Run.get_context().log("<svg onload=alert(1)>", 1)
    """,
    "slow.py": """
        import time
        from azureml.core import Run
        run = Run.get_context()
        for n in range(600):
            run.log("progress", n)
            print(f"second {n}", flush=True)
            time.sleep(0.5)
    """,
}


@dataclass(frozen=True, slots=True)
class Studio:
    """Where everything is. `runs` are the good ones, the last of them the best."""

    ws: Workspace
    folder: Path
    runs: list[PipelineRun]
    failed: PipelineRun
    evil: PipelineRun
    going: PipelineRun
    pipeline: str
    endpoint: str
    schedule: str

    def link(self, to: str = "/") -> str:
        """The address that signs a browser in, once."""
        return portal_link(self.ws, to)

    @property
    def url(self) -> str:
        return self.ws._client.endpoint.url


def a_studio(folder: Path) -> Studio:
    """Make it, in the home folder that is set. Takes some seconds."""
    from azureml.core import Dataset, Experiment
    from azureml.core.compute import AmlCompute, ComputeTarget
    from azureml.pipeline.core import (
        Pipeline,
        PipelineData,
        PipelineEndpoint,
        PipelineParameter,
        Schedule,
        ScheduleRecurrence,
    )
    from azureml.pipeline.steps import PythonScriptStep

    ws = Workspace.create("studio", exist_ok=True, show_output=False)
    store, source = ws.get_default_datastore(), folder / "src"
    source.mkdir()
    for name, text in SCRIPTS.items():
        (source / name).write_text(textwrap.dedent(text))
    ComputeTarget.create(
        ws, "cpu-cluster", AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=2)
    )
    rounds, fail = PipelineParameter("rounds", 10), PipelineParameter("fail", "no")

    def step(name: str, script: str, **parts: object) -> PythonScriptStep:
        return PythonScriptStep(name=name, script_name=script, source_directory=str(source), **parts)

    def churn(rows: int) -> Pipeline:
        data = PipelineData("data", datastore=store)
        models = {kind: PipelineData(f"model_{kind}", datastore=store) for kind in ("forest", "linear")}
        prep = step("prepare customers", "prep.py", outputs=[data], arguments=["--out", data, "--rows", rows])
        fits = [
            step(f"train {kind}", "train.py", inputs=[data], outputs=[model], compute_target="cpu-cluster",
                 arguments=["--data", data, "--model", model, "--kind", kind, "--rounds", rounds])
            for kind, model in models.items()
        ]  # fmt: skip
        score = step("score", "score.py", inputs=[*models.values()], arguments=["--fail", fail, *models.values()])
        return Pipeline(ws, steps=[prep, *fits, score], description="Which customers may leave")

    experiment, first = Experiment(ws, "churn"), churn(40)
    runs = []
    for number in (5, 25):
        run = experiment.submit(
            first, pipeline_parameters={"rounds": number}, tags={"kind": "nightly", "team": "growth"}
        )
        run.wait_for_completion(show_output=False)
        runs.append(run)
    failed = experiment.submit(first, pipeline_parameters={"fail": "yes"}, tags={"kind": "nightly"})
    evil = Experiment(ws, "strange").submit(Pipeline(ws, steps=[step(EVIL, "evil.py")]), tags={EVIL: TURNED})
    for run in (failed, evil):
        run.wait_for_completion(show_output=False, raise_on_error=False)
    runs[-1].find_step_run("train forest")[0].register_model("churn", model_path="outputs/model.txt")
    made = [churn(rows).publish(name="Churn", description=f"On {rows} rows", version=str(rows)) for rows in (40, 60)]
    endpoint = PipelineEndpoint.publish(ws, name="churn", pipeline=made[0], description="What the shop calls")
    endpoint.add_default(made[1])
    nightly = ScheduleRecurrence("Day", 1, start_time="2031-01-01T02:30:00", time_zone="W. Europe Standard Time")
    schedule = Schedule.create(ws, "every night", made[0].id, "churn", recurrence=nightly)
    Dataset.File.from_files((store, "azureml")).register(ws, "everything")
    going = experiment.submit(Pipeline(ws, steps=[step("watch the stream", "slow.py", allow_reuse=False)]))
    return Studio(ws, folder, runs, failed, evil, going, made[0].id, endpoint.id, schedule.id)
