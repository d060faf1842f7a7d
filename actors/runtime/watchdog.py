"""The service manager's watchdog: fed while the threads on which everything rests show signs of life.

They are judged by what they do, never by what a server does: a writer that waits for PostgreSQL is within its handler's
budget, and one that exceeds it is replaced by the supervisor. The watchdog is for what the supervisor cannot mend: that
its own thread is frozen, or that a thread which should be awake has no handler in hand and takes none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from actors.runtime.clock import Clock
from actors.runtime.directory import Directory, Handle
from actors.runtime.systemd import Notifier
from actors.runtime.telemetry import Telemetry
from actors.runtime.tree import Phase, Status

IDLE_S = 15.0
"""The supervisor, the writer and the gateway's loop have something to do every three seconds at the least."""
GRACE_S = 15.0
"""How long after a handler's budget the supervisor may take to replace the actor."""
ROOT_BUDGET_S = 60.0


@dataclass(frozen=True, slots=True)
class Pulse:
    """The last sign of life of one thread, monotonic seconds, and after how long it is taken for frozen."""

    name: str
    at: float
    limit_s: float

    def has_stopped(self, now: float) -> bool:
        """Whether it has been too long; a thread that has shown no sign yet is still starting."""
        return bool(self.at) and now - self.at > self.limit_s


def pulses(root: Handle, directory: Directory, writer: str, loop: str) -> list[Pulse]:
    """Those of the root supervisor, of the writer, and of the loop beside an actor; from any thread.

    One that its supervisor starts, stops or restarts is not watched, as its time is limited there.
    """
    tree = directory.tree
    if tree is None or tree.phase is Phase.STOPPED:
        return []
    found = [_of_actor(root.name, root.telemetry, ROOT_BUDGET_S)]
    for name in (writer, loop):
        child = tree.children.get(name)
        if child is None or child.status is not Status.RUNNING:
            continue
        telemetry = directory[name].telemetry
        if name == writer:
            found.append(_of_actor(name, telemetry, child.spec.handler_budget_s))
        else:
            found.append(Pulse(f"{name}'s loop", telemetry.pulse, IDLE_S))
    return found


def _of_actor(name: str, telemetry: Telemetry, budget_s: float) -> Pulse:
    return Pulse(name, telemetry.handling_since, budget_s + GRACE_S if telemetry.handling else IDLE_S)


class Watchdog:
    """A thread that feeds the manager's watchdog three times within its limit, or does not.

    Args:
        notifier: to the manager; without a limit of its own nothing is done.
        watched: the pulses as they are now; called in the watchdog's thread.
        clock: of the pulses.
        on_frozen: told the names, once for each time that feeding ends, in the watchdog's thread.
    """

    def __init__(
        self,
        notifier: Notifier,
        watched: Callable[[], Iterable[Pulse]],
        clock: Clock,
        on_frozen: Callable[[list[str]], None],
    ) -> None:
        self._notifier, self._watched, self._clock, self._on_frozen = notifier, watched, clock, on_frozen
        self._stopped = threading.Event()
        self._fed = True
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        if self._notifier.watchdog_s is not None:
            self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(1.0)

    def look(self) -> None:
        """Feed the manager's watchdog if nobody is frozen."""
        now = self._clock.monotonic()
        frozen = [pulse.name for pulse in self._watched() if pulse.has_stopped(now)]
        if not frozen:
            self._notifier.send("WATCHDOG=1")
        elif self._fed:
            self._on_frozen(frozen)
        self._fed = not frozen

    def _run(self) -> None:
        assert self._notifier.watchdog_s is not None
        self.look()
        while not self._stopped.wait(self._notifier.watchdog_s / 3):
            self.look()
