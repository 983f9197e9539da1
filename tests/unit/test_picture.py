"""Where steps stand in a drawing: layer by layer, wide layers in blocks, and as fast for many as for few."""

from __future__ import annotations

import time

from canalis.contract.graph import Graph, Node, PythonWork
from orchestrator.picture import EDGES_MAX, picture
from tests.stories import a_graph


def graph_of(edges: dict[str, list[str]], names: dict[str, str] | None = None) -> Graph:
    work = PythonWork(script="a.py")
    nodes = tuple(
        Node(key=key, name=(names or {}).get(key, key), work=work, after=tuple(after)) for key, after in edges.items()
    )
    return Graph(nodes=nodes)


def test_a_step_stands_behind_all_that_it_waits_for():
    drawn = picture(a_graph("prep > train > score", "prep > score"), "g")
    assert dict(zip(drawn.keys, drawn.x, strict=True)) == {"prep": 0, "train": 1, "score": 2}


def test_no_two_steps_stand_in_one_place_whatever_the_graph():
    wide = {f"shard_{n}": [] for n in range(300)} | {f"fit_{n}": [f"shard_{n}"] for n in range(40)}
    long = {f"s{n}": [f"s{n - 1}"] if n else [] for n in range(700)}
    mixed = wide | {"join": [*wide]} | {f"t{n}": ["join" if not n else f"t{n - 1}"] for n in range(90)}
    for edges in (wide, long, mixed):
        drawn = picture(graph_of(edges), "g")
        assert len(set(zip(drawn.x, drawn.y, strict=True))) == len(edges)
        assert max(drawn.x) < 120, "what is long goes on below"


def test_steps_of_one_kind_that_are_many_have_a_block_of_their_own():
    edges = {f"shard_{n}": [] for n in range(50)} | {"other": [], "join": [f"shard_{n}" for n in range(50)]}
    drawn = picture(graph_of(edges, {f"shard_{n}": f"shard {n}" for n in range(50)}), "g")
    assert [(block.label, block.steps) for block in drawn.blocks] == [("shard", 50), ("", 1)]
    block = drawn.blocks[0]
    for place in range(50):
        assert drawn.block[place] == 0
        assert block.x <= drawn.x[place] < block.x + block.columns and block.y <= drawn.y[place] < block.y + block.rows
    assert drawn.block[51] == -1


def test_ten_thousand_steps_are_drawn_as_fast_for_each_as_a_thousand():
    def seconds(count: int) -> float:
        graph = graph_of({f"n{n}": [f"n{n - 100}", f"n{n - 99}"] if n >= 100 else [] for n in range(count)})
        begun = time.process_time()
        picture(graph, "g")
        return time.process_time() - begun

    small, large = min(seconds(1_000) for _ in range(3)), seconds(10_000)
    assert large < 40 * max(small, 0.002), (small, large)


def test_of_more_lines_than_anybody_can_see_some_are_left_out_and_counted():
    layer = [f"a{n}" for n in range(200)]
    edges = {key: [] for key in layer} | {f"b{n}": layer for n in range(200)}
    drawn = picture(graph_of(edges), "g")
    assert len(drawn.edges) // 2 <= EDGES_MAX and drawn.edges_hidden == 40_000 - len(drawn.edges) // 2
