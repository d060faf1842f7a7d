"""A supervisor's children as they stand: data only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from actors.runtime.child import ChildSpec, Kind
from actors.runtime.events import Reason
from actors.runtime.flags import Flags, check_child, start_levels


class Status(Enum):
    """Where a child stands."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    PARKED = "parked"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Phase(Enum):
    """Where the tree stands."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Next(Enum):
    """What a child that is being stopped does then."""

    STAY = "stay down"
    RENEW = "start again at once"
    REJOIN = "start again with the others of its group"
    LEAVE = "be forgotten"


@dataclass(frozen=True, slots=True)
class Child:
    """One child's standing.

    `restarts` holds the times of its restarts within their window, oldest first; `streak` counts those that followed
    each other without a quiet time; `first_attempt` is when the start that is not yet confirmed was first tried.
    `asked_to_start` and `asked_to_stop` are the tickets of requests that wait for it.
    """

    spec: ChildSpec
    status: Status = Status.WAITING
    generation: int = 0
    since: float = 0.0
    first_attempt: float | None = None
    restarts: tuple[float, ...] = ()
    restarted_at: float | None = None
    streak: int = 0
    total_restarts: int = 0
    last_reason: Reason | None = None
    last_error: str | None = None
    last_error_at: float | None = None
    then: Next = Next.STAY
    asked_to_start: tuple[int, ...] = ()
    asked_to_stop: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Children that are restarted together because one of them, the anchor, has to be.

    They stop first, all of them; once they have and the anchor's backoff has `elapsed`, they start, which is `rising`.
    """

    anchor: str
    members: frozenset[str]
    elapsed: bool = False
    rising: bool = False


@dataclass(frozen=True, slots=True)
class Tree:
    """All children in start order, what is under way, and why the tree stops if it does.

    `counts` says how many children stand where; `level` is how far a start or a stop of several has come; `restarts`
    holds the times of the restarts that count for all, oldest first; `forgotten` is the highest generation of a child
    that is gone, so that a later one of the same name is not taken for it.
    """

    flags: Flags
    children: Mapping[str, Child]
    levels: tuple[tuple[str, ...], ...]
    counts: Mapping[Status, int]
    phase: Phase = Phase.STARTING
    level: int = 0
    restarts: tuple[float, ...] = ()
    group: Group | None = None
    forgotten: int = 0
    exit_code: int = 0
    why: str = ""

    @classmethod
    def of(cls, flags: Flags, specs: Sequence[ChildSpec], generations: Mapping[str, int] | None = None) -> Tree:
        """A tree that has not started; `generations` are those that its children's mailboxes have seen already.

        Raises:
            SpecError: as `start_levels` and `check_child`.
        """
        for spec in specs:
            check_child(flags, spec)
        seen = generations or {}
        children = {spec.name: Child(spec, generation=seen.get(spec.name, 0)) for spec in specs}
        return cls(flags, children, start_levels(flags, specs), {Status.WAITING: len(children)})

    @classmethod
    def ahead(cls, specs: Sequence[ChildSpec]) -> Tree:
        """Children whose supervisor has not started, for show."""
        names = tuple(spec.name for spec in specs)
        return cls(Flags(), {spec.name: Child(spec) for spec in specs}, (names,), {Status.WAITING: len(names)})

    def put(self, *changed: Child) -> Tree:
        """This tree with those children so."""
        children, counts = dict(self.children), dict(self.counts)
        for child in changed:
            before = children.get(child.spec.name)
            if before is not None:
                counts[before.status] -= 1
            counts[child.status] = counts.get(child.status, 0) + 1
            children[child.spec.name] = child
        return replace(self, children=children, counts=counts)

    def add(self, spec: ChildSpec, seen: int = 0) -> Tree:
        """This tree with one more child, which starts last and stops first; those of a dynamic one stop together."""
        levels = self.levels
        together = self.flags.dynamic and levels
        levels = ((*levels[0], spec.name),) if together else (*levels, (spec.name,))
        return replace(self.put(Child(spec, generation=max(seen, self.forgotten))), levels=levels)

    def remove(self, name: str) -> Tree:
        """This tree without the child."""
        children = dict(self.children)
        child = children.pop(name)
        counts = {**self.counts, child.status: self.counts[child.status] - 1}
        at = next(number for number, level in enumerate(self.levels) if name in level)
        place = self.levels[at].index(name)
        left = self.levels[at][:place] + self.levels[at][place + 1 :]
        return replace(
            self,
            children=children,
            counts=counts,
            levels=self.levels[:at] + ((left,) if left else ()) + self.levels[at + 1 :],
            level=self.level if left or at > self.level else self.level - 1,
            forgotten=max(self.forgotten, child.generation),
        )

    def count(self, *statuses: Status) -> int:
        """How many children stand in one of those."""
        return sum(self.counts.get(status, 0) for status in statuses)


@dataclass(frozen=True, slots=True)
class ChildCount:
    """How many children a supervisor has, in Erlang's terms."""

    specs: int
    active: int
    supervisors: int
    workers: int


def count_children(tree: Tree) -> ChildCount:
    supervisors = sum(child.spec.kind is Kind.SUPERVISOR for child in tree.children.values())
    active = tree.count(Status.STARTING, Status.RUNNING, Status.STOPPING)
    return ChildCount(len(tree.children), active, supervisors, len(tree.children) - supervisors)


def which_children(tree: Tree) -> tuple[tuple[str, Status, int], ...]:
    """All children by name, status and generation, the newest first."""
    newest_first = [tree.children[name] for level in reversed(tree.levels) for name in reversed(level)]
    return tuple((child.spec.name, child.status, child.generation) for child in newest_first)
