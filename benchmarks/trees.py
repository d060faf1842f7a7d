"""Whole trees of supervised actors; the only module of the benchmarks that builds them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from actors.messages import StopTree
from actors.runtime.actor import ServiceActor
from actors.runtime.cell import Context, Surroundings
from actors.runtime.child import ChildSpec
from actors.runtime.clock import SystemClock, Timers
from actors.runtime.dead_letters import DeadLetters
from actors.runtime.directory import Directory, Handle
from actors.runtime.mailbox import Mailbox
from actors.runtime.supervisor import Supervisor
from actors.runtime.telemetry import Telemetry
from actors.status import StatusReport
from benchmarks.rounds import DEADLINE_S, wait

MANY_RESTARTS = 1_000_000
"""An intensity that no benchmark reaches."""


def child(name: str, factory: Callable[[Context], ServiceActor], capacity: int = 10_000) -> ChildSpec:
    """A child with the defaults of every other, but for its capacity and the restarts it is allowed."""
    return ChildSpec(name, factory, mailbox_capacity=capacity, intensity=MANY_RESTARTS)


class Root(Supervisor):
    """The daemon's kind of supervisor; says when its children run."""

    def __init__(self, context: Context, specs: Sequence[ChildSpec]) -> None:
        self.up = threading.Event()
        self.down = threading.Event()
        super().__init__(context, specs, on_down=lambda _why, _exit_code: self.down.set())

    def on_tree_up(self) -> None:
        self.up.set()


class Grove:
    """A supervisor with its children, and what they share, on the machine's clock."""

    def __init__(self, specs: Sequence[ChildSpec]) -> None:
        self._threads_before = set(threading.enumerate())
        self._clock = SystemClock()
        self._timers = Timers(self._clock)
        self._timers.start()
        self.directory = Directory()
        self._dead_letters = DeadLetters(self._clock)
        self._supervisor = Handle(
            "supervisor", Mailbox(None, self._clock), Telemetry(), self._dead_letters, self._clock
        )
        self._surroundings = surroundings = Surroundings(self.directory, self._dead_letters, self._timers, self._clock)
        self._root = Root(Context("supervisor", 0, self._supervisor, surroundings, None), specs)

    def __getitem__(self, name: str) -> Handle:
        return self.directory[name]

    def start(self) -> None:
        """Start the tree; returns when every child runs."""
        self._root.launch()
        wait(self._root.up, "the start of the tree")

    def stop(self) -> None:
        """Stop the tree as an operator would; returns when every child is stopped."""
        self._supervisor.tell_control(StopTree("measured"))
        wait(self._root.down, "the stop of the tree")

    def close(self) -> None:
        """Stop what still runs, and wait for the end of every thread that was started meanwhile."""
        if not self._root.down.is_set():
            self.stop()
        self._timers.stop()
        for thread in set(threading.enumerate()) - self._threads_before:
            thread.join(DEADLINE_S)

    def report(self) -> StatusReport:
        """What builds the status of this tree."""
        zombies = self._surroundings.zombies
        return StatusReport(
            self.directory, self._dead_letters, zombies, self._clock, "0", (), "here", datetime.now(UTC)
        )


@contextmanager
def running(*specs: ChildSpec) -> Iterator[Grove]:
    """A tree whose children run."""
    grove = Grove(specs)
    try:
        grove.start()
        yield grove
    finally:
        grove.close()
