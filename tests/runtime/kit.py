"""Tools of these tests: time that stands still, a probe, actors that do as they are told, and whole trees of them."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pykka

from actors.errors import NotDelivered
from actors.messages import Ping, RestartChild, StopTree
from actors.runtime.actor import ServiceActor
from actors.runtime.cell import Context, Surroundings
from actors.runtime.child import ChildSpec
from actors.runtime.clock import Clock, SystemClock, Timer, Timers
from actors.runtime.dead_letters import DeadLetters
from actors.runtime.directory import Directory, Handle
from actors.runtime.mailbox import Mailbox
from actors.runtime.supervisor import Supervisor
from actors.runtime.telemetry import Telemetry
from actors.runtime.tree import Child, Status, Tree

WAIT_S = 30.0

T = TypeVar("T")


class ManualClock:
    """Stands still until it is told to move."""

    def __init__(self) -> None:
        self._elapsed = 1000.0

    def monotonic(self) -> float:
        return self._elapsed

    def now(self) -> datetime:
        return datetime(2026, 1, 5, tzinfo=UTC) + timedelta(seconds=self._elapsed)

    def advance(self, seconds: float) -> None:
        self._elapsed += seconds


class ManualTimers(Timers):
    """Fires what is due when the test moves the clock, in the test's thread."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self._time = clock
        self._due: list[tuple[float, int, Timer, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._guard = threading.Lock()

    def after(self, delay_s: float, call: Callable[[], object]) -> Timer:
        timer = Timer()
        with self._guard:
            heapq.heappush(self._due, (self._time.monotonic() + delay_s, next(self._numbers), timer, call))
        return timer

    def advance(self, seconds: float) -> None:
        """Move the clock, and fire what falls due on the way, each at its time."""
        until = self._time.monotonic() + seconds
        while (entry := self._pop(until)) is not None:
            at, _, timer, call = entry
            self._time.advance(max(0.0, at - self._time.monotonic()))
            if not timer.cancelled:
                call()
        self._time.advance(until - self._time.monotonic())

    def _pop(self, until: float) -> tuple[float, int, Timer, Callable[[], object]] | None:
        with self._guard:
            return heapq.heappop(self._due) if self._due and self._due[0][0] <= until else None


class Probe:
    """Collects what happened, from any thread, in order."""

    def __init__(self) -> None:
        self._events: list[Any] = []
        self._taken = 0
        self._condition = threading.Condition()

    def put(self, event: Any) -> None:
        with self._condition:
            self._events.append(event)
            self._condition.notify_all()

    def expect(self, kind: type[T], timeout_s: float = WAIT_S) -> T:
        """The next event, which must be of that type."""
        with self._condition:
            assert self._condition.wait_for(lambda: len(self._events) > self._taken, timeout_s), f"no {kind.__name__}"
            event = self._events[self._taken]
            self._taken += 1
        assert isinstance(event, kind), f"{event} came instead of {kind.__name__}"
        return event

    def expect_all(self, *events: Any, timeout_s: float = WAIT_S) -> None:
        """The next events are these, in this order."""
        for event in events:
            assert self.expect(type(event), timeout_s) == event

    def expect_set(self, *events: Any, timeout_s: float = WAIT_S) -> None:
        """The next events are these, in any order."""
        assert {self.expect(object, timeout_s) for _ in events} == set(events)

    def pending(self) -> list[Any]:
        """What came and was not expected yet."""
        with self._condition:
            return self._events[self._taken :]


# What workers tell the probe


@dataclass(frozen=True, slots=True)
class Up:
    """The worker's `on_start` ran."""

    name: str
    generation: int = 1


@dataclass(frozen=True, slots=True)
class Down:
    """The worker's `on_stop` ran."""

    name: str
    generation: int = 1


@dataclass(frozen=True, slots=True)
class Noted:
    """The worker handled a `Note`."""

    name: str
    value: Any
    generation: int = 1


# What workers are told


@dataclass(frozen=True, slots=True)
class Note:
    """Tell the probe; replies with the value."""

    value: Any = None


@dataclass(frozen=True, slots=True)
class Fail:
    """Raise the error."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class AskOther:
    """Ask another child and reply with its answer."""

    name: str
    message: Any
    timeout_s: float = WAIT_S


@dataclass(frozen=True, slots=True)
class Run:
    """Run the function with the worker and reply with what it returns."""

    call: Callable[[Worker], Any]


@dataclass(frozen=True, slots=True)
class Gate:
    """Hold the worker until the gate is opened."""

    entered: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def hold(self) -> None:
        self.entered.set()
        assert self.opened.wait(WAIT_S), "nobody opened the gate"

    def wait_entered(self) -> None:
        assert self.entered.wait(WAIT_S), "nobody came to the gate"

    def open(self) -> None:
        self.opened.set()


Hook = Callable[["Worker"], None]


class Worker(ServiceActor):
    """Does what its messages say and tells the probe."""

    def __init__(
        self, context: Context, probe: Probe, start: Hook | None, stop: Hook | None, leave: Hook | None
    ) -> None:
        super().__init__(context)
        self.probe = probe
        self._start, self._stop_hook, self._leave = start, stop, leave
        self.handles(
            {
                Note: self._note,
                Fail: self._fail,
                Gate: lambda gate: gate.hold(),
                AskOther: lambda message: context.directory[message.name].ask(message.message, message.timeout_s),
                Run: lambda message: message.call(self),
            }
        )

    def on_start(self) -> None:
        self.probe.put(Up(self.context.name, self.context.generation))
        if self._start is not None:
            self._start(self)

    def on_stop(self) -> None:
        self.probe.put(Down(self.context.name, self.context.generation))
        if self._stop_hook is not None:
            self._stop_hook(self)

    def on_exit(self) -> None:
        if self._leave is not None:
            self._leave(self)

    def _note(self, message: Note) -> Any:
        self.probe.put(Noted(self.context.name, message.value, self.context.generation))
        return message.value

    @staticmethod
    def _fail(message: Fail) -> None:
        raise message.error


class WatchedDirectory(Directory):
    """Lets a test wait for a state of the tree; remembers every state there was."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.history: list[Tree] = []
        super().__init__()

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "tree" and value is not None:
            with self.changed:
                super().__setattr__(name, value)
                self.history.append(value)
                self.changed.notify_all()
        else:
            super().__setattr__(name, value)


class Grove:
    """A supervisor with its children, on real threads."""

    def __init__(self, specs: list[ChildSpec], probe: Probe, clock: Clock, timers: Timers) -> None:
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
        context = Context("supervisor", 0, self.supervisor, surroundings, None)
        self._actor = Supervisor(context, specs, self._note_down)

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
        self.supervisor.ask(RestartChild(name), WAIT_S)

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


def worker(
    probe: Probe,
    name: str,
    *,
    start: Hook | None = None,
    stop: Hook | None = None,
    leave: Hook | None = None,
    **fields: Any,
) -> ChildSpec:
    """A child of that name; the hooks run in its `on_start`, `on_stop` and `on_exit`."""
    return ChildSpec(name, lambda context: Worker(context, probe, start, stop, leave), **fields)


@contextmanager
def tree(*specs: ChildSpec, probe: Probe, real_time: bool = False, wait: bool = True) -> Iterator[Grove]:
    """A running tree under a manual clock; on the way out all is stopped and no thread is left behind.

    Args:
        specs: the children.
        probe: gets what they tell.
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
    grove = Grove(list(specs), probe, clock, timers)
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


def race(count: int, act: Callable[[int], T]) -> list[T]:
    """Run `act(0)`, `act(1)`, .. at once in threads of their own; returns what they return, in order."""
    barrier = threading.Barrier(count, timeout=WAIT_S)
    results: dict[int, T] = {}

    def run(number: int) -> None:
        barrier.wait()
        results[number] = act(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    return [results[number] for number in range(count)]
