"""Whatever happens, in whatever order, some things never do: a world of incarnations against the pure machine."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.runtime.child import GiveUp, Restart
from actors.runtime.events import (
    Abandon,
    Answer,
    BackoffElapsed,
    Effect,
    Event,
    Exited,
    Forget,
    Halt,
    Launch,
    NotStarted,
    Overdue,
    Reason,
    RestartWanted,
    Retire,
    Schedule,
    Started,
    StartFailed,
    TreeDown,
    TreeUp,
)
from actors.runtime.tree import Phase, Status
from tests.runtime.machine import Machine, spec

NAMES = ("a", "b", "c", "d", "e")
SETTLED = {Status.RUNNING, Status.PARKED, Status.STOPPED}


@dataclass
class Incarnation:
    """One thread as the world sees it."""

    name: str
    generation: int
    acknowledged: bool = False
    told_to_stop: bool = False


@st.composite
def tables(draw: st.DrawFn) -> list[Any]:
    specs = []
    for index, name in enumerate(NAMES[: draw(st.integers(1, 5))]):
        fields = {
            "restart": draw(st.sampled_from(list(Restart))),
            "intensity": draw(st.integers(0, 3)),
            "give_up": draw(st.sampled_from(list(GiveUp))),
            "start_failure": draw(st.sampled_from(list(GiveUp))),
            "start_retry_s": draw(st.sampled_from([0.0, 5.0])),
        }
        earlier = [one for one in NAMES[:index] if draw(st.booleans())]
        specs.append(spec(name, *earlier, **fields))
    return specs


class World(RuleBasedStateMachine):
    """Starts and ends incarnations as the machine's effects say, and reports what it likes, late or not at all."""

    down: TreeDown | None = None

    @initialize(table=tables())
    def begin(self, table: list[Any]) -> None:
        self.machine = Machine(*table)
        self.live: dict[str, Incarnation] = {}
        self.zombies: list[Incarnation] = []
        self.due: list[BackoffElapsed] = []
        self.ups = 0
        self.parked: set[str] = set()
        self.obey(self.machine.begin())

    def feed(self, event: Event) -> None:
        self.obey(self.machine.feed(event))

    def obey(self, effects: list[Effect]) -> None:
        effects = [effect for effect in effects if not isinstance(effect, Answer)]
        assert self.down is None or not effects, "the tree was down already"
        for effect in effects:
            match effect:
                case Launch(name, generation):
                    self.start(name, generation)
                case Halt(name, generation):
                    self.stop(name, generation)
                case Abandon(name, generation):
                    one = self.live.pop(name)
                    assert one.generation == generation
                    self.zombies.append(one)
                case Retire(name) | Forget(name):
                    assert name not in self.live
                case Schedule(delay_s, event, _):
                    assert 0 <= delay_s <= 10
                    self.due.append(event)
                case TreeUp():
                    self.ups += 1
                case TreeDown():
                    self.down = effect

    def start(self, name: str, generation: int) -> None:
        assert name not in self.live, "two live incarnations"
        assert name not in self.parked, "a parked child stays parked until it is wanted"
        seen = [one.generation for one in self.zombies if one.name == name]
        assert all(generation > older for older in seen)
        for needed in self.machine.child(name).spec.depends_on:
            settled = self.machine.statuses().get(needed, Status.STOPPED) in SETTLED
            assert generation > 1 or settled, f"{name} before {needed}"
        self.live[name] = Incarnation(name, generation)

    def stop(self, name: str, generation: int) -> None:
        one = self.live[name]
        assert one.generation == generation
        one.told_to_stop = True
        if self.machine.tree.phase is Phase.STOPPING:
            later = itertools.dropwhile(lambda level: name not in level, self.machine.tree.levels)
            assert not any(below in self.live for level in list(later)[1:] for below in level), "stopped too early"

    def someone(self, data: st.DataObject, acknowledged: bool | None = None) -> Incarnation | None:
        them = [one for one in self.live.values() if acknowledged in {None, one.acknowledged}]
        return data.draw(st.sampled_from(them)) if them else None

    # What may happen

    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        if one := self.someone(data, acknowledged=False):
            one.acknowledged = True
            self.feed(Started(one.name, one.generation))

    @rule(data=st.data(), retryable=st.booleans())
    def fail_to_start(self, data: st.DataObject, retryable: bool) -> None:
        if one := self.someone(data, acknowledged=False):
            del self.live[one.name]
            self.feed(StartFailed(one.name, one.generation, "no", 78, retryable))

    @rule(data=st.data(), error=st.sampled_from([None, "boom"]))
    def end(self, data: st.DataObject, error: str | None) -> None:
        if one := self.someone(data, acknowledged=True):
            del self.live[one.name]
            self.feed(Exited(one.name, one.generation, Reason.CRASH if error else Reason.NORMAL, error))

    @rule(data=st.data(), what=st.sampled_from(["start", "stop", "handler"]))
    def find_overdue(self, data: st.DataObject, what: str) -> None:
        if one := self.someone(data):
            self.feed(Overdue(one.name, one.generation, what))

    @precondition(lambda self: self.zombies)
    @rule(data=st.data(), event=st.sampled_from([Started, Exited, NotStarted]))
    def hear_of_a_zombie(self, data: st.DataObject, event: Any) -> None:
        one = data.draw(st.sampled_from(self.zombies))
        before = self.machine.tree
        self.feed(event(one.name, one.generation))
        assert self.machine.tree == before

    @precondition(lambda self: self.due)
    @rule(data=st.data())
    def wait_out_a_backoff(self, data: st.DataObject) -> None:
        event = data.draw(st.sampled_from(self.due))
        self.due.remove(event)
        self.feed(event)

    @rule(seconds=st.sampled_from([0.1, 1.0, 6.0, 40.0]))
    def pass_time(self, seconds: float) -> None:
        self.machine.now += seconds

    @rule(data=st.data())
    def want_a_restart(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from([*self.machine.tree.children, "ghost"]))
        if self.machine.tree.phase in {Phase.STARTING, Phase.RUNNING}:
            self.parked.discard(name)
        self.feed(RestartWanted(name, even_running=True))

    @rule()
    def want_a_stop(self) -> None:
        self.machine.stop() if self.down else self.obey(self.machine.stop())

    # What is always so

    @invariant()
    def world_and_machine_agree(self) -> None:
        alive = {Status.STARTING, Status.RUNNING, Status.STOPPING}
        assert set(self.live) == {name for name, status in self.machine.statuses().items() if status in alive}
        for name, one in self.live.items():
            child = self.machine.child(name)
            assert child.generation == one.generation
            assert one.told_to_stop or child.status is not Status.STOPPING, "nobody would ever stop it"
            assert len(child.restarts) <= child.spec.intensity
        for name, status in self.machine.statuses().items():
            if status is Status.PARKED:
                self.parked.add(name)
            waits = BackoffElapsed(name, self.machine.child(name).generation) in self.due
            stopping = self.machine.tree.phase is Phase.STOPPING
            assert status is not Status.RESTARTING or waits or stopping, "nobody would ever start it"
        for name in self.parked:
            assert self.machine.status(name) in {Status.PARKED, Status.STOPPED}
        assert self.ups <= 1
        assert (self.down is not None) == (self.machine.tree.phase is Phase.STOPPED)

    def teardown(self) -> None:
        """A stop always ends, when those told to stop do, or are abandoned."""
        if self.down is None:
            self.obey(self.machine.stop())
        for _ in range(3 * len(NAMES)):
            if self.down is not None:
                break
            one = next(one for one in self.live.values() if one.told_to_stop)
            if one.generation % 2:
                del self.live[one.name]
                self.feed(Exited(one.name, one.generation))
            else:
                self.feed(Overdue(one.name, one.generation, "stop"))
        assert self.down is not None
        assert not self.live


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
