"""A supervisor's children, what can happen to them, and what a supervisor can do about it: data only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from actors.runtime.child import ChildSpec, start_levels


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


@dataclass(frozen=True, slots=True)
class Child:
    """One child's standing; `restarts` holds the times of those within its window, oldest first."""

    spec: ChildSpec
    status: Status = Status.WAITING
    generation: int = 0
    since: float = 0.0
    first_attempt: float | None = None
    restarts: tuple[float, ...] = ()
    streak: int = 0
    total_restarts: int = 0
    last_error: str | None = None
    last_error_at: float | None = None


@dataclass(frozen=True, slots=True)
class Tree:
    """All children in start order, and why the tree stops if it does."""

    children: Mapping[str, Child]
    levels: tuple[tuple[str, ...], ...]
    phase: Phase = Phase.STARTING
    exit_code: int = 0
    why: str = ""

    @classmethod
    def of(cls, specs: Sequence[ChildSpec]) -> Tree:
        """A tree that has not started.

        Raises:
            SpecError: as `start_levels`.
        """
        return cls({spec.name: Child(spec) for spec in specs}, start_levels(specs))


# Events


@dataclass(frozen=True, slots=True)
class Begin:
    """Start the tree."""


@dataclass(frozen=True, slots=True)
class Started:
    """The child's `on_start` returned."""

    name: str
    generation: int


@dataclass(frozen=True, slots=True)
class StartFailed:
    """The child could not start; see `StartRefused` for the last two."""

    name: str
    generation: int
    error: str
    exit_code: int = 70
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Exited:
    """The child's thread ended; `error` is None when it ended by itself or was told to."""

    name: str
    generation: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Overdue:
    """The child's start, stop or handler exceeded its time."""

    name: str
    generation: int
    what: str


@dataclass(frozen=True, slots=True)
class BackoffElapsed:
    """The child's next incarnation may start."""

    name: str
    generation: int


@dataclass(frozen=True, slots=True)
class RestartWanted:
    """The operator wants a fresh incarnation, also of a parked child."""

    name: str


@dataclass(frozen=True, slots=True)
class StopWanted:
    """Stop the tree."""

    why: str
    exit_code: int


Event = Begin | Started | StartFailed | Exited | Overdue | BackoffElapsed | RestartWanted | StopWanted

# Effects


@dataclass(frozen=True, slots=True)
class StartChild:
    """Build and start an incarnation; report `Started`, `StartFailed`, or `Overdue` after its start timeout."""

    name: str
    generation: int


@dataclass(frozen=True, slots=True)
class StopChild:
    """Tell the incarnation to stop; report `Exited`, or `Overdue` after its shutdown time."""

    name: str
    generation: int


@dataclass(frozen=True, slots=True)
class AbandonChild:
    """Take the mailbox from an incarnation whose thread does not end, and count a zombie."""

    name: str
    generation: int


@dataclass(frozen=True, slots=True)
class RetireChild:
    """The child stays down: whatever waits in its mailbox can no longer be delivered."""

    name: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """Report the event after the delay, seconds; `jitter` is the share of it to add at random."""

    delay_s: float
    event: BackoffElapsed
    jitter: float


@dataclass(frozen=True, slots=True)
class TreeUp:
    """Every child runs or is parked."""


@dataclass(frozen=True, slots=True)
class TreeDown:
    """Every child is stopped."""

    why: str
    exit_code: int


Effect = StartChild | StopChild | AbandonChild | RetireChild | Schedule | TreeUp | TreeDown
