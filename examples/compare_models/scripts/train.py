"""Trains one kind of model."""

import argparse
import os
import pickle

import numpy as np
from azureml.core import Run
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

parser = argparse.ArgumentParser()
parser.add_argument("--prepared")
parser.add_argument("--model")
parser.add_argument("--kind", choices=["linear", "forest"])
args = parser.parse_args()

run = Run.get_context()
data = np.load(os.path.join(args.prepared, "tumours.npz"))
if args.kind == "linear":
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
else:
    model = RandomForestClassifier(n_estimators=200, random_state=7)

scores = cross_val_score(model, data["train_x"], data["train_y"], cv=5)
for fold, score in enumerate(scores):
    print(f"fold {fold}: {score:.4f}")
run.log_list("fold_accuracy", [float(score) for score in scores])
run.log("accuracy", scores.mean())

model.fit(data["train_x"], data["train_y"])
os.makedirs(args.model, exist_ok=True)
with open(os.path.join(args.model, f"{args.kind}.pkl"), "wb") as file:
    pickle.dump(model, file)
