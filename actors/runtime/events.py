"""What can happen to a supervisor's children, and what a supervisor can do about it: data only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from actors.runtime.child import ChildSpec


class Reason(Enum):
    """Why an incarnation ended."""

    NORMAL = "normal"
    """By itself, its work done."""
    SHUTDOWN = "shutdown"
    """Its supervisor told it to, or it is a supervisor that gave up."""
    CRASH = "crash"
    """A handler raised."""
    REFUSED = "refused"
    """A handler found that it cannot work, and that no restart helps."""
    KILLED = "killed"
    """It was abandoned: its stop, or a handler, took too long."""

    @property
    def abnormal(self) -> bool:
        """Whether a transient child is restarted after it."""
        return self in {Reason.CRASH, Reason.REFUSED, Reason.KILLED}


class Outcome(Enum):
    """What became of a request to a supervisor about one of its children."""

    DONE = "done"
    IGNORED = "the child has nothing to do and does not run"
    ALREADY_STARTED = "it is started already"
    ALREADY_PRESENT = "it is known already; restart or delete it"
    RUNNING = "it is running"
    RESTARTING = "it is restarting"
    NOT_FOUND = "there is no such child"
    START_FAILED = "it did not start"
    MAX_CHILDREN = "there are as many children as there may be"
    INVALID = "its specification cannot be used"
    STOPPING = "the tree is stopping"
    DYNAMIC = "a dynamic supervisor forgets children that ended: start it anew"
    ENDED = "it was told to end before it had started"


# Events


@dataclass(frozen=True, slots=True)
class Begin:
    """Start the tree."""


@dataclass(frozen=True, slots=True)
class Started:
    """The child's `on_start` returned, with `info` for whoever asked for the start."""

    name: str
    generation: int
    info: Any = None


@dataclass(frozen=True, slots=True)
class StartFailed:
    """The child could not start; see `StartRefused` for the last two."""

    name: str
    generation: int
    error: str
    exit_code: int = 70
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class NotStarted:
    """The child has nothing to do: it does not run, and that is no failure."""

    name: str
    generation: int


@dataclass(frozen=True, slots=True)
class Exited:
    """The child's thread ended."""

    name: str
    generation: int
    reason: Reason = Reason.NORMAL
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Overdue:
    """The child's `start`, `stop` or `handler` exceeded its time."""

    name: str
    generation: int
    what: str


@dataclass(frozen=True, slots=True)
class BackoffElapsed:
    """The child's next incarnation may start."""

    name: str
    generation: int


@dataclass(frozen=True, slots=True)
class StartWanted:
    """Add the child, whose place is made already, and start it.

    `ticket` names the request in its `Answer`, here and below; `seen` is the highest generation that its mailbox had.
    """

    spec: ChildSpec
    ticket: int
    seen: int = 0


@dataclass(frozen=True, slots=True)
class RestartWanted:
    """Start a child that is down; `even_running` also replaces one that runs."""

    name: str
    ticket: int = 0
    even_running: bool = False


@dataclass(frozen=True, slots=True)
class TerminateWanted:
    """Stop the child, and leave it so."""

    name: str
    ticket: int


@dataclass(frozen=True, slots=True)
class DeleteWanted:
    """Forget a child that is down."""

    name: str
    ticket: int


@dataclass(frozen=True, slots=True)
class StopWanted:
    """Stop the tree."""

    why: str
    exit_code: int


Request = StartWanted | RestartWanted | TerminateWanted | DeleteWanted
Fact = Started | StartFailed | NotStarted | Exited | Overdue | BackoffElapsed
Event = Begin | StopWanted | Request | Fact

# Effects


@dataclass(frozen=True, slots=True)
class Launch:
    """Build and start an incarnation; report `Started`, `StartFailed`, or `Overdue` after its start timeout."""

    name: str
    generation: int


@dataclass(frozen=True, slots=True)
class Halt:
    """Tell the incarnation to stop; report `Exited`, or `Overdue` after its shutdown time."""

    name: str
    generation: int


@dataclass(frozen=True, slots=True)
class Abandon:
    """Take the mailbox from an incarnation whose thread does not end, and count a zombie."""

    name: str
    generation: int


@dataclass(frozen=True, slots=True)
class Retire:
    """The child stays down: whatever waits in its mailbox can no longer be delivered."""

    name: str


@dataclass(frozen=True, slots=True)
class Forget:
    """The child is no longer one: its name is free."""

    name: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """Report the event after the delay, seconds; `jitter` is the share of it to add at random."""

    delay_s: float
    event: BackoffElapsed
    jitter: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Tell whoever made the request what became of it."""

    ticket: int
    name: str
    outcome: Outcome
    detail: Any = None


@dataclass(frozen=True, slots=True)
class TreeUp:
    """Every child runs, is parked, or has nothing to do."""


@dataclass(frozen=True, slots=True)
class TreeDown:
    """Every child is stopped."""

    why: str
    exit_code: int


Effect = Launch | Halt | Abandon | Retire | Forget | Schedule | Answer | TreeUp | TreeDown
