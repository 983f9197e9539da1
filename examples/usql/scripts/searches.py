"""Writes a log of searches, a file for each day, as a web server would leave it."""

import random
import sys
from pathlib import Path

out, days = Path(sys.argv[1]), int(sys.argv[2])
draw = random.Random(7)
for day in range(1, days + 1):
    file = out / "2017" / "03" / f"{day:02d}.tsv"
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(200):
        region = draw.choice(["en-us", "en-gb", "nl-nl", "de-de"])
        query = draw.choice(["ski boots", "banana bread", "cheap flights", ""])
        seconds = draw.choice([str(draw.randint(1, 300)), ""])
        lines.append(f"{day * 1000 + number}\t{region}\t{query}\t{seconds}\n")
    file.write_text("".join(lines))
print(f"{days} days of searches in {out}")
