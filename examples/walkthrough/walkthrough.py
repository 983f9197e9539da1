"""A first walk through pipelines, as one wrote it for Azure ML v1, to a model that retrains itself.

Prices of flats are predicted from their size. Three steps prepare the data, fit a line and judge it. The pipeline is
run, published with a parameter, called over HTTP as any other program would, and put on a schedule that retrains when
new data comes. Nothing in this file or in scripts/ knows of Canalis.
"""

import os
import tempfile
import time

import requests
from azureml.core import Datastore, Experiment, Workspace
from azureml.core.authentication import InteractiveLoginAuthentication
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.data.data_reference import DataReference
from azureml.data.datapath import DataPath, DataPathComputeBinding
from azureml.pipeline.core import Pipeline, PipelineData, PipelineParameter, PublishedPipeline, Schedule
from azureml.pipeline.core.run import PipelineRun
from azureml.pipeline.steps import PythonScriptStep

here = os.path.dirname(os.path.abspath(__file__))
scripts = os.path.join(here, "scripts")

# 1. A workspace holds everything that follows.
ws = Workspace.create(
    name="walkthrough",
    subscription_id="00000000-0000-0000-0000-000000000000",
    resource_group="walkthrough",
    location="westeurope",
    exist_ok=True,
)

# 2. Its datastores: a file share and a blob container; one of them is the default.
default_store = ws.get_default_datastore()
blob_store = Datastore(ws, "workspaceblobstore")
print("Datastores:", ", ".join(sorted(ws.datastores)), "- default:", default_store.name)


def put_flats(name: str, price_per_metre: float) -> None:
    """A file of flats that were sold, below flats/ in the blob store."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, name)
        with open(path, "w") as file:
            file.write("metres,price\n")
            for metres in range(20, 140, 3):
                noise = (metres * 7919 % 13 - 6) * 900
                file.write(f"{metres},{price_per_metre * metres + 20000 + noise:.0f}\n")
        blob_store.upload_files([path], target_path="flats", overwrite=True, show_progress=False)


put_flats("2025.csv", 3100.0)

# 3. Data that is there, and data that steps hand each other.
raw = DataPath(datastore=blob_store, path_on_datastore="flats/2025.csv")
raw_parameter = PipelineParameter(name="raw_data", default_value=raw)
raw_input = (raw_parameter, DataPathComputeBinding(mode="mount"))
limits = DataReference(datastore=blob_store, data_reference_name="limits", path_on_datastore="limits/none.txt")
prepared = PipelineData("prepared", datastore=blob_store)
model = PipelineData("model", datastore=blob_store)
report = PipelineData("report", datastore=blob_store, pipeline_output_name="report")

# 4. A cluster: found when it is there, else made.
cluster_name = "aml-compute"
if cluster_name in ws.compute_targets:
    cluster = ws.compute_targets[cluster_name]
    assert type(cluster) is AmlCompute
    print("Found compute target:", cluster.name)
else:
    configuration = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", min_nodes=1, max_nodes=4)
    cluster = ComputeTarget.create(ws, cluster_name, configuration)
    cluster.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=20)
print("Compute target:", cluster.status.serialize()["scaleSettings"])

# 5. Three steps; their order comes from the data.
rounds = PipelineParameter(name="pipeline_arg", default_value=10)
prepare_step = PythonScriptStep(
    name="prepare",
    script_name="prepare.py",
    arguments=["--raw", raw_input, "--limits", limits, "--prepared", prepared],
    inputs=[raw_input, limits],
    outputs=[prepared],
    compute_target=cluster,
    source_directory=scripts,
)
train_step = PythonScriptStep(
    name="train",
    script_name="train.py",
    arguments=["--prepared", prepared, "--model", model, "--rounds", rounds],
    inputs=[prepared],
    outputs=[model],
    compute_target=cluster,
    source_directory=scripts,
)
judge_step = PythonScriptStep(
    name="judge",
    script_name="judge.py",
    arguments=["--prepared", prepared, "--model", model, "--report", report],
    inputs=[prepared, model],
    outputs=[report],
    compute_target=cluster,
    source_directory=scripts,
)

# 6. and 7. A pipeline is built, run and waited for.
pipeline = Pipeline(workspace=ws, steps=[[prepare_step, train_step, judge_step]])
pipeline.validate()
run = Experiment(ws, "Walkthrough").submit(pipeline)
run.wait_for_completion(show_output=True)
first_error = run.find_step_run("judge")[0].get_metrics()["error"]
print(f"Mean error after 10 rounds: {first_error:,.0f}")

# 8. It is published: frozen, and callable with other values.
published = pipeline.publish(name="My_Published_Pipeline", description="Predicts prices of flats")

# 9. Anybody calls it over HTTP, with a token and two lines of JSON.
aad_token = InteractiveLoginAuthentication().get_authentication_header()
response = requests.post(
    published.endpoint,
    headers=aad_token,
    json={"ExperimentName": "My_Pipeline", "ParameterAssignments": {"pipeline_arg": 20}},
)
response.raise_for_status()
called = PipelineRun(Experiment(ws, "My_Pipeline"), response.json()["Id"])
called.wait_for_completion(show_output=False)
second_error = called.find_step_run("judge")[0].get_metrics()["error"]
print(f"Mean error after 20 rounds: {second_error:,.0f}")
assert second_error < first_error

# 10. What is published, and what has run.
for each in PublishedPipeline.list(ws):
    runs = [f"{one.id[:8]} {one.get_status()}" for one in PipelineRun.get_pipeline_runs(ws, each.id)]
    print("Published:", each.name, each.id, "- runs:", ", ".join(runs))

# 11. It retrains when new data comes.
schedule = Schedule.create(
    ws,
    name="Retrain_on_new_data",
    pipeline_id=published.id,
    experiment_name="Retraining",
    datastore=blob_store,
    path_on_datastore="flats",
    data_path_parameter_name="raw_data",
    polling_interval=1,
    pipeline_parameters={"pipeline_arg": 30},
)
put_flats("2026.csv", 3600.0)
print("New data is there; the schedule looks for it every minute")
retrained = None
give_up = time.time() + 300
while retrained is None and time.time() < give_up:
    time.sleep(1)
    retrained = schedule.get_last_pipeline_run()
schedule.disable()
assert retrained is not None, "the schedule has started nothing"
retrained.wait_for_completion(show_output=False)
slope = retrained.find_step_run("train")[0].get_metrics()["price_per_metre"][-1]
print(f"Retrained on 2026.csv: {slope:,.0f} a square metre")
