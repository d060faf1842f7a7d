"""Whole trees of workers under a test's control; the other tools are found here too."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pykka

from actors.errors import NotDelivered
from actors.messages import Ping, RestartChild, StopTree
from actors.runtime.actor import ServiceActor
from actors.runtime.cell import Context, Surroundings
from actors.runtime.child import ChildSpec, GiveUp
from actors.runtime.clock import Clock, SystemClock, Timers
from actors.runtime.dead_letters import DeadLetters
from actors.runtime.directory import Directory, Handle
from actors.runtime.flags import Flags
from actors.runtime.mailbox import Mailbox
from actors.runtime.supervisor import Supervisor
from actors.runtime.telemetry import Telemetry
from actors.runtime.tree import Child, Status, Tree
from tests.runtime.manual import WAIT_S, ManualClock, ManualTimers, Probe, race
from tests.runtime.workers import (
    STEADY,
    AskOther,
    Down,
    Fail,
    Gate,
    Note,
    Noted,
    Run,
    Up,
    Worker,
    hold_and_crash,
    raising,
    wait_for,
    worker,
)

__all__ = [
    "STEADY",
    "WAIT_S",
    "AskOther",
    "Down",
    "Fail",
    "Gate",
    "Grove",
    "ManualClock",
    "ManualTimers",
    "Note",
    "Noted",
    "Probe",
    "Run",
    "Up",
    "Worker",
    "crash",
    "end_of",
    "hold_and_crash",
    "park",
    "parkable",
    "race",
    "raising",
    "stop_order",
    "tree",
    "wait_for",
    "worker",
]


class WatchedDirectory(Directory):
    """Lets a test wait for a state of the trees."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = threading.Condition()

    def publish(self, supervisor: str, tree: Tree) -> None:
        with self.changed:
            super().publish(supervisor, tree)
            self.changed.notify_all()


class Grove:
    """A supervisor with its children, on real threads."""

    def __init__(
        self, specs: list[ChildSpec], probe: Probe, clock: Clock, timers: Timers, flags: Flags | None = None
    ) -> None:
        self.probe = probe
        self.clock = clock
        self.timers = timers
        self.directory = WatchedDirectory()
        self.dead_letters = DeadLetters(clock)
        self.gates: list[Gate] = []
        self.supervisor = Handle("supervisor", Mailbox(None, clock), Telemetry(), self.dead_letters, clock)
        self._down: tuple[str, int] | None = None
        self._ended = threading.Event()
        surroundings = Surroundings(self.directory, self.dead_letters, timers, clock)
        self.zombies = surroundings.zombies
        context = Context("supervisor", 0, self.supervisor, surroundings, None)
        self._actor = Supervisor(context, specs, flags, on_down=self._note_down)

    def __getitem__(self, name: str) -> Handle:
        return self.directory[name]

    def launch(self) -> None:
        self._actor.launch()

    def _note_down(self, why: str, exit_code: int) -> None:
        self._down = (why, exit_code)
        self._ended.set()

    @property
    def tree(self) -> Tree:
        assert self.directory.tree is not None
        return self.directory.tree

    def child(self, name: str) -> Child:
        return self.tree.children[name]

    def gate(self) -> Gate:
        """A gate that is opened at the latest when the test ends."""
        gate = Gate()
        self.gates.append(gate)
        return gate

    def until(self, condition: Callable[[Tree], bool], timeout_s: float = WAIT_S) -> None:
        """Wait until the tree is so, and the supervisor has done what follows from it."""
        with self.directory.changed:
            assert self.directory.changed.wait_for(lambda: condition(self.tree), timeout_s), self.tree
        self.settle()

    def until_status(self, name: str, status: Status, generation: int | None = None) -> None:
        """Wait until the child is there, in that generation if one is given."""
        self.until(
            lambda tree: tree.children[name].status is status and generation in {None, tree.children[name].generation}
        )

    def settle(self) -> None:
        """Wait until the supervisor has handled what it was told before."""
        try:
            self.supervisor.ask(Ping(), WAIT_S)
        except NotDelivered:
            assert self.supervisor.mailbox.closed

    def advance(self, seconds: float) -> None:
        """Move the manual clock; then wait until the supervisor has seen what fell due."""
        assert isinstance(self.timers, ManualTimers)
        self.timers.advance(seconds)
        self.settle()

    @staticmethod
    def threads_named(name: str) -> list[threading.Thread]:
        """The threads of a child's incarnations, oldest first."""
        return [thread for thread in threading.enumerate() if thread.name == name]

    def restart(self, name: str) -> None:
        self.supervisor.ask(RestartChild(name, even_running=True), WAIT_S)

    def stop(self) -> tuple[str, int]:
        """Stop the tree as an operator would; returns the reason and the exit code."""
        self.supervisor.tell_control(StopTree("stopped by the test"))
        return self.wait_down()

    def wait_down(self) -> tuple[str, int]:
        assert self._ended.wait(WAIT_S), self.tree
        assert self._down is not None
        return self._down

    def close(self) -> None:
        for gate in self.gates:
            gate.open()
        if not self._ended.is_set():
            self.supervisor.tell_control(StopTree("the test is over"))
            self.wait_down()


@contextmanager
def tree(
    *specs: ChildSpec, probe: Probe, flags: Flags | None = None, real_time: bool = False, wait: bool = True
) -> Iterator[Grove]:
    """A running tree under a manual clock; on the way out all is stopped and no thread is left behind.

    Args:
        specs: the children.
        probe: gets what they tell.
        flags: of their supervisor.
        real_time: run on the machine's clock.
        wait: return only when every child runs or is parked.
    """
    before = set(threading.enumerate())
    clock: Clock
    timers: Timers
    if real_time:
        clock = SystemClock()
        timers = Timers(clock)
        timers.start()
    else:
        clock = manual = ManualClock()
        timers = ManualTimers(manual)
    grove = Grove(list(specs), probe, clock, timers, flags)
    try:
        grove.launch()
        if wait:
            grove.until(lambda state: state.phase.value != "starting")
        yield grove
    finally:
        grove.close()
        timers.stop()
        end_of(before)


def end_of(before: set[threading.Thread]) -> None:
    """Wait for the end of every thread that was not there before."""
    for thread in threading.enumerate():
        if thread not in before:
            thread.join(WAIT_S)
            assert not thread.is_alive(), f"thread {thread.name} was left behind"
    assert not pykka.ActorRegistry.get_by_class(ServiceActor)


def crash(handle: Handle, error: BaseException | None = None) -> None:
    handle.tell(Fail(error or ValueError("boom")))


def parkable(probe: Probe) -> ChildSpec:
    return worker(probe, "a", intensity=0, give_up=GiveUp.PARK)


def park(grove: Grove) -> None:
    crash(grove["a"])
    grove.until_status("a", Status.PARKED)


def stop_order() -> StopTree:
    return StopTree("asked")
