"""What a supervisor is told about a child: data only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from actors.errors import SpecError

if TYPE_CHECKING:
    from actors.runtime.actor import ServiceActor
    from actors.runtime.cell import Context


class Restart(Enum):
    """When a child that ended is started again."""

    PERMANENT = "permanent"
    """Always."""
    TRANSIENT = "transient"
    """Only after a crash."""
    TEMPORARY = "temporary"
    """Never."""


class GiveUp(Enum):
    """What follows when a child exceeds its restart intensity, or cannot start at all."""

    STOP_TREE = "stop the tree"
    """The supervisor stops every child and ends."""
    PARK = "park"
    """The child alone stays down, shown as `parked`, until the operator restarts it."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays between restarts: `min_s * 2**n`, at most `max_s`, plus up to `jitter` of it; anew after a quiet time."""

    min_s: float = 0.05
    max_s: float = 10.0
    jitter: float = 0.2
    reset_after_s: float = 30.0


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One child of a supervisor.

    Args:
        name: stable; also the thread's name and the log's `actor` field.
        factory: builds one incarnation; runs in the supervisor's thread, so it must not wait for anything.
        depends_on: children that must run, or be parked, before this one starts.
        restart: when it is started again after it ended.
        intensity: restarts allowed within `period_s`; one more and `give_up` applies.
        period_s: the sliding window of the intensity, seconds.
        give_up: what follows then.
        start_failure: what follows when its first start fails.
        start_timeout_s: how long `on_start` may take.
        start_retry_s: how long a start, the first or a later one, that fails for a passing reason is tried again
            before it counts as failed.
        shutdown_s: how long it may take to stop before it is abandoned.
        mailbox_capacity: letters its user lane holds.
        handler_budget_s: how long one handler may run before the child is taken for stuck.
    """

    name: str
    factory: Callable[[Context], ServiceActor]
    depends_on: tuple[str, ...] = ()
    restart: Restart = Restart.PERMANENT
    intensity: int = 5
    period_s: float = 30.0
    give_up: GiveUp = GiveUp.STOP_TREE
    start_failure: GiveUp = GiveUp.STOP_TREE
    start_timeout_s: float = 15.0
    start_retry_s: float = 0.0
    shutdown_s: float = 5.0
    mailbox_capacity: int = 10_000
    handler_budget_s: float = 60.0
    backoff: Backoff = Backoff()

    def __post_init__(self) -> None:
        if not self.name:
            raise SpecError("a child has no name")
        if not callable(self.factory):
            raise SpecError(f"child {self.name}: factory is not callable")
        for name in ("intensity", "start_retry_s", "shutdown_s"):
            if getattr(self, name) < 0:
                raise SpecError(f"child {self.name}: {name} must not be negative")
        for name in ("period_s", "start_timeout_s", "mailbox_capacity", "handler_budget_s"):
            if getattr(self, name) <= 0:
                raise SpecError(f"child {self.name}: {name} must be positive")


def start_levels(specs: Sequence[ChildSpec]) -> tuple[tuple[str, ...], ...]:
    """The children's names in start order, level by level; those of one level do not depend on each other.

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
    levels: list[tuple[str, ...]] = []
    placed: set[str] = set()
    while len(placed) < len(by_name):
        level = tuple(
            name for name, spec in by_name.items() if name not in placed and placed.issuperset(spec.depends_on)
        )
        if not level:
            raise SpecError(f"dependency cycle: {' -> '.join(_cycle(by_name, placed))}")
        levels.append(level)
        placed.update(level)
    return tuple(levels)


def _cycle(by_name: dict[str, ChildSpec], placed: set[str]) -> list[str]:
    path = [next(name for name in by_name if name not in placed)]
    while path.count(path[-1]) == 1:
        path.append(next(needed for needed in by_name[path[-1]].depends_on if needed not in placed))
    return path[path.index(path[-1]) :]
