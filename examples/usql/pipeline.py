"""A pipeline with a step of U-SQL, as it was written for Azure Data Lake Analytics. `canalis run` it as it stands."""

from pathlib import Path

from azureml.core import Experiment, Workspace
from azureml.core.compute import AdlaCompute, ComputeTarget
from azureml.exceptions import ComputeTargetException
from azureml.pipeline.core import Pipeline, PipelineData, PipelineParameter
from azureml.pipeline.steps import AdlaStep, PythonScriptStep

SCRIPTS = str(Path(__file__).parent / "scripts")

ws = Workspace.from_config()
store = ws.get_default_datastore()

try:
    adla = ComputeTarget(ws, "adla")
except ComputeTargetException:  # the account is gone; its name still says where the step runs
    attached = AdlaCompute.attach_configuration(resource_group="marketing", account_name="searchlogs")
    adla = ComputeTarget.attach(ws, "adla", attached)
    adla.wait_for_completion()

least = PipelineParameter(name="least", default_value=40)
searches = PipelineData("searches", datastore=store)
top = PipelineData("top", datastore=store)

collect = PythonScriptStep(
    "searches.py", name="collect", arguments=[searches, 7], outputs=[searches], source_directory=SCRIPTS
)
summarize = AdlaStep(
    script_name="summary.usql",
    name="summarize",
    inputs=[searches],
    outputs=[top],
    params={"least": least},
    degree_of_parallelism=2,
    compute_target=adla,
    source_directory=SCRIPTS,
)
show = PythonScriptStep("show.py", name="show", arguments=[top], inputs=[top], source_directory=SCRIPTS)

run = Experiment(ws, "usql").submit(Pipeline(ws, steps=[show, summarize, collect]))
run.wait_for_completion(show_output=True)
