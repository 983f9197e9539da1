"""Fit a line through prices by gradient descent, a few rounds of it."""

import argparse
import json
import os

from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--prepared")
parser.add_argument("--model")
parser.add_argument("--rounds", type=int)
args = parser.parse_args()

run = Run.get_context()
with open(os.path.join(args.prepared, "flats.json")) as file:
    flats = json.load(file)

slope, base = 0.0, 0.0
for _ in range(args.rounds):
    errors = [(slope * size + base - price, size) for size, price in flats]
    slope -= 0.9 * sum(error * size for error, size in errors) / len(errors)
    base -= 0.9 * sum(error for error, _ in errors) / len(errors)
    run.log("price_per_metre", slope / 100.0)
print(f"{args.rounds} rounds: {slope / 100.0:,.0f} a square metre, {base:,.0f} for any flat")

with open(args.model, "w") as file:  # a single file: what a step hands on need not be a folder
    json.dump({"slope": slope, "base": base}, file)
