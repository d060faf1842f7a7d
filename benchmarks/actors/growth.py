"""What each child costs in a tree of 10, of 100 and of 1,000: its start, its stop, its lookup, its part of the status.

A cost that grows linearly with the tree is the same per child at every size. The rule: per child, 1,000 children cost
at most 1.5 times what 100 do; the room is for caches and the garbage collector, and a tree of 10 is left out of it,
as what every tree costs weighs most there. Of each size as many trees are measured as make 1,000 children.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from benchmarks.actors.crowds import COSTS, Crowd, our_crowd, plain_crowd
from benchmarks.measurement import Measurement, Options, Sample, Side, Target
from benchmarks.rounds import interleave

SIZES = (10, 100, 1000)
LINEAR = Target(Side.AT_MOST, 1.5)
CROWDS: tuple[Crowd, Crowd] = (our_crowd, plain_crowd)

BySize = Mapping[int, Sample]
"""Microseconds per child."""


def growth(options: Options) -> list[Measurement]:
    """Four costs at three sizes, and how they grow."""
    sizes = [size // options.size(1, 10) for size in SIZES]
    sides = {(crowd, size): partial(_per_child_us, crowd, size, sizes[-1]) for size in sizes for crowd in CROWDS}
    rounds = dict(zip(sides, interleave(options, *sides.values()), strict=True))
    lines: list[Measurement] = []
    for cost in COSTS:
        ours, peer = (
            {size: Sample(tuple(each[cost] for each in rounds[crowd, size])) for size in sizes}
            if cost in rounds[crowd, sizes[0]][0]
            else None
            for crowd in CROWDS
        )
        assert ours is not None
        lines += _lines(cost, ours, peer)
    return lines


def _per_child_us(crowd: Crowd, size: int, together: int) -> dict[str, float]:
    found = [crowd(size) for _ in range(together // size)]
    return {cost: 1e6 * sum(each[cost] for each in found) / together for cost in found[0]}


def _lines(cost: str, ours: BySize, peer: BySize | None) -> list[Measurement]:
    small, middle, large = ours
    return [
        *(Measurement(f"{cost} per child of {size}", "us", ours[size], peer[size] if peer else None) for size in ours),
        _growth(cost, ours, peer, small, large, None),
        _growth(cost, ours, peer, middle, large, LINEAR),
    ]


def _growth(cost: str, ours: BySize, peer: BySize | None, few: int, many: int, target: Target | None) -> Measurement:
    return Measurement(
        f"{cost} per child, growth {few} to {many}",
        "times",
        ours[many].over(ours[few]),
        peer[many].over(peer[few]) if peer else None,
        target,
    )
