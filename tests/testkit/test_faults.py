"""Faults strike when they were said to, and at no other time."""

from __future__ import annotations

from collections.abc import Container

import pytest

from actors.runtime.child import ChildSpec
from actors.testkit import (
    EVERY,
    Gate,
    Injected,
    Neighbour,
    Stepper,
    crashing,
    faulty,
    no_thread_left,
    race,
    running_tree,
)
from tests.testkit.echo import Echo, Keep, Say


class Adder:
    """What is to fail."""

    name = "adder"

    def __init__(self) -> None:
        self.total = 0

    def add(self, number: int) -> int:
        self.total += number
        return self.total


def outcomes(stepper: Stepper, count: int) -> list[str]:
    """What becomes of so many messages, one after the other, with a restart after each crash."""
    found = []
    for number in range(count):
        stepper.tell(Say(str(number)))
        try:
            stepper.run()
            found.append("handled")
        except Injected as error:
            found.append(str(error))
            stepper.restart()
    return found


class TestCrashing:
    @pytest.mark.parametrize(
        ("nth", "expected"),
        [
            (1, ["Say 1", "handled", "handled"]),
            (2, ["handled", "Say 2", "handled"]),
            ({1, 3}, ["Say 1", "handled", "Say 3"]),
            (range(2, 4), ["handled", "Say 2", "Say 3"]),
            (EVERY, ["Say 1", "Say 2", "Say 3"]),
            (4, ["handled", "handled", "handled"]),
        ],
    )
    def test_the_messages_are_counted_over_all_incarnations(
        self, nth: int | Container[int], expected: list[str]
    ) -> None:
        assert outcomes(Stepper(crashing(Echo, Say, nth), "ear"), 3) == expected

    def test_before_the_handler_nothing_was_done_and_after_it_all(self) -> None:
        before, after = (Stepper(crashing(Echo, Say, after=after), "ear") for after in (False, True))

        assert outcomes(before, 1) == ["Say 1"]
        before["ear"].expect_nothing()
        assert outcomes(after, 1) == ["after Say 1"]
        after["ear"].expect_all("0")

    @pytest.mark.parametrize("error", [ValueError("boom"), ValueError])
    def test_any_error_can_be_raised(self, error: Exception | type[Exception]) -> None:
        stepper = Stepper(crashing(Echo, Say, fault=error), "ear")
        stepper.tell(Say("a"))

        with pytest.raises(ValueError):  # noqa: PT011  # one of them has no text
            stepper.run()

    def test_other_messages_are_left_alone_and_answers_are_the_handlers(self) -> None:
        stepper = Stepper(crashing(Echo, Say, nth=2), "ear")

        assert stepper.ask(Say("a")) == "a"
        assert not stepper.post(Keep()).settled

    def test_a_type_that_is_not_handled_cannot_fail(self) -> None:
        with pytest.raises(AssertionError, match="Echo does not handle str: it cannot fail at it"):
            Stepper(crashing(Echo, str), "ear")

    def test_on_a_thread_the_supervisor_brings_the_successor(self) -> None:
        ear = Neighbour("ear")

        with running_tree(ChildSpec("echo", crashing(Echo, Say, nth={1, 2})), neighbours=(ear,)) as grove:
            for word in "ab":
                grove["echo"].tell(Say(word))
                grove.until(lambda tree, word=word: tree.children["echo"].total_restarts == "ab".index(word) + 1)  # type: ignore[misc]
                grove.revive("echo")
            grove["echo"].tell(Say("c"))

            ear.expect_all("c")
            assert [record.error for record in grove["echo"].telemetry.crashes] == [
                "Injected: Say 1",
                "Injected: Say 2",
            ]


class TestFaulty:
    def test_the_call_fails_when_it_was_said_to_and_all_else_is_as_before(self) -> None:
        adder = faulty(Adder(), "add", nth=2)

        assert adder.add(1) == 1
        with pytest.raises(Injected, match="add 2"):
            adder.add(1)
        assert adder.add(1) == 2
        assert (adder.name, adder.total) == ("adder", 2)

    def test_an_answer_can_be_lost_after_the_work_was_done(self) -> None:
        adder = faulty(Adder(), "add", fault=TimeoutError("no answer"), after=True)

        with pytest.raises(TimeoutError, match="no answer"):
            adder.add(5)
        assert adder.total == 5

    def test_several_methods_fail_when_one_is_wrapped_in_the_other(self) -> None:
        adder = faulty(faulty(Adder(), "add", 1, ValueError("one")), "add", 1, ValueError("two"))

        for text in ("two", "one"):
            with pytest.raises(ValueError, match=text):
                adder.add(1)
        assert adder.add(1) == 1

    def test_a_gate_holds_the_call_until_it_is_opened(self) -> None:
        gate, adder = Gate(), Adder()
        held = faulty(adder, "add", fault=gate)

        def act(number: int) -> int:
            if number == 0:
                return held.add(7)
            gate.wait_entered()
            total = adder.total
            gate.open()
            return total

        with no_thread_left():
            assert race(2, act) == [7, 0]

    def test_a_method_that_is_not_there_is_an_error_at_once(self) -> None:
        with pytest.raises(AttributeError, match="'Adder' object has no attribute 'subtract'"):
            faulty(Adder(), "subtract")

    def test_it_says_what_it_is(self) -> None:
        assert repr(faulty("text", "upper")) == "'text' with a faulty upper"
