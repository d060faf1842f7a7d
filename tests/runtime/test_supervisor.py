"""A supervisor and its children on real threads: who starts when, who is restarted, and who is not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pykka
import pytest

from actors.errors import ActorCrashed, DomainError, NotDelivered, SpecError, StartRefused
from actors.messages import InspectChildren, Ping, RestartChild, StopTree
from actors.runtime.child import Backoff, ChildSpec, GiveUp, Restart
from actors.runtime.directory import Handle
from actors.runtime.letter import Answer
from actors.runtime.tree import Phase, Status
from tests.runtime.kit import WAIT_S, Down, Fail, Gate, Grove, Note, Noted, Probe, Run, Up, Worker, tree, worker

STEADY = Backoff(jitter=0.0)


class Refusing:
    """An `on_start` that refuses a number of times."""

    def __init__(self, times: int, *, exit_code: int = 70, retryable: bool = False) -> None:
        self.left = times
        self._refusal = {"exit_code": exit_code, "retryable": retryable}

    def __call__(self, _: Worker) -> None:
        if self.left:
            self.left -= 1
            raise StartRefused("the table is missing: run the migrations", **self._refusal)  # type: ignore[arg-type]


def crash(handle: Handle, error: BaseException | None = None) -> None:
    handle.tell(Fail(error or ValueError("boom")))


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

        with tree(worker(probe, "a", start=lambda _: _wait(ready)), probe=probe, wait=False) as grove:
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
        with tree(worker(probe, "a", start=_raise(KeyError("x"))), probe=probe, wait=False) as grove:
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
            worker(probe, "a", start=lambda _: _wait(release), start_timeout_s=3), probe=probe, wait=False
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
                _wait(release)

        spec = worker(probe, "a", start=late_once, start_timeout_s=3, start_retry_s=60, backoff=STEADY)
        with tree(spec, probe=probe, wait=False) as grove:
            probe.expect_all(Up("a"))
            grove.advance(3)
            grove.advance(0.05)
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
            for generation, delay_s in ((1, 0.05), (2, 0.1), (3, 0.2)):
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


class TestStop:
    def test_it_is_the_exact_reverse_of_the_start_each_after_the_end_of_the_one_before(self, probe: Probe) -> None:
        table = [
            worker(probe, "database"),
            worker(probe, "auth", depends_on=("database",)),
            worker(probe, "broker", depends_on=("auth",)),
            worker(probe, "gateway", depends_on=("broker",)),
        ]

        with tree(*table, probe=probe) as grove:
            probe.expect_all(Up("database"), Up("auth"), Up("broker"), Up("gateway"))
            assert grove.stop() == ("stopped by the test", 0)

        probe.expect_all(Down("gateway"), Down("broker"), Down("auth"), Down("database"))

    def test_a_child_that_stops_slowly_holds_those_it_depends_on(self, probe: Probe) -> None:
        stopping, release = threading.Event(), threading.Event()

        def slowly(_: Worker) -> None:
            stopping.set()
            _wait(release)

        table = [worker(probe, "a"), worker(probe, "b", stop=slowly, depends_on=("a",))]
        with tree(*table, probe=probe) as grove:
            grove.supervisor.tell_control(_stop())
            assert stopping.wait(WAIT_S)
            assert grove["a"].ask(Ping(), WAIT_S) == "a"

            release.set()
            assert grove.wait_down() == ("asked", 0)

    def test_a_stop_comes_before_a_backlog(self, probe: Probe) -> None:
        with tree(worker(probe, "a", mailbox_capacity=200_000), probe=probe) as grove:
            gate = grove.gate()
            grove["a"].tell(gate)
            gate.wait_entered()
            assert grove["a"].tell_all(Note(number) for number in range(100_000)) == 100_000
            grove.supervisor.tell_control(_stop())
            grove.until_status("a", Status.STOPPING)
            gate.open()
            grove.wait_down()

            probe.expect_all(Up("a"), Down("a"))
            assert grove.dead_letters.counts() == {("a", "the tree stopped"): 100_000}

    def test_one_that_does_not_stop_is_abandoned_and_the_rest_stops(self, probe: Probe) -> None:
        release = threading.Event()
        table = [worker(probe, "a"), worker(probe, "b", stop=lambda _: _wait(release), shutdown_s=2, depends_on=("a",))]

        with tree(*table, probe=probe) as grove:
            grove.supervisor.tell_control(_stop())
            probe.expect_all(Up("a"), Up("b"), Down("b"))
            grove.advance(2)

            assert grove.wait_down() == ("asked", 0)
            probe.expect_all(Down("a"))
            release.set()
            grove.threads_named("b")[0].join(WAIT_S)
            assert grove.dead_letters.total() == 0

    def test_one_that_crashes_on_its_way_out_is_not_restarted(self, probe: Probe) -> None:
        with tree(worker(probe, "a", stop=_raise(ValueError("on the way out"))), probe=probe) as grove:
            assert grove.stop() == ("stopped by the test", 0)

        assert grove.child("a").last_error == "ValueError: on the way out"

    def test_a_tree_may_be_stopped_while_it_starts(self, probe: Probe) -> None:
        release = threading.Event()
        table = [worker(probe, "a", start=lambda _: _wait(release)), worker(probe, "b", depends_on=("a",))]

        with tree(*table, probe=probe, wait=False) as grove:
            probe.expect_all(Up("a"))
            grove.supervisor.tell_control(_stop())
            grove.until(lambda state: state.phase is Phase.STOPPING)
            release.set()
            grove.wait_down()

        probe.expect_all(Down("a"))
        assert probe.pending() == []

    def test_the_supervisor_ends_with_its_tree(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), probe=probe) as grove:
            grove.stop()

        assert grove.supervisor.mailbox.closed
        with pytest.raises(NotDelivered):
            grove.supervisor.ask(RestartChild("a"), WAIT_S)


class TestRestart:
    def test_a_crash_on_tell_restarts_the_child_and_nobody_else(self, probe: Probe) -> None:
        table = [worker(probe, "a"), worker(probe, "b", backoff=STEADY), worker(probe, "c", depends_on=("b",))]

        with tree(*table, probe=probe) as grove:
            before = {thread.name: thread for thread in threading.enumerate()}
            crash(grove["b"])
            grove.until_status("b", Status.RESTARTING)
            grove.advance(0.05)
            grove.until_status("b", Status.RUNNING, 2)

            after = {thread.name: thread for thread in threading.enumerate()}
            assert {name for name in "abc" if after[name] is before[name]} == {"a", "c"}
            assert [grove.child(name).generation for name in "abc"] == [1, 2, 1]
            assert grove.child("b").last_error == "ValueError: boom"

    def test_a_crash_on_ask_restarts_it_too_and_the_asker_gets_the_error(self, probe: Probe) -> None:
        with tree(worker(probe, "a", backoff=STEADY), probe=probe) as grove:
            with pytest.raises(ActorCrashed, match="a crashed: ValueError: boom") as caught:
                grove["a"].ask(Fail(ValueError("boom\nand more")), WAIT_S)

            assert isinstance(caught.value.__cause__, ValueError)
            grove.until_status("a", Status.RESTARTING)
            grove.advance(0.05)
            grove.until_status("a", Status.RUNNING, 2)

    def test_a_domain_error_reaches_the_asker_and_the_actor_lives_on(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), probe=probe) as grove:
            with pytest.raises(DomainError, match="not enough cash"):
                grove["a"].ask(Fail(DomainError("not enough cash")), WAIT_S)
            grove["a"].tell(Fail(DomainError("again")))

            assert grove["a"].ask(Note(1), WAIT_S) == 1
            assert grove.child("a").generation == 1
            assert grove["a"].telemetry.failed == 2

    @pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()])
    def test_an_exception_that_would_end_the_process_stays_inside(self, probe: Probe, error: BaseException) -> None:
        bystander = pykka.ThreadingActor.start()
        try:
            with tree(worker(probe, "a", backoff=STEADY), worker(probe, "b"), probe=probe) as grove:
                with pytest.raises(ActorCrashed, match=type(error).__name__):
                    grove["a"].ask(Fail(error), WAIT_S)
                grove.until_status("a", Status.RESTARTING)
                grove.advance(0.05)
                grove.until_status("a", Status.RUNNING, 2)

                assert grove["b"].ask(Ping(), WAIT_S) == "b"
                assert grove.child("b").generation == 1
                assert bystander.is_alive()
        finally:
            bystander.stop()

    def test_senders_see_no_gap_and_the_mailbox_is_served_in_order_afterwards(self, probe: Probe) -> None:
        with tree(worker(probe, "a", backoff=STEADY), probe=probe) as grove:
            gate = grove.gate()
            grove["a"].tell(gate)
            gate.wait_entered()
            for number in range(100):
                grove["a"].tell(Note(number))
            crash(grove["a"])
            for number in range(100, 200):
                grove["a"].tell(Note(number))
            gate.open()
            grove.until_status("a", Status.RESTARTING)
            assert grove["a"].tell(Note(200))
            grove.advance(0.05)

            probe.expect_all(Up("a"), *(Noted("a", number) for number in range(100)), Up("a", 2))
            probe.expect_all(*(Noted("a", number, 2) for number in range(100, 201)))

    def test_the_message_that_crashed_it_is_not_tried_again(self, probe: Probe) -> None:
        with tree(worker(probe, "a", backoff=STEADY), probe=probe) as grove:
            crash(grove["a"])
            grove.until_status("a", Status.RESTARTING)
            grove.advance(0.05)
            grove.until_status("a", Status.RUNNING, 2)

            assert grove["a"].ask(Note(1), WAIT_S) == 1
            assert grove.child("a").generation == 2
            assert grove.dead_letters.counts() == {("a", "crashed"): 1}

    def test_no_sooner_than_its_backoff_says(self, probe: Probe) -> None:
        with tree(worker(probe, "a", intensity=9, backoff=Backoff(1, 3, 0.0, 60)), probe=probe) as grove:
            for generation, delay_s in ((1, 1), (2, 2), (3, 3), (4, 3)):
                crash(grove["a"])
                grove.until_status("a", Status.RESTARTING, generation)
                grove.advance(delay_s - 0.01)
                assert grove.child("a").status is Status.RESTARTING
                grove.advance(0.02)
                grove.until_status("a", Status.RUNNING, generation + 1)

    def test_jitter_only_ever_adds_to_it(self, probe: Probe) -> None:
        with tree(worker(probe, "a", backoff=Backoff(1, 3, 0.5, 60)), probe=probe) as grove:
            crash(grove["a"])
            grove.until_status("a", Status.RESTARTING)
            grove.advance(0.99)
            assert grove.child("a").status is Status.RESTARTING

            grove.advance(0.52)
            grove.until_status("a", Status.RUNNING, 2)

    def test_timers_of_the_dead_do_not_reach_the_successor(self, probe: Probe) -> None:
        with tree(worker(probe, "a", backoff=STEADY), probe=probe) as grove:
            grove["a"].ask(Run(lambda one: one.context.after(5, Note("old"))), WAIT_S)
            crash(grove["a"])
            grove.until_status("a", Status.RESTARTING)
            grove.advance(0.05)
            grove.until_status("a", Status.RUNNING, 2)
            grove["a"].ask(Run(lambda one: one.context.after(6, Note("new"))), WAIT_S)
            grove.advance(6)

            probe.expect_all(Up("a"), Up("a", 2), Noted("a", "new", 2))

    def test_a_transient_child_that_ends_by_itself_stays_down(self, probe: Probe) -> None:
        with tree(worker(probe, "a", restart=Restart.TRANSIENT), worker(probe, "b"), probe=probe) as grove:
            grove["a"].ask(Run(lambda one: one.stop()), WAIT_S)
            grove.until_status("a", Status.STOPPED)

            assert not grove["a"].tell(Note(1))
            assert grove["b"].ask(Ping(), WAIT_S) == "b"

    def test_a_crash_while_it_lets_go_of_things_still_restarts_it(self, probe: Probe) -> None:
        spec = worker(probe, "a", leave=_raise(SystemExit(9)), backoff=STEADY)

        with tree(spec, probe=probe) as grove:
            crash(grove["a"])
            grove.until_status("a", Status.RESTARTING)
            grove.advance(0.05)
            grove.until_status("a", Status.RUNNING, 2)

    def test_one_that_never_lets_go_of_things_is_abandoned(self, probe: Probe) -> None:
        leaving, release = threading.Event(), threading.Event()

        def leave(actor: Worker) -> None:
            if actor.context.generation == 1:
                leaving.set()
                _wait(release)

        with tree(worker(probe, "a", leave=leave, handler_budget_s=5, backoff=STEADY), probe=probe) as grove:
            crash(grove["a"])
            assert leaving.wait(WAIT_S)
            grove.advance(6)
            grove.until_status("a", Status.RESTARTING)
            grove.advance(0.05)
            grove.until_status("a", Status.RUNNING, 2)
            release.set()


class TestIntensity:
    def test_one_restart_too_many_stops_the_tree_with_70(self, probe: Probe) -> None:
        with tree(worker(probe, "a", intensity=1, backoff=STEADY), worker(probe, "b"), probe=probe) as grove:
            crash(grove["a"])
            grove.until_status("a", Status.RESTARTING)
            grove.advance(0.05)
            grove.until_status("a", Status.RUNNING, 2)
            crash(grove["a"])

            assert grove.wait_down() == ("a exceeded 1 restarts in 30 s: ValueError: boom", 70)

    def test_a_broker_that_flaps_is_parked_and_the_others_trade_on(self, probe: Probe) -> None:
        with tree(parkable(probe), worker(probe, "b"), probe=probe) as grove:
            park(grove)

            assert grove["b"].ask(Note(1), WAIT_S) == 1
            assert grove.tree.phase is Phase.RUNNING

    def test_what_waits_for_a_parked_child_is_a_dead_letter_and_its_askers_are_told(self, probe: Probe) -> None:
        with tree(parkable(probe), probe=probe) as grove:
            gate = grove.gate()
            grove["a"].tell(gate)
            gate.wait_entered()
            crash(grove["a"])
            grove["a"].tell(Note(1))
            answer = Answer()
            grove["a"].post(Note(2), answer)
            gate.open()

            with pytest.raises(NotDelivered, match="a: down"):
                answer.get(timeout=WAIT_S)
            grove.until_status("a", Status.PARKED)
            assert grove.dead_letters.counts() == {("a", "crashed"): 1, ("a", "down"): 2}

    def test_its_own_timers_are_no_dead_letters(self, probe: Probe) -> None:
        with tree(parkable(probe), probe=probe) as grove:
            gate = grove.gate()
            grove["a"].ask(Run(lambda one: one.context.after(1, Note("timer"))), WAIT_S)
            grove["a"].tell(Run(lambda _: _hold_and_crash(gate)))
            gate.wait_entered()
            grove.advance(1)
            gate.open()
            grove.until_status("a", Status.PARKED)

            assert grove.dead_letters.counts() == {("a", "crashed"): 1}

    def test_nothing_new_is_accepted_for_it(self, probe: Probe) -> None:
        with tree(parkable(probe), probe=probe) as grove:
            park(grove)

            assert not grove["a"].tell(Note(1))
            with pytest.raises(NotDelivered, match="a: mailbox closed"):
                grove["a"].ask(Note(1), WAIT_S)
            assert grove["a"].tell_all([Note(1), Note(2)]) == 0
            assert grove.dead_letters.counts()["a", "mailbox closed"] == 4

    def test_it_stays_parked_however_long(self, probe: Probe) -> None:
        with tree(parkable(probe), probe=probe) as grove:
            park(grove)

            for _ in range(20):
                grove.advance(100)

            assert grove.child("a").status is Status.PARKED


class TestOperator:
    def test_a_running_child_is_replaced_and_keeps_its_mailbox(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), probe=probe) as grove:
            gate = grove.gate()
            grove["a"].tell(gate)
            gate.wait_entered()
            grove["a"].tell(Note(1))
            grove.restart("a")
            gate.open()
            grove.until_status("a", Status.RUNNING, 2)

            probe.expect_all(Up("a"), Down("a"), Up("a", 2), Noted("a", 1, 2))
            assert grove.child("a").restarts == ()

    def test_a_parked_child_runs_and_is_served_again(self, probe: Probe) -> None:
        with tree(parkable(probe), probe=probe) as grove:
            park(grove)

            grove.restart("a")
            grove.until_status("a", Status.RUNNING, 2)

            assert grove["a"].ask(Note(1), WAIT_S) == 1

    def test_one_that_waits_for_its_backoff_starts_at_once_and_once(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), probe=probe) as grove:
            crash(grove["a"])
            grove.until_status("a", Status.RESTARTING)

            grove.restart("a")
            grove.until_status("a", Status.RUNNING, 2)
            grove.advance(60)

            assert grove.child("a").generation == 2

    def test_a_stuck_child_is_replaced_once_its_time_to_stop_is_over(self, probe: Probe) -> None:
        with tree(worker(probe, "a", shutdown_s=2), probe=probe) as grove:
            gate = grove.gate()
            grove["a"].tell(gate)
            gate.wait_entered()
            grove["a"].tell(Note("behind"))
            grove.restart("a")
            grove.advance(2)
            grove.until_status("a", Status.RUNNING, 2)

            probe.expect_all(Up("a"), Up("a", 2), Noted("a", "behind", 2))
            assert grove["a"].ask(Ping(), WAIT_S) == "a"
            assert (grove.child("a").generation, grove.child("a").restarts) == (2, ())

    def test_a_name_that_nobody_has_is_refused_with_those_there_are(self, probe: Probe) -> None:
        with (
            tree(worker(probe, "a"), worker(probe, "b"), probe=probe) as grove,
            pytest.raises(DomainError, match="no child is named ghost; the children are: a, b"),
        ):
            grove.restart("ghost")

    def test_one_that_is_starting_is_refused(self, probe: Probe) -> None:
        release = threading.Event()

        with tree(worker(probe, "a", start=lambda _: _wait(release)), probe=probe, wait=False) as grove:
            probe.expect_all(Up("a"))
            with pytest.raises(DomainError, match="a is starting already"):
                grove.restart("a")
            release.set()

    def test_a_tree_that_stops_refuses(self, probe: Probe) -> None:
        release = threading.Event()
        table = [worker(probe, "a"), worker(probe, "b", stop=lambda _: _wait(release), depends_on=("a",))]

        with tree(*table, probe=probe) as grove:
            grove.supervisor.tell_control(_stop())
            grove.until_status("b", Status.STOPPING)
            with pytest.raises(DomainError, match="the tree is stopping"):
                grove.restart("a")
            release.set()


class TestInspection:
    def test_it_goes_on_by_itself(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), probe=probe) as grove:
            handled = grove.supervisor.telemetry.handled
            for _ in range(5):
                grove.advance(1)

            assert grove.supervisor.telemetry.handled >= handled + 10

    def test_an_idle_child_is_left_alone(self, probe: Probe) -> None:
        with tree(worker(probe, "a", handler_budget_s=1), probe=probe) as grove:
            grove["a"].ask(Note(1), WAIT_S)
            grove.advance(1000)
            grove.supervisor.tell(InspectChildren())
            grove.settle()

            assert grove.child("a").generation == 1


def parkable(probe: Probe) -> ChildSpec:
    return worker(probe, "a", intensity=0, give_up=GiveUp.PARK)


def park(grove: Grove) -> None:
    crash(grove["a"])
    grove.until_status("a", Status.PARKED)


def _stop() -> StopTree:
    return StopTree("asked")


def _hold_and_crash(gate: Gate) -> None:
    gate.hold()
    raise ValueError("after the gate")


def _wait(event: threading.Event) -> None:
    assert event.wait(WAIT_S)


def _raise(error: BaseException) -> Callable[[Worker], None]:
    def act(_: Worker) -> None:
        raise error

    return act
