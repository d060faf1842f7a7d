"""An ask ends in an answer or a named error, in time; a cycle is refused at once."""

from __future__ import annotations

import threading

import pytest

from actors.errors import ActorCrashed, AskCycle, AskTimeout, DomainError, NotDelivered
from actors.messages import Ping
from actors.runtime.actor import DEFERRED
from actors.runtime.child import GiveUp
from actors.runtime.directory import callers
from actors.runtime.tree import Status
from tests.runtime.kit import (
    WAIT_S,
    AskOther,
    Fail,
    Grove,
    Note,
    Noted,
    Probe,
    Run,
    Up,
    Worker,
    race,
    tree,
    worker,
)


def ask_back(name: str) -> AskOther:
    return AskOther(name, Ping())


class TestAsk:
    def test_the_reply_is_what_the_handler_returns(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), probe=probe) as grove:
            assert grove["a"].ask(Note({"x": 1}), WAIT_S) == {"x": 1}

    def test_any_actor_answers_a_ping_with_its_name(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), probe=probe) as grove:
            assert grove["a"].ask(Ping(), WAIT_S) == "a"

    def test_without_a_reply_in_time_it_fails_and_says_who_did_not_answer_what(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), probe=probe) as grove:
            gate = grove.gate()

            with pytest.raises(AskTimeout, match=r"a did not answer Gate in 0\.02 s"):
                grove["a"].ask(gate, 0.02)

    def test_a_reply_that_comes_too_late_harms_nobody(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), probe=probe) as grove:
            gate = grove.gate()
            with pytest.raises(AskTimeout):
                grove["a"].ask(gate, 0.02)

            gate.open()

            assert grove["a"].ask(Ping(), WAIT_S) == "a"
            assert grove.child("a").generation == 1

    def test_an_expired_message_is_dropped_when_its_turn_comes(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), probe=probe) as grove:
            gate = grove.gate()
            grove["a"].tell(gate)
            gate.wait_entered()
            with pytest.raises(AskTimeout):
                grove["a"].ask(Note("expired"), 0.01)
            grove["a"].tell(Note("next"))
            grove.advance(0.02)
            gate.open()

            probe.expect_all(Up("a"), Noted("a", "next"))
            assert grove.dead_letters.counts() == {("a", "expired"): 1}

    def test_one_that_has_not_expired_yet_is_handled(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), probe=probe) as grove:
            gate = grove.gate()
            answer = threading.Thread(target=lambda: grove["a"].ask(Note("in time"), WAIT_S))
            grove["a"].tell(gate)
            answer.start()
            grove.advance(WAIT_S / 2)
            gate.open()
            answer.join(WAIT_S)

            probe.expect_all(Up("a"), Noted("a", "in time"))

    def test_a_message_of_an_unknown_type_is_a_dead_letter(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), probe=probe) as grove:
            with pytest.raises(NotDelivered, match="a does not handle int"):
                grove["a"].ask(42, WAIT_S)
            grove["a"].tell("text")

            assert grove["a"].ask(Ping(), WAIT_S) == "a"
            assert grove.dead_letters.counts() == {("a", "unknown type"): 2}
            assert grove["a"].dead_letters == 2

    def test_a_full_mailbox_refuses_at_once(self, probe: Probe) -> None:
        with tree(worker(probe, "a", mailbox_capacity=1), probe=probe) as grove:
            gate = grove.gate()
            grove["a"].tell(gate)
            gate.wait_entered()
            grove["a"].tell(Note(1))

            with pytest.raises(NotDelivered, match="a: mailbox full"):
                grove["a"].ask(Ping(), WAIT_S)

    def test_a_handler_may_answer_later_from_another_thread(self, probe: Probe) -> None:
        threads = []

        def later(actor: Worker) -> object:
            reply = actor.reply
            assert reply is not None
            threads.append(threading.Thread(target=lambda: reply.complete("later")))
            threads[0].start()
            return DEFERRED

        with tree(worker(probe, "a"), probe=probe) as grove:
            assert grove["a"].ask(Run(later), WAIT_S) == "later"
            threads[0].join(WAIT_S)

    def test_a_teller_gets_no_reply_and_the_handler_can_see_that(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), probe=probe) as grove:
            grove["a"].tell(Run(lambda one: one.probe.put(Noted("a", one.reply))))

            probe.expect_all(Up("a"), Noted("a", None))


