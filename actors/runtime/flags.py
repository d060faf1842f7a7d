"""What a supervisor does for all its children, and in which order they start: data only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from actors.errors import SpecError
from actors.runtime.child import ChildSpec


class Strategy(Enum):
    """Which children are restarted when one of them has to be."""

    ONE_FOR_ONE = "one_for_one"
    """That one."""
    ONE_FOR_ALL = "one_for_all"
    """All of them."""
    REST_FOR_ONE = "rest_for_one"
    """That one and those that start after it."""


class AutoShutdown(Enum):
    """When the end of significant children ends the supervisor, its other children first."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"


@dataclass(frozen=True, slots=True)
class Flags:
    """One supervisor's.

    Args:
        strategy: see `Strategy`.
        intensity: restarts allowed within `period_s`, of all children together that have no intensity of their own;
            a restart of several at once counts once. One more, and the supervisor stops its children and ends.
        period_s: the sliding window of the intensity, seconds.
        auto_shutdown: see `AutoShutdown`.
        in_sequence: children start one after the other as listed and stop in reverse, as Erlang's do. Otherwise those
            that do not depend on each other start, and stop, at once.
        dynamic: children come by `StartChild` alone, stop all at once, and are forgotten when they end.
        max_children: how many a dynamic supervisor has at the most, those being restarted included.

    Raises:
        SpecError: a field has a value that cannot be used; the text names it.
    """

    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: int = 3
    period_s: float = 5.0
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    in_sequence: bool = False
    dynamic: bool = False
    max_children: int | None = None

    def __post_init__(self) -> None:
        given: dict[str, Any] = {field: getattr(self, field) for field in self.__slots__}
        for field, kind in (("strategy", Strategy), ("auto_shutdown", AutoShutdown)):
            if not isinstance(given[field], kind):
                raise SpecError(f"{field}: {given[field]!r} is none of {', '.join(str(one.value) for one in kind)}")
        if not (isinstance(given["intensity"], int) and self.intensity >= 0):
            raise SpecError(f"intensity: {self.intensity!r} is not a number of restarts")
        if not (isinstance(given["period_s"], int | float) and 0 < self.period_s < math.inf):
            raise SpecError(f"period_s: {self.period_s!r} is not a time")
        if self.max_children is not None and (not self.dynamic or self.max_children < 0):
            raise SpecError(f"max_children: {self.max_children!r} is for dynamic supervisors, and not negative")
        if self.dynamic and self.strategy is not Strategy.ONE_FOR_ONE:
            raise SpecError("strategy: a dynamic supervisor restarts one_for_one")
        if self.dynamic and self.auto_shutdown is not AutoShutdown.NEVER:
            raise SpecError("auto_shutdown: a dynamic supervisor has no significant children")


def check_child(flags: Flags, spec: ChildSpec) -> None:
    """Whether the child fits its supervisor.

    Raises:
        SpecError: it does not; the text names child and field.
    """
    if spec.significant and flags.auto_shutdown is AutoShutdown.NEVER:
        raise SpecError(f"child {spec.name}: significant, but auto_shutdown of its supervisor is never")
    if spec.intensity is not None and flags.strategy is not Strategy.ONE_FOR_ONE:
        raise SpecError(f"child {spec.name}: an intensity of its own, but {flags.strategy.value} restarts several")


def start_levels(flags: Flags, specs: Sequence[ChildSpec]) -> tuple[tuple[str, ...], ...]:
    """The children's names in start order, level by level; those of one level start at once.

    Raises:
        SpecError: a name given twice, an unknown dependency, or a cycle (which is printed).
    """
    by_name = {spec.name: spec for spec in specs}
    if len(by_name) < len(specs):
        names = [spec.name for spec in specs]
        raise SpecError(f"child {next(name for name in names if names.count(name) > 1)}: name used twice")
    for spec in specs:
        for needed in spec.depends_on:
            if needed not in by_name:
                raise SpecError(f"child {spec.name}: depends on {needed}, which does not exist")
    depth = _depths(by_name)
    if flags.in_sequence:
        seen: set[str] = set()
        for spec in specs:
            if not seen.issuperset(spec.depends_on):
                raise SpecError(f"child {spec.name}: depends on one listed after it, and they start in sequence")
            seen.add(spec.name)
        return tuple((name,) for name in by_name)
    levels: list[list[str]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    for name in by_name:
        levels[depth[name]].append(name)
    return tuple(tuple(level) for level in levels)


def _depths(by_name: Mapping[str, ChildSpec]) -> dict[str, int]:
    """How many levels each child has below it; children are settled once all they need are."""
    missing = {name: len(set(spec.depends_on)) for name, spec in by_name.items()}
    needed_by: dict[str, list[str]] = {name: [] for name in by_name}
    for name, spec in by_name.items():
        for needed in set(spec.depends_on):
            needed_by[needed].append(name)
    depth = {name: 0 for name, count in missing.items() if not count}
    ready = list(depth)
    for name in ready:
        for above in needed_by[name]:
            missing[above] -= 1
            if not missing[above]:
                depth[above] = depth[name] + 1
                ready.append(above)
    if len(depth) < len(by_name):
        raise SpecError(f"dependency cycle: {' -> '.join(_cycle(by_name, depth))}")
    return depth


def _cycle(by_name: Mapping[str, ChildSpec], settled: Mapping[str, int]) -> list[str]:
    path = [next(name for name in by_name if name not in settled)]
    while path.count(path[-1]) == 1:
        path.append(next(needed for needed in by_name[path[-1]].depends_on if needed not in settled))
    return path[path.index(path[-1]) :]
