import csv
import sys

with open(sys.argv[1], newline="") as file:
    for row in csv.DictReader(file):
        print(f"{row['language']}  {row['word']:10} {row['searches']:>4} searches, {row['mean']} s")
