"""Predicts for the new patients of each clinic, file by file, with the registered model."""

import argparse
import glob
import os

import joblib
import pandas as pd
from azureml.core import Model, Run

parser = argparse.ArgumentParser()
parser.add_argument("--clinics")
parser.add_argument("--predictions")
args = parser.parse_args()

ws = Run.get_context().experiment.workspace
model = joblib.load(Model.get_model_path("disease-progression", _workspace=ws))
for path in sorted(glob.glob(os.path.join(args.clinics, "**", "*.csv"), recursive=True)):
    patients = pd.read_csv(path)
    patients["progression"] = model.predict(patients).round(1)
    patients.to_csv(os.path.join(args.predictions, os.path.basename(path)), index=False)
    print(f"{os.path.basename(path)}: {len(patients)} patients, the worst will be at {patients.progression.max()}")
