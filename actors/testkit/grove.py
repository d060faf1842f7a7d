"""A grove: a whole tree on real threads, under a real supervisor and a manual clock, in the hands of a test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from actors.messages import Crash, Ping, RestartChild, StopTree
from actors.runtime.cell import Context, Surroundings
from actors.runtime.child import ChildSpec, GiveUp
from actors.runtime.clock import Clock, SystemClock, Timers
from actors.runtime.dead_letters import DeadLetters
from actors.runtime.directory import Directory, Handle
from actors.runtime.flags import Flags
from actors.runtime.letter import Question
from actors.runtime.mailbox import Mailbox
from actors.runtime.supervisor import Supervisor
from actors.runtime.telemetry import Telemetry
from actors.runtime.tree import Child, Status, Tree
from actors.testkit.gate import Gate
from actors.testkit.manual_clock import ManualClock, ManualTimers
from actors.testkit.neighbour import Neighbour
from actors.testkit.probe import WAIT_S
from actors.testkit.threads import end_of

DOWN = frozenset({Status.PARKED, Status.STOPPED, Status.STOPPING, Status.RESTARTING})


class _Barrier:
    """The reply of a question whose answer says that all before it was handled."""

    def __init__(self, changed: threading.Condition) -> None:
        self.passed = False
        self._changed = changed

    def complete(self, _: object) -> None:
        with self._changed:
            self.passed = True
            self._changed.notify_all()

    def fail(self, _: BaseException) -> None:
        self.complete(None)


class _BarrierLetter(Question):
    """Vanishes with the mailbox instead of becoming a dead letter, as everything does that is for one incarnation."""

    __slots__ = ()

    generation = 0


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
    """A supervisor with its children, on real threads. Whatever does not come true in time is an `AssertionError`."""

    def __init__(self, specs: Iterable[ChildSpec], clock: Clock, timers: Timers, flags: Flags | None = None) -> None:
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
        self._actor = Supervisor(context, list(specs), flags, on_down=self._note_down)

    def __getitem__(self, name: str) -> Handle:
        """The handle of that name: a child's or a neighbour's."""
        return self.directory[name]

    @property
    def tree(self) -> Tree:
        """The children as they stand; those of supervisors below are in theirs."""
        tree = self.directory.tree
        assert tree is not None
        return tree

    def child(self, name: str) -> Child:
        """How the child stands, wherever it is in the tree."""
        return self.tree.children.get(name) or self.directory.children()[name]

    def gate(self, gate: Gate | None = None) -> Gate:
        """A new gate, or the given one, which is opened at the latest when the test ends."""
        gate = gate or Gate()
        self.gates.append(gate)
        return gate

    # Waiting

    def until(self, condition: Callable[[Tree], bool], timeout_s: float = WAIT_S) -> None:
        """Wait until the tree is so, and the supervisor has done what follows from it."""
        with self.directory.changed:
            if not self.directory.changed.wait_for(lambda: condition(self.tree), timeout_s):
                raise AssertionError(f"the tree did not come to be so within {timeout_s:g} s: {self._shown()}")
        self.settle()

    def until_status(self, name: str, status: Status, generation: int | None = None) -> None:
        """Wait until the child is there, in that generation if one is given."""

        def reached(_: Tree) -> bool:
            child = self.child(name)
            return child.status is status and generation in {None, child.generation}

        self.until(reached)

    def settle(self) -> None:
        """Wait until the supervisor has handled what it was told before."""
        self._settle(self.supervisor)

    def _settle(self, supervisor: Handle) -> None:
        """As `settle`, for any supervisor; one that went down meanwhile is not waited for."""
        changed = self.directory.changed
        barrier = _Barrier(changed)
        if not supervisor.mailbox.offer(_BarrierLetter(Ping(), barrier)):
            return
        with changed:
            if not changed.wait_for(lambda: barrier.passed or self._is_down(supervisor.name), WAIT_S):
                raise AssertionError(f"{supervisor.name} did not come to it within {WAIT_S:g} s: {self._shown()}")

    def wait_down(self) -> tuple[str, int]:
        """Wait until the tree is down; returns the reason and the exit code."""
        if not self._ended.wait(WAIT_S):
            raise AssertionError(f"the tree did not end within {WAIT_S:g} s: {self._shown()}")
        assert self._down is not None
        return self._down

    def _shown(self) -> str:
        children = self.directory.children().items()
        return ", ".join(
            f"{name} {child.status.value} ({child.generation})" + (f" {child.last_error}" if child.last_error else "")
            for name, child in children
        )

    # Acting

    def advance(self, seconds: float) -> None:
        """Move the manual clock; the supervisor handles each thing that falls due at its time."""
        if not isinstance(self.timers, ManualTimers):
            raise AssertionError("the tree runs on the machine's clock, which nobody can move")  # noqa: TRY004
        self.timers.advance(seconds, self.settle)
        self.settle()

    def crash(self, name: str) -> None:
        """Crash the child, which must run, ahead of what waits in its mailbox; wait until its supervisor knows."""
        before = self.child(name)
        if before.status is not Status.RUNNING:
            raise AssertionError(f"{name} is {before.status.value}: only one that runs can crash")
        supervisor = self.directory.supervisors[name]
        self[name].tell_control(Crash("crash injected by the test"))
        self.until(lambda _: self._is_down(name) or self.child(name).total_restarts > before.total_restarts)
        self._settle(supervisor)

    def revive(self, name: str) -> None:
        """Let the backoff of a child that waits to be restarted pass, and wait until its successor runs."""
        child = self.child(name)
        if child.status is Status.RESTARTING:
            backoff = child.spec.backoff
            self.advance(backoff.delay_s(child.streak) * (1 + backoff.jitter))
        self.until_status(name, Status.RUNNING)

    def park(self, name: str) -> None:
        """Crash the child, whose `give_up` must be to park, until it is parked."""
        if self.child(name).spec.give_up is not GiveUp.PARK:
            raise AssertionError(f"{name} does not park: its give_up is to {self.child(name).spec.give_up.value}")
        self.crash(name)
        while self.child(name).status is not Status.PARKED:
            self.revive(name)
            self.crash(name)

    def _is_down(self, name: str) -> bool:
        """Whether the child, or the supervisor, does not run and is not about to."""
        if name == self.supervisor.name:
            return self._ended.is_set()
        child = self.directory.children().get(name)
        return child is None or child.status in DOWN

    def restart(self, name: str) -> None:
        """Have the child replaced, as an operator would."""
        self.supervisor.ask(RestartChild(name, even_running=True), WAIT_S)

    def stop(self) -> tuple[str, int]:
        """Stop the tree as an operator would; returns the reason and the exit code."""
        self.supervisor.tell_control(StopTree("stopped by the test"))
        return self.wait_down()

    @staticmethod
    def threads_named(name: str) -> list[threading.Thread]:
        """The threads of a child's incarnations, oldest first."""
        return [thread for thread in threading.enumerate() if thread.name == name]

    def launch(self) -> None:
        """Start it; `running_tree` does."""
        self._actor.launch()

    def close(self) -> None:
        """Open the gates and stop what still runs; `running_tree` does."""
        for gate in self.gates:
            gate.open()
        if not self._ended.is_set():
            self.supervisor.tell_control(StopTree("the test is over"))
            self.wait_down()

    def _note_down(self, why: str, exit_code: int) -> None:
        self._down = (why, exit_code)
        with self.directory.changed:
            self._ended.set()
            self.directory.changed.notify_all()


@contextmanager
def running_tree(
    *specs: ChildSpec,
    neighbours: Iterable[Neighbour] = (),
    flags: Flags | None = None,
    real_time: bool = False,
    wait: bool = True,
) -> Iterator[Grove]:
    """A running tree under a manual clock; on the way out all is stopped and no thread is left behind.

    Args:
        specs: the children.
        neighbours: whom they can reach besides each other.
        flags: of their supervisor.
        real_time: run on the machine's clock.
        wait: return only when every child runs or is parked.

    Raises:
        SpecError: the children cannot be supervised together.
        AssertionError: what is waited for does not come, or a thread is left behind.
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
    try:
        grove = Grove(specs, clock, timers, flags)
        for neighbour in neighbours:
            neighbour.join(grove.directory)
        grove.launch()
        try:
            if wait:
                grove.until(lambda state: state.phase.value != "starting")
            yield grove
        finally:
            grove.close()
    finally:
        timers.stop()
        end_of(before)
