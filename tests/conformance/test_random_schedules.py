"""Whatever happens in whatever order, the machine does what the model does."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.runtime.child import Backoff, Restart
from actors.runtime.events import Outcome, Reason
from actors.runtime.flags import AutoShutdown, Flags, Strategy
from actors.runtime.tree import Status
from tests.conformance.model import DOWN, UP, Kid, Model
from tests.conformance.pure import PureStage
from tests.conformance.stage import HOT, SLOW, TOP, Script, Start, Stop, in_list_order

NAMES = "abcde"
LISTED = "abcd"
TICK_S = 2.0**-10
EXAMPLES = 100


@dataclass(frozen=True)
class Op:
    """Something that happens; `pick` chooses to which child, of those to whom it can."""

    what: str
    pick: int = 0
    detail: Any = None


def ops() -> st.SearchStrategy[Op]:
    """One at a time; twice as often what is followed by more."""
    picks = st.integers(0, len(NAMES) - 1)
    failures = st.tuples(picks, st.lists(st.sampled_from([Start.FAIL, Start.FAIL, Start.IGNORE]), max_size=3))
    crash = st.builds(Op, st.just("crash"), picks, failures)
    ask = st.builds(Op, st.sampled_from(["terminate", "restart", "delete"]), picks)
    return st.one_of(
        crash,
        crash,
        ask,
        ask,
        st.builds(Op, st.just("end"), picks, st.sampled_from([Reason.NORMAL, Reason.SHUTDOWN])),
        st.builds(Op, st.just("starts"), st.just(0), failures),
        st.builds(Op, st.just("add"), picks, st.sampled_from(Restart)),
        st.builds(Op, st.just("pass"), st.just(0), st.sampled_from([0.5, 1.0, 4.0, 6.0])),
    )


@st.composite
def listed(draw: st.DrawFn, mode: AutoShutdown) -> list[Kid]:
    kids = []
    for name in LISTED[: draw(st.integers(2, len(LISTED)))]:
        restart = draw(st.sampled_from(Restart))
        may_be = restart is not Restart.PERMANENT and mode is not AutoShutdown.NEVER
        kids.append(Kid(name, restart, significant=may_be and draw(st.booleans())))
    return kids


class Pair:
    """The machine and the model, to which the same happens."""

    def __init__(self, strategy: Strategy, mode: AutoShutdown, intensity: int, kids: list[Kid], retry_s: float) -> None:
        self.stage = PureStage()
        self.script = Script()
        self.backoff = Backoff(0, retry_s, retry_s, 0, 0) if retry_s else HOT
        flags = in_list_order(strategy=strategy, auto_shutdown=mode, intensity=intensity)
        specs = [self.spec(kid.name, restart=kid.restart, significant=kid.significant) for kid in kids]
        self.model = Model(flags, kids, self.script, retry_s, self.stage.now)
        self.stage.start(*specs, flags=flags)
        self.model.begin()
        self.compare()

    def spec(self, name: str, **fields: Any) -> Any:
        return self.stage.child(name, backoff=self.backoff, **fields)

    def do(self, op: Op) -> None:
        self.pass_time(TICK_S)
        if self.model.alive:
            self._do(op)
        self.compare()

    def _do(self, op: Op) -> None:
        stage, model, name = self.stage, self.model, NAMES[op.pick]
        known = any(kid.name == name for kid in model.kids)
        up = [kid.name for kid in model.kids if kid.state is UP]
        match op.what:
            case "crash" if up:
                self.starts(*op.detail)
                stage.crash(up[op.pick % len(up)])
                model.exit(up[op.pick % len(up)], Reason.CRASH)
            case "end" if up:
                stage.end(up[op.pick % len(up)], op.detail)
                model.exit(up[op.pick % len(up)], op.detail)
            case "starts":
                self.starts(*op.detail)
            case "pass":
                self.pass_time(op.detail)
            case "add":
                spec = self.spec(name, restart=op.detail)
                assert stage.add(spec).outcome is model.add(name, op.detail)
            case "terminate" | "restart" | "delete" as what:
                outcome = getattr(stage, what)(name).outcome
                assert outcome is (getattr(model, what)(name) if known else Outcome.NOT_FOUND)
            case "stop":
                stage.stop()
                model.stop()

    def starts(self, pick: int, acts: list[Start]) -> None:
        """How the next starts of the child go."""
        self.stage.starts(NAMES[pick], *acts)
        self.script.starts[NAMES[pick]] = deque(acts)

    def pass_time(self, seconds: float) -> None:
        self.stage.advance(seconds)
        self.model.pass_time(seconds)

    def compare(self) -> None:
        stage, model = self.stage, self.model
        assert stage.log == model.log
        assert (stage.over() is None) == model.alive
        if model.alive:
            standing = {name: status for name, status, _ in reversed(stage.which())}
            assert list(standing.items()) == [(kid.name, kid.state) for kid in model.kids]
            assert list(stage.trees[TOP].restarts) == model.restarts

    def come_to_rest(self) -> None:
        """Nobody fails any more: whoever waits comes up."""
        for pick in range(len(NAMES)):
            self.starts(pick, [])
        self.do(Op("pass", detail=6.0))
        if self.model.alive:
            assert {kid.state for kid in self.model.kids} <= {UP, DOWN}
            assert not self.stage.unanswered

    def stop(self) -> None:
        """It ends at once, however it stands, and everybody who waits is answered."""
        self.do(Op("stop"))
        assert self.stage.over() is not None
        assert not self.stage.alive
        assert not self.stage.unanswered


@pytest.mark.parametrize("retry_s", [0.0, 1.0], ids=["at_once", "after_a_second"])
@pytest.mark.parametrize("strategy", Strategy, ids=lambda one: one.value)
def test_the_machine_does_what_the_model_does(strategy: Strategy, retry_s: float) -> None:
    @settings(max_examples=EXAMPLES, deadline=None)
    @given(st.data(), st.sampled_from(AutoShutdown), st.sampled_from([20, 3, 1]), st.booleans())
    def holds(data: st.DataObject, mode: AutoShutdown, intensity: int, abruptly: bool) -> None:
        pair = Pair(strategy, mode, intensity, data.draw(listed(mode)), retry_s)
        for op in data.draw(st.lists(ops(), min_size=8, max_size=20)):
            pair.do(op)
        if not abruptly:
            pair.come_to_rest()
        pair.stop()

    holds()


class Unruly:
    """Children that take their time to start and to stop, or never do, while more is asked of their supervisor."""

    def __init__(self, strategy: Strategy, kids: list[Kid], in_sequence: bool) -> None:
        self.stage = PureStage()
        flags = Flags(strategy=strategy, intensity=1000, period_s=1, in_sequence=in_sequence)
        specs = [self.stage.child(kid.name, restart=kid.restart, backoff=SLOW) for kid in kids]
        for spec in specs:
            self.stage.starts(spec.name, Start.HOLD)
        self.stage.start(*specs, flags=flags)

    def do(self, op: Op) -> None:
        stage, name = self.stage, NAMES[op.pick]
        up = sorted(name for name, _ in stage.alive if stage.status(name) is Status.RUNNING)
        match op.what:
            case "crash" if up:
                stage.starts(NAMES[op.detail[0]], *op.detail[1])
                stage.crash(up[op.pick % len(up)])
            case "starts":
                stage.starts(NAMES[op.detail[0]], *op.detail[1])
            case "end" if up:
                stage.end(up[op.pick % len(up)], op.detail)
            case "hold":
                stage.starts(name, Start.HOLD)
                stage.stops(name, Stop.HOLD if op.detail else Stop.OBEY)
            case "release" if stage.held:
                stage.release(stage.held[op.pick % len(stage.held)])
            case "add":
                stage.add(stage.child(name, restart=op.detail, backoff=SLOW))
            case "terminate" | "restart" | "delete" as what:
                getattr(stage, what)(name)
            case "pass":
                stage.advance(op.detail)

    def come_to_rest(self) -> None:
        """Whoever is held goes on, and nobody fails any more: all who wait come up, and everybody is answered."""
        for name in NAMES:
            self.stage.starts(name)
            self.stage.stops(name, Stop.OBEY)
        while self.stage.held:
            self.stage.release(self.stage.held[0])
        self.stage.advance(1)
        assert not self.stage.unanswered
        assert {status for _, status, _ in self.stage.which()} <= {UP, DOWN}


def slow_ops() -> st.SearchStrategy[Op]:
    picks = st.integers(0, len(NAMES) - 1)
    release = st.builds(Op, st.just("release"), picks)
    return st.one_of(ops(), ops(), st.builds(Op, st.just("hold"), picks, st.booleans()), release, release)


@pytest.mark.parametrize("strategy", Strategy, ids=lambda one: one.value)
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data(), in_sequence=st.booleans(), abruptly=st.booleans())
def test_slow_starts_and_stops_mix_with_all_the_rest_and_it_still_comes_to_rest(
    strategy: Strategy, data: st.DataObject, in_sequence: bool, abruptly: bool
) -> None:
    """The stage's own checks hold all along: no child lives twice, and those live of whom the machine says so."""
    unruly = Unruly(strategy, data.draw(listed(AutoShutdown.NEVER)), in_sequence)
    for op in data.draw(st.lists(slow_ops(), min_size=8, max_size=25)):
        if unruly.stage.over() is None:
            unruly.do(op)
    if not abruptly and unruly.stage.over() is None:
        unruly.come_to_rest()
    unruly.stage.stop()
    unruly.stage.advance(30)
    assert unruly.stage.over() is not None
    assert not unruly.stage.alive
    assert not unruly.stage.unanswered
