"""How far will a disease have gone in a year? A pipeline with what an author's second day needs, as for Azure ML v1.

Real data (442 patients with diabetes) becomes two datasets: a table to learn from, and a file from each clinic whose
patients are new. A step of its own environment trains a model under MLflow's eyes and registers it; the next one takes
the model by its name and writes a file of predictions for each clinic. Nothing here or in scripts/ knows of Canalis.
"""

import os
import tempfile

from azureml.core import Dataset, Environment, Experiment, Model, Workspace
from azureml.core.runconfig import RunConfiguration
from azureml.data import OutputFileDatasetConfig
from azureml.pipeline.core import Pipeline, PipelineParameter
from azureml.pipeline.steps import PythonScriptStep
from sklearn.datasets import load_diabetes

here = os.path.dirname(os.path.abspath(__file__))
scripts = os.path.join(here, "scripts")

ws = Workspace.from_config()
datastore = ws.get_default_datastore()

data = load_diabetes(as_frame=False, scaled=False)
KNOWN = 342  # patients whose year is over; the others are new


def write(path, columns, rows):
    with open(path, "w") as file:
        file.write(",".join(columns) + "\n")
        for row in rows:
            file.write(",".join(f"{value:g}" for value in row) + "\n")


with tempfile.TemporaryDirectory() as folder:
    known = os.path.join(folder, "known.csv")
    write(known, [*data.feature_names, "progression"], [[*x, y] for x, y in zip(data.data[:KNOWN], data.target)])
    datastore.upload_files([known], target_path="patients", overwrite=True, show_progress=False)
    clinics = []
    for number, name in enumerate(["north", "east", "south", "west"]):
        clinics.append(os.path.join(folder, f"{name}.csv"))
        write(clinics[-1], data.feature_names, data.data[KNOWN + number :: 4])
    datastore.upload_files(clinics, target_path="clinics", overwrite=True, show_progress=False)

patients = Dataset.Tabular.from_delimited_files(path=(datastore, "patients/known.csv"))
patients = patients.register(ws, "patients", description="their year is over", create_new_version=True)
new_patients = Dataset.File.from_files(path=(datastore, "clinics/*.csv"))
new_patients = new_patients.register(ws, "new-patients", create_new_version=True)
print(f"Datasets: {patients.name} version {patients.version}, {new_patients.name} version {new_patients.version}")

run_config = RunConfiguration()
run_config.environment = Environment.from_conda_specification("disease-progression", os.path.join(here, "conda.yml"))

trees = PipelineParameter(name="trees", default_value=100)
predictions = OutputFileDatasetConfig("predictions", destination=(datastore, "predictions/{run-id}"))

train = PythonScriptStep(
    name="train",
    script_name="train.py",
    arguments=["--trees", trees],
    inputs=[patients.as_named_input("patients")],
    runconfig=run_config,
    source_directory=scripts,
)
score = PythonScriptStep(
    name="score",
    script_name="score.py",
    arguments=[
        "--clinics",
        new_patients.as_named_input("clinics").as_mount(),
        "--predictions",
        predictions.register_on_complete("predictions"),
    ],
    runconfig=run_config,
    source_directory=scripts,
)
score.run_after(train)

run = Experiment(ws, "disease-progression").submit(Pipeline(ws, steps=[score]), pipeline_parameters={"trees": 200})
run.wait_for_completion(show_output=True)

(trained,) = run.find_step_run("train")
metrics = trained.get_metrics()
model = Model(ws, "disease-progression")
print(
    f"Model: {model.name} version {model.version} of run {model.run_id}, wrong by {metrics['error']:.0f} of 25 to 346"
)
print("MLflow saw:", ", ".join(sorted(name for name in metrics if name.startswith("training_"))))

found = Dataset.get_by_name(ws, "predictions").to_path()
print("Predictions:", *sorted(path.lstrip("/") for path in found))
