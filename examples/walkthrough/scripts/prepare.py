"""Keep flats of a plausible size, and scale sizes so that training is quick."""

import argparse
import csv
import json
import os

from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--raw")
parser.add_argument("--limits")
parser.add_argument("--prepared")
args = parser.parse_args()

largest = 130.0
if os.path.isfile(args.limits):  # a file of limits may be there, and need not
    with open(args.limits) as file:
        largest = float(file.read())

with open(args.raw) as file:
    rows = [(float(row["metres"]), float(row["price"])) for row in csv.DictReader(file)]
kept = [(metres / 100.0, price) for metres, price in rows if metres <= largest]
print(f"{args.raw}: kept {len(kept)} of {len(rows)} flats")

os.makedirs(args.prepared, exist_ok=True)
with open(os.path.join(args.prepared, "flats.json"), "w") as file:
    json.dump(kept, file)
Run.get_context().log("flats", len(kept))
