"""How far off the model is, on average."""

import argparse
import json
import os

from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--prepared")
parser.add_argument("--model")
parser.add_argument("--report")
args = parser.parse_args()

with open(os.path.join(args.prepared, "flats.json")) as file:
    flats = json.load(file)
with open(args.model) as file:
    model = json.load(file)

error = sum(abs(model["slope"] * size + model["base"] - price) for size, price in flats) / len(flats)
run = Run.get_context()
run.log("error", error)
run.parent.log("error", error)
print(f"Mean error: {error:,.0f}")

os.makedirs(args.report, exist_ok=True)
with open(os.path.join(args.report, "report.txt"), "w") as file:
    file.write(f"mean error {error:.2f}\n")
