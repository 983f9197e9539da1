"""Learns from the patients whose year is over, and registers the model."""

import argparse
import os

import joblib
import mlflow
from azureml.core import Run
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument("--trees", type=int)
args = parser.parse_args()

run = Run.get_context()
patients = run.input_datasets["patients"].to_pandas_dataframe()
x, y = patients.drop(columns="progression").astype(float), patients["progression"]
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, random_state=0)

mlflow.sklearn.autolog(log_models=False)
with mlflow.start_run():
    model = RandomForestRegressor(args.trees, min_samples_leaf=5, random_state=0).fit(x_train, y_train)
error = mean_absolute_error(y_test, model.predict(x_test))
run.log("error", error)

os.makedirs("outputs", exist_ok=True)
joblib.dump(model, "outputs/model.joblib")
run.upload_file("outputs/model.joblib", "outputs/model.joblib")
registered = run.register_model(
    model_name="disease-progression", model_path="outputs/model.joblib", tags={"trees": str(args.trees)}
)
print(f"Trained on {len(x_train)} patients: wrong by {error:.1f}; registered as version {registered.version}")
