"""Starting on real threads: by levels, each child confirmed, and what follows when one cannot start."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from actors.errors import SpecError, StartRefused
from actors.messages import Ping
from actors.runtime.child import ChildSpec, GiveUp
from actors.runtime.tree import Phase, Status
from tests.runtime.kit import STEADY, WAIT_S, Down, Note, Noted, Probe, Up, Worker, raising, tree, wait_for, worker


class Refusing:
    """An `on_start` that refuses a number of times."""

    def __init__(self, times: int, *, exit_code: int = 70, retryable: bool = False) -> None:
        self.left = times
        self._refusal = {"exit_code": exit_code, "retryable": retryable}

    def __call__(self, _: Worker) -> None:
        if self.left:
            self.left -= 1
            raise StartRefused("the table is missing: run the migrations", **self._refusal)  # type: ignore[arg-type]


class TestStart:
    def test_levels_start_in_order_each_after_the_acknowledgements_of_the_one_before(self, probe: Probe) -> None:
        table = [
            worker(probe, "gateway", depends_on=("auth", "health")),
            worker(probe, "auth", depends_on=("database",)),
            worker(probe, "health", depends_on=("database",)),
            worker(probe, "database"),
        ]

        with tree(*table, probe=probe):
            probe.expect_all(Up("database"))
            probe.expect_set(Up("auth"), Up("health"))
            probe.expect_all(Up("gateway"))

    def test_a_slow_start_holds_back_those_that_depend_on_it(self, probe: Probe) -> None:
        waiting, ready = threading.Event(), threading.Event()

        def slow(_: Worker) -> None:
            waiting.set()
            assert ready.wait(WAIT_S)

        table = [worker(probe, "slow", start=slow), worker(probe, "quick"), worker(probe, "last", depends_on=("slow",))]
        with tree(*table, probe=probe, wait=False) as grove:
            assert waiting.wait(WAIT_S)
            grove.until_status("quick", Status.RUNNING)
            assert (grove.child("slow").status, grove.child("last").status) == (Status.STARTING, Status.WAITING)

            ready.set()
            grove.until_status("last", Status.RUNNING)

    def test_children_of_a_level_start_at_the_same_time(self, probe: Probe) -> None:
        together = threading.Barrier(3, timeout=WAIT_S)

        def meet(_: Worker) -> None:
            together.wait()

        table = [worker(probe, name, start=meet) for name in ("a", "b", "c")]

        with tree(*table, probe=probe) as grove:
            assert grove.tree.phase is Phase.RUNNING

    def test_messages_sent_before_the_start_are_served_after_it(self, probe: Probe) -> None:
        ready = threading.Event()

        with tree(worker(probe, "a", start=lambda _: wait_for(ready)), probe=probe, wait=False) as grove:
            probe.expect_all(Up("a"))
            assert grove["a"].tell(Note("early"))
            ready.set()

            probe.expect_all(Noted("a", "early"))

    def test_a_table_with_a_mistake_starts_nothing(self, probe: Probe) -> None:
        with (
            pytest.raises(SpecError, match="name used twice"),
            tree(worker(probe, "a"), worker(probe, "a"), probe=probe),
        ):
            pass

        assert probe.pending() == []


class TestStartFailure:
    def test_a_refused_start_stops_the_tree_with_its_exit_code(self, probe: Probe) -> None:
        table = [worker(probe, "a"), worker(probe, "b", start=Refusing(1, exit_code=78), depends_on=("a",))]

        with tree(*table, probe=probe, wait=False) as grove:
            why, exit_code = grove.wait_down()

        assert (why, exit_code) == ("b did not start: the table is missing: run the migrations", 78)
        probe.expect_all(Up("a"), Up("b"), Down("a"))

    def test_a_start_that_crashes_stops_the_tree(self, probe: Probe) -> None:
        with tree(worker(probe, "a", start=raising(KeyError("x"))), probe=probe, wait=False) as grove:
            assert grove.wait_down() == ("a did not start: KeyError: 'x'", 70)

    @pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), RuntimeError("no")])
    def test_a_factory_that_raises_is_a_failed_start(self, probe: Probe, error: BaseException) -> None:
        def factory(_: Any) -> Worker:
            raise error

        with tree(worker(probe, "a"), ChildSpec("b", factory), probe=probe, wait=False) as grove:
            why, exit_code = grove.wait_down()

        assert why.startswith(f"b did not start: {type(error).__name__}")
        assert exit_code == 70

    def test_a_factory_may_refuse_with_a_code_of_its_own(self, probe: Probe) -> None:
        def factory(_: Any) -> Worker:
            raise StartRefused("no such broker", exit_code=78)

        with tree(ChildSpec("a", factory), probe=probe, wait=False) as grove:
            assert grove.wait_down() == ("a did not start: no such broker", 78)

    def test_one_that_may_be_missing_is_parked_and_the_others_start(self, probe: Probe) -> None:
        table = [
            worker(probe, "broker", start=Refusing(1), start_failure=GiveUp.PARK),
            worker(probe, "other"),
            worker(probe, "gateway", depends_on=("broker",)),
        ]

        with tree(*table, probe=probe) as grove:
            assert grove.child("broker").status is Status.PARKED
            assert grove.child("broker").last_error == "the table is missing: run the migrations"
            assert grove["gateway"].ask(Ping(), WAIT_S) == "gateway"
            assert grove["other"].ask(Ping(), WAIT_S) == "other"

    def test_a_start_that_takes_too_long_is_given_up(self, probe: Probe) -> None:
        release = threading.Event()

        with tree(
            worker(probe, "a", start=lambda _: wait_for(release), start_timeout_s=3), probe=probe, wait=False
        ) as grove:
            probe.expect_all(Up("a"))
            grove.advance(2.9)
            assert grove.child("a").status is Status.STARTING
            grove.advance(0.2)

            assert grove.wait_down() == ("a did not start: start exceeded 3 s", 69)
            release.set()

    def test_a_start_that_comes_too_late_takes_nothing_over(self, probe: Probe) -> None:
        release = threading.Event()

        def late_once(actor: Worker) -> None:
            if actor.context.generation == 1:
                wait_for(release)

        spec = worker(probe, "a", start=late_once, start_timeout_s=3, start_retry_s=60, backoff=STEADY)
        with tree(spec, probe=probe, wait=False) as grove:
            probe.expect_all(Up("a"))
            grove.advance(3)
            grove.advance(0.1)
            grove.until_status("a", Status.RUNNING, generation=2)
            release.set()

            probe.expect_all(Up("a", 2))
            grove["a"].tell(Note(1))
            probe.expect_all(Noted("a", 1, 2))

    def test_a_passing_reason_is_tried_again_until_it_has_passed(self, probe: Probe) -> None:
        refusing = Refusing(3, retryable=True)

        with tree(
            worker(probe, "a", start=refusing, start_retry_s=60, backoff=STEADY), probe=probe, wait=False
        ) as grove:
            for generation, delay_s in ((1, 0.1), (2, 0.2), (3, 0.4)):
                grove.until_status("a", Status.RESTARTING, generation)
                grove.advance(delay_s)
            grove.until_status("a", Status.RUNNING, 4)

            assert grove.child("a").total_restarts == 0

    def test_a_passing_reason_that_does_not_pass_in_time_stops_the_tree(self, probe: Probe) -> None:
        refusing = Refusing(99, exit_code=69, retryable=True)

        with tree(
            worker(probe, "a", start=refusing, start_retry_s=0.5), probe=probe, real_time=True, wait=False
        ) as grove:
            assert grove.wait_down()[1] == 69

        assert refusing.left < 97
