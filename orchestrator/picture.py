"""Where each step of a graph stands in a drawing of it: layers from left to right, wide ones in blocks. Pure.

Everything here is linear in steps and edges, so that 10,000 steps take some tens of milliseconds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from canalis.contract.graph import Graph
from canalis.contract.views import BlockView, PictureView

EDGES_MAX = 20_000  # that are drawn; of more, every so-manieth
_COLUMN_MAX = 16  # steps of a layer that stand in one column
_BLOCK_MIN = 8  # steps of one kind that have a block of their own
_ASPECT = 4.0  # how much wider a step is drawn than high
_BAND_MIN = 24  # columns after which a long graph goes on below
_STEM = re.compile(r"[\d_\-. ]+$|(?<=[^\d])\d+")


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer laid out by itself: where each of its places stands, and how much room that takes."""

    spots: list[tuple[int, int, int]]  # place, column, row
    blocks: list[tuple[str, list[int], int, int, int, int]]  # label, places, column, row, columns, rows
    columns: int
    rows: int


def picture(graph: Graph, graph_id: str) -> PictureView:
    """The drawing of a graph."""
    before = [[graph.places[key] for key in node.predecessors()] for node in graph.nodes]
    names = [node.name for node in graph.nodes]
    layers = [_laid(layer, names) for layer in _ordered(_layers(before), before)]
    x, y, block_of = ([0] * len(names) for _ in range(3))
    blocks: list[BlockView] = []
    for layer, (left, top) in zip(layers, _spread(layers), strict=True):
        for place, column, row in layer.spots:
            x[place], y[place], block_of[place] = left + column, top + row, -1
        for label, places, column, row, columns, rows in layer.blocks:
            for place in places:
                block_of[place] = len(blocks)
            blocks.append(
                BlockView(label=label, x=left + column, y=top + row, columns=columns, rows=rows, steps=len(places))
            )
    edges = [(earlier, place) for place, earliers in enumerate(before) for earlier in earliers]
    every = math.ceil(len(edges) / EDGES_MAX) or 1
    return PictureView(
        graph=graph_id,
        keys=[node.key for node in graph.nodes],
        names=names,
        x=x,
        y=y,
        block=block_of,
        blocks=blocks,
        edges=[place for edge in edges[::every] for place in edge],
        edges_hidden=len(edges) - len(edges[::every]),
    )


def _layers(before: Sequence[Sequence[int]]) -> list[list[int]]:
    """The places of each layer: as far from the start as the longest way to them."""
    after: list[list[int]] = [[] for _ in before]
    for place, earliers in enumerate(before):
        for earlier in earliers:
            after[earlier].append(place)
    missing = [len(earliers) for earliers in before]
    found = []
    layer = [place for place, count in enumerate(missing) if not count]
    while layer:
        found.append(layer)
        following = []
        for place in layer:
            for later in after[place]:
                missing[later] -= 1
                if not missing[later]:
                    following.append(later)
        layer = following
    return found


def _ordered(layers: list[list[int]], before: Sequence[Sequence[int]]) -> list[list[int]]:
    """The layers with each step near those that it reads from: one pass, from left to right."""
    at: dict[int, float] = {}
    found = []
    for layer in layers:
        weights = {
            place: sum(at[earlier] for earlier in before[place]) / len(before[place]) if before[place] else 0.0
            for place in layer
        }
        ordered = sorted(layer, key=lambda place: (weights[place], place))
        at |= {place: (row + 0.5) / len(ordered) for row, place in enumerate(ordered)}
        found.append(ordered)
    return found


def _laid(layer: list[int], names: Sequence[str]) -> _Layer:
    """A layer in one column; a wide one in a block for each kind of steps, which their names tell."""
    if len(layer) <= _COLUMN_MAX:
        return _Layer([(place, 0, row) for row, place in enumerate(layer)], [], 1, len(layer))
    kinds: dict[str, list[int]] = {}
    for place in layer:
        kinds.setdefault(_STEM.sub("", names[place]) or names[place], []).append(place)
    large = [(kind, places) for kind, places in kinds.items() if len(places) >= _BLOCK_MIN]
    rest = [place for places in kinds.values() if len(places) < _BLOCK_MIN for place in places]
    spots, blocks, top, columns_max = [], [], 0, 1
    for kind, places in [*large, *([("", rest)] if rest else [])]:
        rows = max(_COLUMN_MAX, math.ceil(math.sqrt(_ASPECT * len(places))))
        columns, rows = math.ceil(len(places) / rows), min(rows, len(places))
        top += 1  # the block's heading
        spots += [(place, number // rows, top + number % rows) for number, place in enumerate(places)]
        blocks.append((kind, places, 0, top, columns, rows))
        top, columns_max = top + rows, max(columns_max, columns)
    return _Layer(spots, blocks, columns_max, top)


def _spread(layers: Sequence[_Layer]) -> list[tuple[int, int]]:
    """The left upper corner of each layer. A long graph goes on below, as lines of a text do."""
    width, height = sum(layer.columns for layer in layers), max((layer.rows for layer in layers), default=1)
    band = max(_BAND_MIN, math.ceil(math.sqrt(width * (height + 1) / _ASPECT * 2)))
    corners, left, top = [], 0, 0
    for layer in layers:
        if left and left + layer.columns > band:
            left, top = 0, top + height + 1
        corners.append((left, top + (height - layer.rows) // 2))
        left += layer.columns
    return corners