class TestCycles:
    def test_an_actor_must_not_ask_itself(self, probe: Probe) -> None:
        with (
            tree(worker(probe, "a"), probe=probe) as grove,
            pytest.raises(ActorCrashed, match=r"AskCycle: a -> a$") as caught,
        ):
            grove["a"].ask(ask_back("a"), WAIT_S)

        assert isinstance(caught.value.__cause__, AskCycle)

    def test_nor_one_that_waits_for_it(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), worker(probe, "b"), worker(probe, "c"), probe=probe) as grove:
            ring = AskOther("b", AskOther("c", ask_back("a")))

            with pytest.raises(ActorCrashed, match=r"AskCycle: a -> b -> c -> a$"):
                grove["a"].ask(ring, WAIT_S)

    def test_the_refused_ask_never_enters_a_mailbox(self, probe: Probe) -> None:
        refused: list[str] = []

        def ask(actor: Worker) -> None:
            try:
                actor.context.directory["a"].ask(Note("never"), WAIT_S)
            except AskCycle as cycle:
                refused.append(str(cycle))

        with tree(worker(probe, "a"), worker(probe, "b"), probe=probe) as grove:
            grove["a"].ask(AskOther("b", Run(ask)), WAIT_S)
            assert grove["a"].ask(Ping(), WAIT_S) == "a"

        assert refused == ["a -> b -> a"]
        assert not [event for event in probe.pending() if isinstance(event, Noted)]

    def test_asking_the_same_child_twice_in_a_row_is_no_cycle(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), worker(probe, "b"), probe=probe) as grove:
            assert grove["a"].ask(AskOther("b", Ping()), WAIT_S) == "b"
            assert grove["b"].ask(AskOther("a", Ping()), WAIT_S) == "a"

    def test_an_ask_while_starting_is_part_of_the_chain(self, probe: Probe) -> None:
        chains: list[str] = []

        def ask(actor: Worker) -> None:
            try:
                actor.context.directory["b"].ask(ask_back("a"), WAIT_S)
            except ActorCrashed as error:
                chains.append(str(error.__cause__))

        table = [worker(probe, "b"), worker(probe, "a", start=ask, depends_on=("b",))]
        with tree(*table, probe=probe, wait=False) as grove:
            grove.until_status("a", Status.RUNNING)

        assert chains == ["a -> b -> a"]

    def test_outside_any_actor_nobody_is_waiting(self) -> None:
        assert callers() == ()

    def test_a_handler_reached_by_tell_waits_for_nobody(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), worker(probe, "b"), probe=probe) as grove:
            note = Run(lambda one: one.probe.put(Noted("b", callers())))
            grove["a"].ask(Run(lambda one: one.context.directory["b"].tell(note)), WAIT_S)

            probe.expect_set(Up("a"), Up("b"))
            probe.expect_all(Noted("b", ("b",)))


class TestRaces:
    """Whatever stops an actor, nobody is left waiting: every ask ends well within its timeout."""

    def test_asks_that_race_with_restarts_all_end(self, probe: Probe) -> None:
        outcomes: list[str] = []

        with tree(worker(probe, "a"), probe=probe) as grove:

            def act(who: int) -> None:
                for _ in range(100):
                    if who == 0:
                        _attempt(lambda: grove.restart("a"))
                    else:
                        outcomes.append(_attempt(lambda: grove["a"].ask(Note(who), WAIT_S)))

            race(4, act)

        assert len(outcomes) == 300
        assert set(outcomes) == {"answered"}

    def test_asks_that_race_with_a_crash_and_parking_all_end(self, probe: Probe) -> None:
        spec = worker(probe, "a", intensity=0, give_up=GiveUp.PARK)

        with tree(spec, probe=probe) as grove:
            for _ in range(200):

                def act(who: int) -> str:
                    message = Fail(ValueError()) if who == 0 else Note(who)
                    return _attempt(lambda: grove["a"].ask(message, WAIT_S))

                crashed, *others = race(3, act)
                assert crashed == "ActorCrashed"
                assert {*others} <= {"answered", "NotDelivered"}
                grove.until_status("a", Status.PARKED)
                grove.restart("a")
                grove.until_status("a", Status.RUNNING)

    def test_asks_that_race_with_the_end_of_the_tree_all_end(self, probe: Probe) -> None:
        for _ in range(100):
            with tree(worker(probe, "a"), probe=probe) as grove:

                def act(who: int, grove: Grove = grove) -> str:
                    if who == 0:
                        return grove.stop()[0]
                    return _attempt(lambda: grove["a"].ask(Note(who), WAIT_S))

                _, *others = race(4, act)
                assert {*others} <= {"answered", "NotDelivered"}


def _attempt(ask: object) -> str:
    assert callable(ask)
    try:
        ask()
    except (NotDelivered, ActorCrashed, DomainError) as error:
        return type(error).__name__
    return "answered"
