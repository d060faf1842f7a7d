"""What a supervisor is told about a child: data only."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from actors.errors import SpecError

if TYPE_CHECKING:
    from actors.runtime.actor import ServiceActor
    from actors.runtime.cell import Context

INFINITY = math.inf
"""A child with this `shutdown_s` is waited for without end."""


class Restart(Enum):
    """When a child that ended is started again."""

    PERMANENT = "permanent"
    """Always."""
    TRANSIENT = "transient"
    """Only after a crash."""
    TEMPORARY = "temporary"
    """Never; when it ended, its supervisor forgets it."""


class Kind(Enum):
    """What a child is."""

    WORKER = "worker"
    SUPERVISOR = "supervisor"


class GiveUp(Enum):
    """What follows when a child exceeds a restart intensity of its own, or cannot start at all."""

    STOP_TREE = "stop the tree"
    """Its supervisor stops every child and ends, so that the one above decides."""
    PARK = "park"
    """The child alone stays down, shown as `parked`, until the operator restarts it."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays before restarts: `first_s`, then `min_s * 2**n`, at most `max_s`, plus up to `jitter` of it.

    After `reset_after_s` without a restart the next one is the first again.
    """

    first_s: float = 0.0
    min_s: float = 0.05
    max_s: float = 10.0
    jitter: float = 0.2
    reset_after_s: float = 30.0

    def delay_s(self, streak: int) -> float:
        """Seconds before the `streak`-th restart in a row (1 is the first), without jitter."""
        return self.first_s if streak <= 1 else min(self.max_s, self.min_s * 2.0 ** min(streak - 2, 60))


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One child of a supervisor.

    Args:
        name: unique in the whole tree; also the thread's name and the log's `actor` field.
        factory: builds one incarnation; runs in the supervisor's thread, so it must not wait for anything.
        depends_on: siblings that must run, or be parked, before this one starts.
        restart: when it is started again after it ended.
        kind: worker or supervisor.
        significant: whether its end, by itself and without a restart, may end its supervisor; see `AutoShutdown`.
        intensity: restarts of its own allowed within `period_s`, one more and `give_up` applies; None: its restarts
            are counted together with its siblings' against the intensity of the supervisor.
        period_s: the sliding window of its own intensity, seconds.
        give_up: what follows when it exceeds an intensity of its own.
        start_failure: what follows when its first start fails, or when it says later that no restart helps.
        start_timeout_s: how long `on_start` may take.
        start_retry_s: how long a start, the first or a later one, that fails for a passing reason is tried again
            before it counts as failed.
        shutdown_s: how long it may take to stop before it is abandoned; 0: it is abandoned at once; `INFINITY`: it is
            waited for. None: 5 for a worker, `INFINITY` for a supervisor, whose children have limits of their own.
        mailbox_capacity: messages its user lane holds.
        handler_budget_s: how long one handler may run before the child is taken for stuck.
        backoff: the delays between its restarts.
        children: those of a supervisor, which are shown and can be sent to before it starts; see `nested`.

    Raises:
        SpecError: a field has a value that cannot be used; the text names child and field.
    """

    name: str
    factory: Callable[[Context], ServiceActor]
    depends_on: tuple[str, ...] = ()
    restart: Restart = Restart.PERMANENT
    kind: Kind = Kind.WORKER
    significant: bool = False
    intensity: int | None = None
    period_s: float = 30.0
    give_up: GiveUp = GiveUp.STOP_TREE
    start_failure: GiveUp = GiveUp.STOP_TREE
    start_timeout_s: float = 15.0
    start_retry_s: float = 0.0
    shutdown_s: float | None = None
    mailbox_capacity: int = 10_000
    handler_budget_s: float = 60.0
    backoff: Backoff = Backoff()
    children: tuple[ChildSpec, ...] = ()

    def __post_init__(self) -> None:
        if not (isinstance(name := _any(self.name), str) and name):
            raise SpecError(f"child {self.name!r}: name must be a text that is not empty")
        if not callable(self.factory):
            raise SpecError(f"child {self.name}: factory is not callable")
        for check in (_check_kinds, _check_numbers, _check_tuples, _check_together):
            if problem := check(self):
                raise SpecError(f"child {self.name}: {problem}")

    @property
    def stop_within_s(self) -> float:
        """`shutdown_s` with its default filled in."""
        if self.shutdown_s is not None:
            return self.shutdown_s
        return 5.0 if self.kind is Kind.WORKER else INFINITY


_ENUMS: dict[str, type[Enum]] = {"restart": Restart, "kind": Kind, "give_up": GiveUp, "start_failure": GiveUp}
_NUMBERS: dict[str, tuple[float, str]] = {
    "intensity": (0, "not be negative"),
    "start_retry_s": (0, "not be negative"),
    "shutdown_s": (0, "not be negative"),
    "period_s": (math.ulp(0.0), "be positive"),
    "start_timeout_s": (math.ulp(0.0), "be positive"),
    "mailbox_capacity": (1, "be positive"),
    "handler_budget_s": (math.ulp(0.0), "be positive"),
}


def _check_kinds(spec: ChildSpec) -> str | None:
    for field, kind in _ENUMS.items():
        if not isinstance(getattr(spec, field), kind):
            return f"{field} must be one of {', '.join(map(str, kind))}"
    return None


def _check_numbers(spec: ChildSpec) -> str | None:
    for field, (least, what) in _NUMBERS.items():
        value = getattr(spec, field)
        if not (_at_least(value, least) or (value is None and field in {"intensity", "shutdown_s"})):
            return f"{field} must {what}, not {value!r}"
    for field in ("intensity", "mailbox_capacity"):
        if isinstance(value := getattr(spec, field), float):
            return f"{field} must be a whole number, not {value!r}"
    for field in ("first_s", "min_s", "max_s", "jitter", "reset_after_s"):
        if not _at_least(getattr(spec.backoff, field), 0):
            return f"backoff.{field} must not be negative"
    return None


def _check_tuples(spec: ChildSpec) -> str | None:
    kinds: dict[str, type] = {"depends_on": str, "children": ChildSpec}
    for field, kind in kinds.items():
        several = getattr(spec, field)
        if not (isinstance(several, tuple) and all(isinstance(one, kind) for one in several)):
            return f"{field} must be a tuple of {kind.__name__}"
    return None


def _check_together(spec: ChildSpec) -> str | None:
    if spec.give_up is GiveUp.PARK and spec.intensity is None:
        return "give_up parks, which needs an intensity of its own"
    if spec.significant and spec.restart is Restart.PERMANENT:
        return "significant, but permanent: it never ends without a restart"
    return None


def _any(value: Any) -> Any:
    """The value as a caller without type checks gave it."""
    return value


def _at_least(value: Any, least: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= least
