"""A stepper does one thing at a time, in the thread of the test, as the actor's own thread would."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from actors.errors import (
    ActorCrashed,
    AskCycle,
    AskTimeout,
    DomainError,
    NotDelivered,
    SpecError,
    StartIgnored,
    StartRefused,
)
from actors.messages import ChildEvent, Ping
from actors.runtime.actor import DEFERRED
from actors.runtime.cell import Context
from actors.runtime.events import Started
from actors.runtime.letter import Letter
from actors.testkit import Neighbour, Stepper
from tests.testkit.echo import AskEar, Echo, Hold, Keep, Raise, Release, Resume, Said, Say, SayLater, refusal


@pytest.fixture
def echo() -> Stepper:
    return Stepper(Echo, "ear", name="echo")


def behaviour(stepper: Stepper) -> Echo:
    assert isinstance(stepper.actor, Echo)
    return stepper.actor


class TestSteps:
    def test_nothing_happens_before_a_step_and_one_letter_at_each(self, echo: Stepper) -> None:
        echo.tell(Say("a"))
        echo.tell(Say("b"))
        echo["ear"].expect_nothing()

        assert echo.step()
        echo["ear"].expect_all("a")
        echo["ear"].expect_nothing()

        assert [echo.step(), echo.step()] == [True, False]
        echo["ear"].expect_all("b")

    def test_no_thread_is_started(self) -> None:
        before = threading.active_count()

        echo = Stepper(Echo, "ear")
        echo.ask(Say("a"))
        echo.stop()

        assert threading.active_count() == before

    def test_the_control_lane_comes_first_one_letter_at_a_time_too(self, echo: Stepper) -> None:
        echo.tell(Say("user"))
        echo.tell_control(Say("first"))
        echo.tell_control(Say("second"))

        for word in ("first", "second", "user"):
            echo.step()
            echo["ear"].expect_all(word)
            echo["ear"].expect_nothing()

    def test_a_batch_is_as_large_as_its_thread_would_take(self, echo: Stepper) -> None:
        for number in range(Echo.take_limit + 1):
            echo.tell(Say(str(number)))

        assert echo.step_batch()
        assert len(behaviour(echo).words) == Echo.take_limit
        assert echo.handle.mailbox.depth() == 1

    def test_run_handles_all_there_is_and_says_how_much(self, echo: Stepper) -> None:
        echo.tell(Say("a"))
        echo.tell(Say("b"))

        assert [echo.run(), echo.run()] == [2, 0]
        assert echo.snapshot == Said(("a", "b"))

    def test_an_actor_that_never_comes_to_rest_is_an_error(self) -> None:
        class Restless(Echo):
            def __init__(self, context: Context) -> None:
                super().__init__(context)
                self.also_handles({Say: context.handle.tell})

        restless = Stepper(Restless, "ear", name="restless")
        restless.tell(Say("x"))

        with pytest.raises(AssertionError, match="restless handled more than 50 letters and does not come to rest"):
            restless.run(limit=50)

    def test_a_suspended_one_serves_the_control_lane_alone(self, echo: Stepper) -> None:
        echo.tell(Hold())
        echo.tell(Say("a"))
        assert echo.run() == 1

        echo.tell_control(Resume())
        assert echo.run() == 2
        echo["ear"].expect_all("a")

    def test_a_full_mailbox_refuses(self) -> None:
        small = Stepper(Echo, "ear", name="small", mailbox_capacity=1)

        assert [bool(small.tell(Say("a"))) for _ in range(2)] == [True, False]
        with pytest.raises(NotDelivered, match="small: mailbox full"):
            small.ask(Say("b"))
        assert small.dead_letters.counts() == {("small", "mailbox full"): 2}

    def test_what_it_does_not_handle_is_a_dead_letter(self, echo: Stepper) -> None:
        echo.tell("gibberish")
        assert echo.run() == 1

        assert echo.dead_letters.counts() == {("echo", "unknown type"): 1}


class TestQuestions:
    def test_the_answer_comes_after_what_waited_before(self, echo: Stepper) -> None:
        echo.tell(Say("before"))

        assert echo.ask(Say("a")) == "a"
        assert echo.ask(Ping()) == "echo"
        echo["ear"].expect_all("before", "a")

    def test_a_refusal_is_raised_and_the_actor_lives_on(self, echo: Stepper) -> None:
        with pytest.raises(DomainError, match="no"):
            echo.ask(refusal("no"))

        assert echo.up

    def test_a_crash_is_raised_with_its_cause(self, echo: Stepper) -> None:
        with pytest.raises(ActorCrashed, match="echo crashed: ValueError: boom") as caught:
            echo.ask(Raise(ValueError("boom")))

        assert echo.crashed is caught.value.__cause__

    def test_a_crash_on_what_waited_before_is_raised_as_it_is(self, echo: Stepper) -> None:
        echo.tell(Raise(ValueError("before")))

        with pytest.raises(ValueError, match="before"):
            echo.ask(Say("a"))

    def test_a_deferred_answer_comes_with_a_later_message(self, echo: Stepper) -> None:
        with pytest.raises(AskTimeout, match="echo has nothing left to handle and did not answer Keep"):
            echo.ask(Keep())
        behaviour(echo).kept.clear()

        answer = echo.post(Keep())
        echo.run()
        assert not answer.settled

        echo.tell(Release())
        echo.run()
        assert answer.get(0) == "released"

    def test_one_that_nobody_wants_any_more_is_dropped(self, echo: Stepper) -> None:
        answer = echo.post(Say("late"), timeout_s=2)
        echo.advance(3)
        echo.run()

        with pytest.raises(AskTimeout, match="expired"):
            answer.get(0)
        assert echo.dead_letters.counts() == {("echo", "expired"): 1}

    def test_its_own_question_gets_the_neighbours_answer(self, echo: Stepper) -> None:
        echo["ear"].answers(AskEar, "yes")

        assert echo.ask(AskEar("?")) == "yes"

    def test_a_question_that_no_neighbour_answers_fails_at_once_and_says_how_to(self, echo: Stepper) -> None:
        echo.tell(AskEar("?"))

        with pytest.raises(AssertionError, match=r"ear was asked AskEar\(word='\?'\): give it answers\(AskEar, "):
            echo.run()

    def test_a_question_to_itself_is_a_cycle(self) -> None:
        class Narcissus(Echo):
            def __init__(self, context: Context) -> None:
                super().__init__(context)
                self.also_handles({Say: lambda message: context.handle.ask(message, 1.0)})

        with pytest.raises(ActorCrashed, match="echo -> echo") as caught:
            Stepper(Narcissus, name="echo").ask(Say("a"))
        assert isinstance(caught.value.__cause__, AskCycle)


class TestTime:
    def test_timers_fire_at_their_time_ahead_of_what_waits(self, echo: Stepper) -> None:
        for word, delay_s in (("late", 5.0), ("early", 1.0), ("never", 60.0)):
            echo.tell(SayLater(word, delay_s))
        echo.run()
        echo.tell(Say("waits"))

        echo.advance(10)

        echo["ear"].expect_all("early", "late")
        echo["ear"].expect_nothing()
        assert echo.timers.waiting() == [50.0]
        echo.run()
        echo["ear"].expect_all("waits")

    def test_timers_of_a_predecessor_reach_nobody(self, echo: Stepper) -> None:
        echo.tell(SayLater("old", 5))
        echo.run()

        echo.restart()
        echo.advance(10)

        echo["ear"].expect_nothing()

    def test_time_passes_for_one_that_is_down_too(self, echo: Stepper) -> None:
        echo.tell(SayLater("old", 5))
        echo.run()
        echo.crash()
        before = echo.clock.monotonic()

        echo.advance(10)

        assert echo.clock.monotonic() == before + 10
        echo["ear"].expect_nothing()


class TestEnds:
    def test_what_a_handler_raises_comes_out_and_the_actor_is_down(self, echo: Stepper) -> None:
        echo.tell(Raise(ValueError("boom")))
        echo.tell(Say("kept"))

        with pytest.raises(ValueError, match="boom"):
            echo.run()

        assert not echo.up
        assert isinstance(echo.crashed, ValueError)
        assert behaviour(echo).ended == ["exit"]
        assert echo.dead_letters.counts() == {("echo", "crashed"): 1}
        with pytest.raises(AssertionError, match="echo is down, it crashed with ValueError: boom: restart it"):
            echo.step()

    def test_the_successor_is_new_and_serves_what_its_predecessor_left(self, echo: Stepper) -> None:
        first = echo.actor
        echo.tell(Raise(ValueError("boom")))
        echo.tell(Say("kept"))
        with pytest.raises(ValueError, match="boom"):
            echo.run()

        echo.restart()

        assert echo.actor is not first
        assert (echo.generation, echo.up, echo.crashed) == (2, True, None)
        echo.run()
        echo["ear"].expect_all("kept")
        assert echo.snapshot == Said(("kept",))

    def test_what_it_did_not_get_to_in_a_batch_is_not_lost(self, echo: Stepper) -> None:
        echo.tell(Raise(ValueError("boom")))
        echo.tell(Say("a"))
        echo.tell(Say("b"))
        with pytest.raises(ValueError, match="boom"):
            echo.step_batch()

        echo.restart()
        echo.run()

        echo["ear"].expect_all("a", "b")

    def test_a_refusal_that_nobody_hears_of_ends_nothing(self, echo: Stepper) -> None:
        echo.tell(refusal("no"))

        assert echo.run() == 1
        assert echo.dead_letters.counts() == {("echo", "refused"): 1}

    def test_a_crash_on_order_raises_nothing(self, echo: Stepper) -> None:
        echo.tell(Say("kept"))

        echo.crash("on trial")

        assert str(echo.crashed) == "on trial"
        assert echo.dead_letters.total() == 0
        echo.restart()
        assert echo.run() == 1

    def test_a_stop_comes_ahead_of_what_waits(self, echo: Stepper) -> None:
        echo.tell(Say("kept"))

        echo.stop()

        assert behaviour(echo).ended == ["stop", "exit"]
        assert (echo.up, echo.crashed) == (False, None)
        with pytest.raises(AssertionError, match="echo is down, it was stopped: restart it"):
            echo.run()
        echo.restart()
        assert echo.run() == 1

    def test_one_that_runs_is_stopped_before_it_is_succeeded(self, echo: Stepper) -> None:
        first = behaviour(echo)

        echo.restart()

        assert first.ended == ["stop", "exit"]
        assert echo.generation == 2

    def test_one_that_stops_itself_is_down_after_what_waited(self, echo: Stepper) -> None:
        echo.actor.stop()
        echo.tell(Say("kept"))

        assert echo.run() == 1
        assert not echo.up

    def test_an_exception_that_would_end_the_process_is_a_crash_too(self, echo: Stepper) -> None:
        echo.tell(Raise(SystemExit(3)))

        with pytest.raises(SystemExit):
            echo.run()
        assert isinstance(echo.crashed, SystemExit)


class Starter(Echo):
    """Does at its start what the test says."""

    start: Any = None

    def on_start(self) -> Any:
        if isinstance(self.start, Exception):
            raise self.start
        return self.start


def starting(start: Any) -> type[Starter]:
    return type("Starting", (Starter,), {"start": start})


class TestStarts:
    @pytest.mark.parametrize("error", [StartRefused("no disk"), StartIgnored("nothing to do"), ValueError("boom")])
    def test_one_that_does_not_start_says_why(self, error: Exception) -> None:
        with pytest.raises(type(error), match=str(error)):
            Stepper(starting(error))

    def test_what_it_tells_its_starter_is_kept(self) -> None:
        assert Stepper(starting("port 80")).info == "port 80"

    def test_what_it_reports_comes_to_its_supervisor(self) -> None:
        stepper = Stepper(starting(DEFERRED), name="echo")
        stepper.actor.context.report(Started("echo", 1))

        stepper.supervisor.expect_all(ChildEvent(Started("echo", 1)))

    def test_a_neighbour_made_before_can_answer_at_the_start(self) -> None:
        class Asking(Echo):
            def on_start(self) -> None:
                self.words = self.context.directory["ear"].ask(AskEar("?"), 2.0)

        ear = Neighbour("ear")
        ear.answers(AskEar, ("remembered",))

        assert behaviour(Stepper(Asking, ear)).words == ("remembered",)

    def test_a_neighbour_that_is_unknown_cannot_be_reached(self) -> None:
        echo = Stepper(Echo, name="echo")
        echo.tell(Say("a"))

        with pytest.raises(NotDelivered, match="no actor is named ear"):
            echo.run()

    def test_two_neighbours_of_one_name_are_an_error(self) -> None:
        with pytest.raises(SpecError, match="child ear: the name is taken"):
            Stepper(Echo, "ear", "ear")

    def test_a_restart_that_fails_leaves_it_down_and_may_be_tried_again(self) -> None:
        starter = starting(None)
        stepper = Stepper(starter, name="echo")
        starter.start = StartRefused("no disk")
        with pytest.raises(StartRefused):
            stepper.restart()

        starter.start = None
        stepper.restart()

        assert (stepper.up, stepper.generation) == (True, 3)

    def test_a_message_pushed_back_is_served_again_before_the_others(self, echo: Stepper) -> None:
        echo.tell(Say("second"))
        echo.handle.mailbox.push_back([Letter(Say("first"))], echo.generation)

        echo.run()

        echo["ear"].expect_all("first", "second")
