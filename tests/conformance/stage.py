"""What a case needs: a tree of children that do as they are told, time, and a view of what became of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar

from actors.runtime.cell import Context
from actors.runtime.child import Backoff, ChildSpec, Kind
from actors.runtime.events import Outcome, Reason
from actors.runtime.flags import Flags
from actors.runtime.passage import ALIVE
from actors.runtime.supervisor import nested
from actors.runtime.tree import ChildCount, Phase, Status, Tree

TOP = "supervisor"
"""The name of the outermost supervisor."""
HOT = Backoff(first_s=0, min_s=0, jitter=0)
"""As OTP: every restart is tried at once."""
SLOW = Backoff(first_s=0, min_s=1, max_s=1, jitter=0)
"""The first restart comes at once, every further one after a second."""


class Start(Enum):
    """What a child does when it is started."""

    RUN = "run"
    FAIL = "fail"
    IGNORE = "ignore"
    HOLD = "wait for `release`"


class Stop(Enum):
    """What a child does when it is told to stop."""

    OBEY = "end"
    CRASH = "crash"
    HOLD = "wait for `release`"
    VANISH = "end without a report"
    LINGER = "end, but keep the thread until `release_all`"


class Script:
    """What the children do next."""

    def __init__(self) -> None:
        self.starts: dict[str, deque[Start]] = {}
        self.always: dict[str, Start] = {}
        self.stops: dict[str, Stop] = {}
        self.infos: dict[str, Any] = {}

    def next_start(self, name: str) -> Start:
        coming = self.starts.get(name)
        return coming.popleft() if coming else self.always.get(name, Start.RUN)

    def stop(self, name: str) -> Stop:
        return self.stops.get(name, Stop.OBEY)


class Request:
    """What was asked of a supervisor; `outcome` is None as long as there is no answer."""

    def __init__(self) -> None:
        self.outcome: Outcome | None = None
        self.info: Any = None

    def answer(self, outcome: Outcome, info: Any = None) -> None:
        assert self.outcome is None, "answered twice"
        self.outcome, self.info = outcome, info


class Stage(ABC):
    """Every method returns once nothing more happens by itself, save with time.

    `log` says what the workers did: `+a` came up, `-a` ended, `!a` failed to start, `~a` had nothing
    to do.
    """

    crowd: ClassVar[int]
    """How many children are many."""

    def __init__(self) -> None:
        self.script = Script()
        self.log: list[str] = []
        self.flags: dict[str, Flags] = {}

    # What is supervised

    def child(self, name: str, **fields: Any) -> ChildSpec:
        """A worker, as OTP restarts it unless the fields say otherwise."""
        return ChildSpec(name, self.build, **{"backoff": HOT, "handler_budget_s": 0.5, **fields})

    def nested(self, name: str, *specs: ChildSpec, flags: Flags, **fields: Any) -> ChildSpec:
        """A supervisor below another one."""
        self.flags[name] = flags
        return nested(name, specs, flags, **{"backoff": HOT, **fields})

    @abstractmethod
    def build(self, context: Context) -> Any:
        """The factory of all workers."""

    @abstractmethod
    def start(self, *specs: ChildSpec, flags: Flags) -> None:
        """Start the outermost supervisor."""

    # What children do

    def starts(self, name: str, *acts: Start, then: Start = Start.RUN) -> None:
        """How the next starts of the child go, and all that follow them."""
        self.script.starts[name] = deque(acts)
        self.script.always[name] = then

    def stops(self, name: str, act: Stop) -> None:
        """How the child takes a stop from now on."""
        self.script.stops[name] = act

    def informs(self, name: str, info: Any) -> None:
        """What the child tells whoever starts it."""
        self.script.infos[name] = info

    @abstractmethod
    def release(self, name: str) -> None:
        """Let the child go on with the start or the stop that it holds."""

    @abstractmethod
    def release_all(self) -> None:
        """The same for all that hold one, and for threads that linger."""

    @abstractmethod
    def crash(self, name: str) -> None:
        """The child, a worker or a supervisor, crashes."""

    @abstractmethod
    def crash_all(self, *names: str) -> None:
        """The workers crash, one as soon as the other."""

    @abstractmethod
    def kill(self, name: str) -> None:
        """The worker hangs in a handler until it is abandoned, which takes a second."""

    @abstractmethod
    def end(self, name: str, reason: Reason = Reason.NORMAL) -> None:
        """The worker ends by itself."""

    @abstractmethod
    def vanish(self, name: str) -> None:
        """The worker's thread ends, and nobody is told."""

    # Requests

    @abstractmethod
    def add(self, spec: ChildSpec, to: str = TOP) -> Request: ...

    @abstractmethod
    def add_all(self, *specs: ChildSpec, to: str = TOP) -> list[Request]:
        """Several, without a wait between them."""

    @abstractmethod
    def terminate(self, name: str, of: str = TOP) -> Request: ...

    @abstractmethod
    def restart(self, name: str, of: str = TOP) -> Request: ...

    @abstractmethod
    def delete(self, name: str, of: str = TOP) -> Request: ...

    @abstractmethod
    def which(self, of: str = TOP) -> list[tuple[str, Status, int]]:
        """Name, status and generation of each child, newest first."""

    @abstractmethod
    def count(self, of: str = TOP) -> ChildCount: ...

    @abstractmethod
    def stop(self) -> None:
        """Have the outermost supervisor stop."""

    @abstractmethod
    def advance(self, seconds: float) -> None:
        """Let time pass."""

    @property
    @abstractmethod
    def now(self) -> float:
        """Monotonic seconds."""

    @abstractmethod
    def close(self) -> None:
        """End everything."""

    # What became of them

    @property
    @abstractmethod
    def trees(self) -> Mapping[str, Tree]:
        """The supervisors' by their names."""

    @property
    @abstractmethod
    def alive(self) -> set[tuple[str, int]]:
        """Workers that came up and have not ended, whatever their supervisor thinks."""

    def over(self) -> tuple[str, int] | None:
        """Why the outermost supervisor ended, and with which exit code, if it did."""
        top = self.trees[TOP]
        return (top.why, top.exit_code) if top.phase is Phase.STOPPED else None

    def children(self, of: str = TOP) -> dict[str, Any]:
        """Every child there is, at any depth, by its name."""
        found: dict[str, Any] = {}
        for name, child in self.trees[of].children.items():
            found[name] = child
            if child.spec.kind is Kind.SUPERVISOR and child.status in ALIVE and name in self.trees:
                found.update(self.children(name))
        return found

    def status(self, name: str) -> Status | None:
        """Where the child stands; None: it is unknown."""
        child = self.children().get(name)
        return None if child is None else child.status

    def runs(self, *names: str) -> bool:
        """Whether all of these run."""
        return all(self.status(name) is Status.RUNNING for name in names)

    def key(self, name: str) -> tuple[str, int]:
        """The child's incarnation: its name and generation."""
        return name, self.lives(name)[0]

    def lives(self, *names: str) -> tuple[int, ...]:
        """The generations of the children."""
        known = self.children()
        return tuple(known[name].generation for name in names)

    def reason(self, name: str) -> Reason | None:
        """Why the child's last incarnation ended."""
        reason: Reason | None = self.children()[name].last_reason
        return reason

    def check(self) -> None:
        """Those who live are those of whom the supervisors say so."""
        workers = {(name, one.generation): one.status for name, one in self.children().items() if _works(one)}
        up = {key for key, status in workers.items() if status is Status.RUNNING}
        going = {key for key, status in workers.items() if status is Status.STOPPING}
        assert up - self.vanished <= self.alive <= up | going, (self.alive, workers)

    @property
    def vanished(self) -> set[tuple[str, int]]:
        """Workers that ended without a report."""
        return set()


def in_list_order(**fields: Any) -> Flags:
    """OTP's way to start and stop, and its default intensity of Elixir: 3 in 5 s."""
    return Flags(in_sequence=True, **fields)


def _works(child: Any) -> bool:
    return child.spec.kind is Kind.WORKER
