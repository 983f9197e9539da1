"""The graphs that are measured."""

from __future__ import annotations

import random

SCRIPT = "pass\n"
HEAVY_IMPORTS = "import numpy, pandas, sklearn.linear_model\n"
HEAVY_SCRIPT = f"{HEAVY_IMPORTS}import time\nprint(time.time())\n"
SLOTS = 2

Edges = list[list[int]]  # for each step, the steps it waits for


def chain(count: int) -> Edges:
    """One step after the other."""
    return [[number - 1] if number else [] for number in range(count)]


def fan_out(count: int) -> Edges:
    """A first step, then `count` side by side, then a last one."""
    return [[], *[[0] for _ in range(count)], list(range(1, count + 1))]


def layered(count: int, width: int = 50, inputs: int = 3) -> Edges:
    """Layers of `width` steps, each of which waits for `inputs` of the layer before, drawn with a fixed seed."""
    draw = random.Random(7)
    edges: Edges = []
    for number in range(count):
        first = (number // width - 1) * width
        edges.append(sorted(draw.sample(range(first, first + width), inputs)) if first >= 0 else [])
    return edges
