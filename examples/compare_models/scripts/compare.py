"""Tests the models on patients that neither has seen, and keeps the better one."""

import argparse
import glob
import os
import pickle
import shutil

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from azureml.core import Run
from sklearn.metrics import roc_auc_score, roc_curve

parser = argparse.ArgumentParser()
parser.add_argument("--prepared")
parser.add_argument("--models", nargs="+")
parser.add_argument("--best")
args = parser.parse_args()

run = Run.get_context()
data = np.load(os.path.join(args.prepared, "tumours.npz"))
found = {}
for folder in args.models:
    (path,) = glob.glob(os.path.join(folder, "*.pkl"))
    with open(path, "rb") as file:
        model = pickle.load(file)
    kind = os.path.splitext(os.path.basename(path))[0]
    likely = model.predict_proba(data["test_x"])[:, 1]
    area = roc_auc_score(data["test_y"], likely)
    right = float(np.mean(model.predict(data["test_x"]) == data["test_y"]))
    print(f"{kind}: {right:.1%} right, area under the curve {area:.4f}")
    run.log_row("test", kind=kind, accuracy=right, area=area)
    plt.plot(*roc_curve(data["test_y"], likely)[:2], label=f"{kind} ({area:.4f})")
    found[kind] = (area, path)

winner = max(found, key=lambda kind: found[kind][0])
run.log("winner", winner)
run.parent.log("best_area", found[winner][0])

plt.xlabel("benign ones missed")
plt.ylabel("malignant ones found")
plt.legend()
run.log_image("roc", plot=plt)
plt.savefig("outputs/roc.png")

os.makedirs(args.best, exist_ok=True)
shutil.copy(found[winner][1], os.path.join(args.best, "model.pkl"))
