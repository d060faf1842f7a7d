"""One child from close by: all that is published of it, whoever is stuck, and never the content of a message."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import orjson

from actors.inspection import Inspection
from tests.actors.family import TOKEN, LoginFailed, crash, family, inspect, park, wait_with_a_token
from tests.actors.test_status import report
from tests.runtime.kit import WAIT_S, Gate, Note, Run


class TestDocument:
    def test_it_has_what_the_status_has_and_more(self) -> None:
        with family() as grove:
            document = inspect(grove, "b")
            shown = next(child for child in report(grove).build()["children"] if child["name"] == "b")

        assert {*document} == {*shown} | {
            "as_of",
            "kind",
            "restart",
            "generation",
            "handler_budget_s",
            "handled_per_s",
            "restarts_in_window",
            "stack",
            "crashes",
            "dead_letters_by_reason",
            "last_dead_letters",
            "zombies",
            "tree",
        }
        assert (document["kind"], document["restart"], document["generation"]) == ("worker", "permanent", 1)
        assert (document["state"], document["depends_on"], document["supervisor"]) == ("running", ["a"], "supervisor")

    def test_it_is_json(self) -> None:
        with family() as grove:
            for name in ("a", "inner", "two"):
                assert orjson.loads(orjson.dumps(inspect(grove, name)))["name"] == name

    def test_nobody_has_a_name_that_there_is_not(self) -> None:
        with family() as grove:
            assert Inspection(report(grove)).build("nobody") is None

    def test_both_lanes_of_the_mailbox_are_shown(self) -> None:
        with family() as grove:
            gate = grove.gate()
            grove["a"].tell(gate)
            gate.wait_entered()
            grove["a"].tell_all([Note(1), Note(2), Note(3)])
            grove["a"].tell_control(Note(4))
            grove.advance(2.5)

            mailbox = inspect(grove, "a")["mailbox"]

        assert mailbox["lanes"] == {"control": 1, "user": 3, "in_hand": 0}
        assert (mailbox["depth"], mailbox["high_water"], mailbox["capacity"]) == (4, 3, 10_000)
        assert (mailbox["oldest_age_s"], mailbox["suspended"], mailbox["closed"]) == (2.5, False, False)

    def test_a_lane_that_is_not_served_is_shown(self) -> None:
        with family() as grove:
            grove["a"].ask(Run(lambda actor: actor.context.suspend()), WAIT_S)
            grove["a"].tell(Note(1))

            mailbox = inspect(grove, "a")["mailbox"]

        assert (mailbox["suspended"], mailbox["lanes"]["user"]) == (True, 1)

    def test_rates_are_told_for_each_span(self) -> None:
        with family() as grove:
            for _ in range(20):
                grove["a"].ask(Note(), WAIT_S)
                grove.advance(1)

            assert inspect(grove, "a")["handled_per_s"] == {"1s": 1.0, "10s": 1.0, "60s": 1.0}
            assert inspect(grove, "b")["handled_per_s"] == {"1s": 0.0, "10s": 0.0, "60s": 0.0}


class TestCrashes:
    def test_a_password_in_the_text_of_an_error_is_not_shown(self) -> None:
        with family() as grove:
            crash(grove, "a", ConnectionError("cannot reach postgresql://panda:s3cr3t@host/db password=s3cr3t"), 1)

            document = inspect(grove, "a")

        assert document["crashes"][0]["error"].startswith("ConnectionError: cannot reach postgresql://panda:****")
        assert "s3cr3t" not in orjson.dumps(document).decode()

    def test_the_last_ones_are_shown_oldest_first_with_their_frames(self) -> None:
        with family() as grove:
            crash(grove, "a", ValueError("first"), 1)
            crash(grove, "a", KeyError("second"), 2)

            document = inspect(grove, "a")

        assert [crash["error"] for crash in document["crashes"]] == ["ValueError: first", "KeyError: 'second'"]
        last = document["crashes"][-1]
        assert (last["generation"], last["message"]) == (2, "Fail")
        assert last["at"].endswith("Z")
        assert any("raise message.error" in line for line in last["traceback"])
        assert (document["generation"], document["last_error"]) == (3, "KeyError: 'second'")

    def test_restarts_are_counted_within_the_window_and_in_all(self) -> None:
        with family() as grove:
            crash(grove, "a", ValueError("first"), 1)
            grove.advance(60)
            crash(grove, "a", ValueError("second"), 2)

            document = inspect(grove, "a")

        assert document["restarts"] == 2
        assert document["restarts_in_window"] == {"used": 1, "allowed": 5, "period_s": 30.0, "shared": False}

    def test_a_child_without_an_intensity_of_its_own_shows_the_one_it_shares(self) -> None:
        with family() as grove:
            assert inspect(grove, "b")["restarts_in_window"] == {
                "used": 0,
                "allowed": 9,
                "period_s": 40,
                "shared": True,
            }


class TestDeadLetters:
    def test_they_are_counted_by_reason_and_the_last_ones_shown_with_their_time(self) -> None:
        with family() as grove:
            for _ in range(150):
                grove["a"].bury(Note(TOKEN), "mailbox full")
            grove.advance(1)
            grove["a"].bury(Gate(), "expired")
            grove["b"].bury(Note(), "expired")

            document = inspect(grove, "a")

        assert document["dead_letters"] == 151
        assert document["dead_letters_by_reason"] == {"mailbox full": 150, "expired": 1}
        assert len(document["last_dead_letters"]) == 100
        first, last = document["last_dead_letters"][0], document["last_dead_letters"][-1]
        assert (first["message"], first["reason"]) == ("Note", "mailbox full")
        assert (last["message"], last["reason"]) == ("Gate", "expired")
        assert first["at"] < last["at"]


class TestSupervisors:
    def test_a_supervisor_shows_its_own_tree(self) -> None:
        with family() as grove:
            park(grove, "two", "inner")

            document = inspect(grove, "inner")

        assert document["kind"] == "supervisor"
        assert document["tree"] == {
            "phase": "running",
            "strategy": "one_for_one",
            "dynamic": False,
            "max_children": None,
            "restarts_in_window": {"used": 0, "allowed": 7, "period_s": 20},
            "children": [
                {
                    "name": "one",
                    "state": "running",
                    "restarts": 0,
                    "generation": 1,
                    "restarts_in_window": {"used": 0, "allowed": 5, "period_s": 30.0, "shared": False},
                },
                {
                    "name": "two",
                    "state": "parked",
                    "restarts": 0,
                    "generation": 1,
                    "restarts_in_window": {"used": 1, "allowed": 0, "period_s": 30.0, "shared": False},
                },
            ],
        }

    def test_a_worker_has_none(self) -> None:
        with family() as grove:
            assert inspect(grove, "one")["tree"] is None


@dataclass(frozen=True, slots=True)
class Login:
    """A message with a secret that nobody handles."""

    token: str


def test_what_messages_and_variables_hold_is_never_shown() -> None:
    with family() as grove:
        crash(grove, "a", LoginFailed(TOKEN), 1)
        grove["a"].tell(Login(TOKEN))
        grove["a"].ask(Note(), WAIT_S)
        gate = grove.gate()
        grove["a"].tell(wait_with_a_token(gate))
        gate.wait_entered()
        grove["a"].tell(Login(TOKEN))

        document = inspect(grove, "a")

    assert document["crashes"][0]["error"] == "LoginFailed: the broker refused the login"
    assert document["last_dead_letters"][-1]["message"] == "Login"
    assert document["stack"][-1]["function"] == "wait"
    assert TOKEN not in orjson.dumps(document).decode()


def test_to_inspect_again_and_again_disturbs_nobody() -> None:
    """Also while the children restart, which replaces what is being read."""
    with family() as grove:
        over = threading.Event()
        seen: list[int] = []

        def look() -> None:
            while not over.is_set():
                seen.extend(inspect(grove, name)["generation"] for name in ("a", "b", "inner"))

        readers = [threading.Thread(target=look) for _ in range(2)]
        for reader in readers:
            reader.start()
        try:
            for generation in range(1, 5):
                crash(grove, "a", ValueError("boom"), generation)
        finally:
            over.set()
            for reader in readers:
                reader.join(WAIT_S)

        assert 1 in seen
        assert inspect(grove, "a")["generation"] == 5
