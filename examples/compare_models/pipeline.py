"""Which model tells malignant from benign tumours best? A pipeline as one wrote it for Azure ML v1.

Real data (the Wisconsin breast cancer data, 569 patients) is prepared, two models are trained on it side by side,
and the better one is kept. Nothing in this file or in scripts/ knows of Canalis.
"""

import os
import tempfile

from azureml.core import Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
from azureml.data.data_reference import DataReference
from azureml.pipeline.core import Pipeline, PipelineData, PipelineParameter
from azureml.pipeline.steps import PythonScriptStep
from sklearn.datasets import load_breast_cancer

scripts = os.path.join(os.path.dirname(os.path.abspath(__file__)), "scripts")

ws = Workspace.from_config()
print("Workspace:", ws.name, ws.location, sep=" ")

# The data goes to the workspace's datastore, as a file that others could have put there.
datastore = ws.get_default_datastore()
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "tumours.csv")
    data = load_breast_cancer(as_frame=False)
    with open(path, "w") as file:
        file.write(",".join([*(name.replace(" ", "_") for name in data.feature_names), "benign"]) + "\n")
        for row, benign in zip(data.data, data.target):
            file.write(",".join([*(f"{value:g}" for value in row), str(benign)]) + "\n")
    datastore.upload_files([path], target_path="tumours", overwrite=True, show_progress=False)

# Two machines, so that both trainings run at the same time.
cluster = "cpu-cluster"
try:
    compute_target = ComputeTarget(workspace=ws, name=cluster)
except ComputeTargetException:
    config = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=2)
    compute_target = ComputeTarget.create(ws, cluster, config)
    compute_target.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=20)

raw = DataReference(datastore=datastore, data_reference_name="raw", path_on_datastore="tumours/tumours.csv")
prepared = PipelineData("prepared", datastore=datastore)
linear = PipelineData("linear", datastore=datastore)
forest = PipelineData("forest", datastore=datastore)
best = PipelineData("best", datastore=datastore, pipeline_output_name="best_model")
test_share = PipelineParameter(name="test_share", default_value=0.3)

prepare = PythonScriptStep(
    name="prepare",
    script_name="prepare.py",
    arguments=["--raw", raw, "--prepared", prepared, "--test-share", test_share],
    inputs=[raw],
    outputs=[prepared],
    compute_target=compute_target,
    source_directory=scripts,
)
train_linear = PythonScriptStep(
    name="train_linear",
    script_name="train.py",
    arguments=["--prepared", prepared, "--model", linear, "--kind", "linear"],
    inputs=[prepared],
    outputs=[linear],
    compute_target=compute_target,
    source_directory=scripts,
)
train_forest = PythonScriptStep(
    name="train_forest",
    script_name="train.py",
    arguments=["--prepared", prepared, "--model", forest, "--kind", "forest"],
    inputs=[prepared],
    outputs=[forest],
    compute_target=compute_target,
    source_directory=scripts,
)
compare = PythonScriptStep(
    name="compare",
    script_name="compare.py",
    arguments=["--prepared", prepared, "--models", linear, forest, "--best", best],
    inputs=[prepared, linear, forest],
    outputs=[best],
    compute_target=compute_target,
    source_directory=scripts,
)

pipeline = Pipeline(workspace=ws, steps=[compare])  # the others are found through their data
assert not pipeline.validate()
run = Experiment(ws, "compare-models").submit(pipeline, pipeline_parameters={"test_share": 0.25})
run.wait_for_completion(show_output=True)

winner = run.find_step_run("compare")[0].get_metrics()["winner"]
print("The better model:", winner)
