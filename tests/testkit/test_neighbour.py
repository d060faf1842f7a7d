"""A neighbour is told and asked as an actor is, by its handle, and answers as the test says."""

from __future__ import annotations

import pytest

from actors.errors import ActorCrashed, AskTimeout, DomainError, NotDelivered, SpecError
from actors.messages import Crash, Ping
from actors.runtime.child import ChildSpec
from actors.runtime.directory import Directory
from actors.runtime.letter import Admission, Answer, Letter
from actors.testkit import WAIT_S, Neighbour, race, running_tree
from tests.testkit.echo import AskEar, Echo, Say


@pytest.fixture
def ear() -> Neighbour:
    return Neighbour("ear")


def test_whatever_way_a_message_takes_it_is_expected_from_it(ear: Neighbour) -> None:
    assert ear.handle.tell("told")
    assert ear.handle.tell_all(["one", "two"]) == 2
    assert ear.handle.tell_control("urgent")
    assert ear.handle.mailbox.offer(Letter("offered"))
    assert ear.handle.post("asked", Answer())

    ear.expect_all("told", "one", "two", "urgent", "offered", "asked")
    assert ear.handle.mailbox.depth() == 0


@pytest.mark.parametrize("answer", ["yes", lambda message: message.word])
def test_a_question_gets_the_answer_that_was_given_for_its_type(ear: Neighbour, answer: object) -> None:
    ear.answers(AskEar, answer)

    assert ear.handle.ask(AskEar("yes"), WAIT_S) == "yes"
    ear.expect_all(AskEar("yes"))


def test_an_error_as_the_answer_is_raised_where_it_was_asked(ear: Neighbour) -> None:
    ear.answers(AskEar, DomainError("deaf"))

    with pytest.raises(DomainError, match="deaf"):
        ear.handle.ask(AskEar("?"), WAIT_S)


def test_questions_without_an_answer_wait_for_the_test_the_oldest_first(ear: Neighbour) -> None:
    first, second = Answer(), Answer()
    ear.handle.post("first", first)
    ear.handle.post("second", second)

    ear.reply(1)
    ear.refuse(DomainError("no"))

    assert first.get(0) == 1
    with pytest.raises(DomainError, match="no"):
        second.get(0)
    with pytest.raises(AssertionError, match=r"^ear: nobody waits for an answer$"):
        ear.reply(3)


def test_an_asker_on_another_thread_waits_for_the_reply(ear: Neighbour) -> None:
    def act(number: int) -> object:
        if number == 0:
            return ear.handle.ask(AskEar("?"), WAIT_S)
        ear.expect(AskEar)
        ear.reply("yes")
        return None

    assert race(2, act) == ["yes", None]


def test_one_that_nobody_answers_times_out_as_any_actor(ear: Neighbour) -> None:
    with pytest.raises(AskTimeout, match=r"ear did not answer AskEar in 0.01 s"):
        ear.handle.ask(AskEar("?"), 0.01)


def test_a_ping_is_answered_and_not_seen(ear: Neighbour) -> None:
    assert ear.handle.ask(Ping(), WAIT_S) == "ear"
    ear.expect_nothing()


@pytest.mark.parametrize("admission", [Admission.FULL, Admission.CLOSED])
def test_it_can_refuse_what_it_is_sent(ear: Neighbour, admission: Admission) -> None:
    ear.admission = admission

    assert ear.handle.tell("x") is admission
    assert ear.handle.tell_all("xy") == 0
    with pytest.raises(NotDelivered, match=f"mailbox {admission.value}"):
        ear.handle.ask("x", WAIT_S)
    assert ear.handle.dead_letters == 4
    ear.expect_nothing()


def test_its_name_is_taken_once() -> None:
    directory = Directory()
    Neighbour("ear").join(directory)

    with pytest.raises(SpecError, match="child ear: the name is taken"):
        Neighbour("ear").join(directory)


def test_as_a_child_it_is_depended_on_and_crashes_as_any(ear: Neighbour) -> None:
    ear.answers(AskEar, "yes")
    echo = ChildSpec("echo", Echo, depends_on=("ear",))

    with running_tree(ear.child(intensity=1), echo) as grove:
        assert grove["echo"].ask(Say("hello"), WAIT_S) == "hello"
        assert grove["echo"].ask(AskEar("?"), WAIT_S) == "yes"
        ear.expect_all("hello", AskEar("?"))

        with pytest.raises(ActorCrashed):
            grove["ear"].ask(Crash(), WAIT_S)
        grove["echo"].tell(Say("again"))
        ear.expect_all("again")
