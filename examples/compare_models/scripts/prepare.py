"""Splits the data into a part to learn from and a part to test with."""

import argparse
import os

import numpy as np
from azureml.core import Run
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument("--raw")
parser.add_argument("--prepared")
parser.add_argument("--test-share", type=float)
args = parser.parse_args()

run = Run.get_context()
table = np.genfromtxt(args.raw, delimiter=",", skip_header=1)
features, benign = table[:, :-1], table[:, -1]
print(f"{len(table)} patients with {features.shape[1]} measurements each, {benign.mean():.0%} benign")

train_x, test_x, train_y, test_y = train_test_split(
    features, benign, test_size=args.test_share, random_state=7, stratify=benign
)
os.makedirs(args.prepared, exist_ok=True)
np.savez(os.path.join(args.prepared, "tumours.npz"), train_x=train_x, train_y=train_y, test_x=test_x, test_y=test_y)

run.log("patients", len(table))
run.log("to_learn_from", len(train_y))
run.log("to_test_with", len(test_y))
