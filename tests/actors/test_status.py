"""The status document: put together from what is published, whatever state the tree is in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from actors.runtime.child import ChildSpec, GiveUp
from actors.runtime.dead_letters import DeadLetters
from actors.runtime.directory import Directory
from actors.runtime.tree import Status
from actors.runtime.zombies import Zombies
from actors.status import StatusReport, wire_time
from tests.runtime.kit import STEADY, WAIT_S, Fail, Grove, ManualClock, Note, Probe, Run, tree, worker


@dataclass(frozen=True, slots=True)
class Picture:
    """What an actor publishes."""

    document: dict[str, Any] = field(default_factory=dict)

    def as_status(self, _: float, /) -> dict[str, Any]:
        return self.document


DATABASE_UP: dict[str, Any] = {"state": "up", "url": "postgresql://", "error": None, "events": {}}
NATS_UP: dict[str, Any] = {"state": "up", "url": "nats://", "error": None, "streams": {}}
TRADING = {"state": "trading", "lease": {"owner": "me", "epoch": 3, "mine": True}, "pending": 0}


def report(grove: Grove) -> StatusReport:
    return StatusReport(
        grove.directory,
        grove.dead_letters,
        grove.zombies,
        grove.clock,
        "1.2.3",
        ("paper",),
        "node 1",
        datetime(2026, 1, 5, tzinfo=UTC),
    )


def published(document: dict[str, Any]) -> Callable[[Any], None]:
    return lambda actor: actor.context.publish(Picture(document))


@contextmanager
def service(**documents: dict[str, Any]) -> Iterator[Grove]:
    """A tree that looks like the service's, with what its actors publish."""
    probe = Probe()
    usual: dict[str, dict[str, Any]] = {
        "database": DATABASE_UP,
        "gateway": NATS_UP,
        "trading": TRADING,
        "auth": {},
        "health": {"checks": []},
    }
    shown: dict[str, dict[str, Any]] = {**usual, **documents}

    def child(name: str, *needed: str, **fields: Any) -> ChildSpec:
        document = shown[name.split(".", maxsplit=1)[0]]
        return worker(probe, name, start=published(document), depends_on=needed, **fields)

    parkable = {"intensity": 0, "give_up": GiveUp.PARK}
    table = [
        child("database", backoff=STEADY),
        child("auth", "database"),
        child("health", "auth"),
        child("trading.paper", "health", **parkable),
        child("gateway", "trading.paper"),
    ]
    with tree(*table, probe=probe) as grove:
        yield grove


class TestDocument:
    def test_it_has_every_part_of_the_contract(self) -> None:
        with service() as grove:
            document = report(grove).build()

        assert {*document} >= {
            "node",
            "pid",
            "version",
            "state",
            "since",
            "as_of",
            "why_not_ready",
            "children",
            "brokers",
            "database",
            "nats",
            "checks",
            "dead_letters",
            "zombies",
        }
        assert (document["node"], document["version"]) == ("node 1", "1.2.3")
        assert document["since"] == "2026-01-05T00:00:00.000Z"

    def test_each_child_has_every_part_too(self) -> None:
        with service() as grove:
            children = report(grove).build()["children"]

        assert [child["name"] for child in children] == ["database", "auth", "health", "trading.paper", "gateway"]
        for child in children:
            assert {*child} == {
                "name",
                "state",
                "since",
                "restarts",
                "last_error",
                "last_error_at",
                "mailbox",
                "handled",
                "per_s",
                "failed",
                "dead_letters",
                "handling",
                "depends_on",
                "supervisor",
            }
            assert {*child["mailbox"]} == {"depth", "high_water", "capacity", "oldest_age_s"}
        assert children[1]["depends_on"] == ["database"]

    def test_it_is_json(self) -> None:
        with service() as grove:
            assert orjson.loads(orjson.dumps(report(grove).build()))["state"] == "ready"

    def test_before_there_is_a_tree_it_is_starting(self) -> None:
        clock = ManualClock()
        early = StatusReport(Directory(), DeadLetters(clock), Zombies(), clock, "1", ("paper",), "node 1", clock.now())

        document = early.build()

        assert (document["state"], document["children"]) == ("starting", [])
        assert document["brokers"]["paper"]["state"] == "starting"

    def test_after_the_end_it_is_stopped(self) -> None:
        with service() as grove:
            grove.stop()

            assert report(grove).build()["state"] == "stopped"


class TestChildren:
    def test_a_mailbox_shows_its_depth_and_the_age_of_its_oldest_message(self) -> None:
        with service() as grove:
            gate = grove.gate()
            grove["auth"].tell(gate)
            gate.wait_entered()
            grove["auth"].tell(Note(1))
            grove.advance(2.5)

            auth = report(grove).build()["children"][1]

            assert auth["mailbox"] == {"depth": 1, "high_water": 1, "capacity": 10_000, "oldest_age_s": 2.5}

    def test_a_handler_shows_what_it_does_and_for_how_long(self) -> None:
        with service() as grove:
            gate = grove.gate()
            grove["auth"].tell(gate)
            gate.wait_entered()
            grove.advance(2.5)

            auth = report(grove).build()["children"][1]

            assert auth["handling"] == {"message": "Gate", "for_s": 2.5}
            assert auth["state"] == "running"

    def test_one_beyond_half_its_budget_is_stuck_and_the_reason_for_not_being_ready(self) -> None:
        with service() as grove:
            gate = grove.gate()
            grove["auth"].tell(gate)
            gate.wait_entered()
            grove.advance(31)

            document = report(grove).build()

            assert document["children"][1]["state"] == "stuck"
            assert (document["state"], document["why_not_ready"]) == ("degraded", ["auth is stuck"])

    def test_one_that_waits_for_its_restart_shows_its_error(self) -> None:
        with service() as grove:
            grove["database"].tell(Fail(ValueError("boom")))
            grove.until_status("database", Status.RESTARTING)

            document = report(grove).build()

            assert document["children"][0]["state"] == "restarting"
            assert document["children"][0]["failed"] == 1
            assert document["why_not_ready"] == ["database is restarting: ValueError: boom"]

    def test_one_that_came_back_keeps_its_error_for_the_reader_and_the_service_is_ready(self) -> None:
        with service() as grove:
            grove["database"].tell(Fail(ValueError("boom")))
            grove.until_status("database", Status.RESTARTING)
            grove.advance(0.05)
            grove.until_status("database", Status.RUNNING, 2)

            document = report(grove).build()

            database = document["children"][0]
            assert (database["state"], database["restarts"]) == ("running", 1)
            assert database["last_error"] == "ValueError: boom"
            assert database["last_error_at"] == wire_time(grove.clock.now() - timedelta(seconds=0.05))
            assert document["state"] == "ready"


class TestBrokers:
    def test_a_parked_one_is_shown_with_its_reason_and_the_rest_runs(self) -> None:
        with service() as grove:
            grove["trading.paper"].tell(Fail(ValueError("no session")))
            grove.until_status("trading.paper", Status.PARKED)

            document = report(grove).build()

            broker = document["brokers"]["paper"]
            assert (broker["state"], broker["realized_pnl"], broker["unrealized_pnl"]) == ("failed", None, None)
            assert document["why_not_ready"] == ["trading.paper is parked: ValueError: no session"]
            assert document["state"] == "degraded"

    @pytest.mark.parametrize("state", ["opening", "standby"])
    def test_one_that_does_not_trade_yet_is_the_reason(self, state: str) -> None:
        with service(trading={**TRADING, "state": state}) as grove:
            assert report(grove).build()["why_not_ready"] == [f"broker paper is {state}"]

    def test_its_figures_come_from_its_own_picture_the_writers_counts_and_the_session(self) -> None:
        counts = {"paper": {"order_placed": 4, "order_filled": 3, "order_failed": 2}}
        session = {"user_id": "AB1234", "expires_at": None, "state": "active"}
        own = {**TRADING, "realized_pnl": "1.50", "unrealized_pnl": "-2", "last_signal_age_s": 0.5, "pending": 1}

        with service(
            database={**DATABASE_UP, "events": counts}, auth={"sessions": {"paper": session}}, trading=own
        ) as grove:
            broker = report(grove).build()["brokers"]["paper"]

        assert broker == {
            "state": "trading",
            "lease": {"owner": "me", "epoch": 3, "mine": True},
            "session": session,
            "signals": 6,
            "orders": 4,
            "fills": 3,
            "failed": 2,
            "pending": 1,
            "realized_pnl": "1.50",
            "unrealized_pnl": "-2",
            "last_signal_age_s": 0.5,
        }


class TestReadiness:
    def test_a_server_that_is_away_is_named_with_its_error(self) -> None:
        with service(
            database={**DATABASE_UP, "state": "away", "error": "connection refused"},
            gateway={**NATS_UP, "state": "away"},
        ) as grove:
            why = report(grove).build()["why_not_ready"]

        assert why == ["database is away: connection refused", "NATS is away: not connected"]

    def test_a_part_that_has_not_shown_itself_yet_is_the_reason(self) -> None:
        with service(gateway={}) as grove:
            document = report(grove).build()

        assert (document["state"], document["why_not_ready"]) == ("degraded", ["NATS is starting: not connected"])

    def test_a_check_that_failed_is_named(self) -> None:
        failed = {"component": "Disk space", "passed": False, "message": "3 MiB free: make room"}
        passed = {"component": "Schema", "passed": True, "message": "at head"}

        with service(health={"checks": [passed, failed]}) as grove:
            document = report(grove).build()

        assert document["why_not_ready"] == ["Disk space: 3 MiB free: make room"]
        assert len(document["checks"]) == 2

    def test_messages_that_were_given_up_are_counted_apart_from_those_that_found_no_actor(self) -> None:
        with service(database={**DATABASE_UP, "dead_letters": 7}) as grove:
            grove["auth"].tell("nobody handles text")
            grove["auth"].ask(Run(lambda _: None), WAIT_S)

            document = report(grove).build()

        assert (document["dead_letters"], document["undelivered"]) == (7, 1)

    def test_a_check_that_failed_is_named_with_its_cure_once(self) -> None:
        failed = {"component": "Clock", "passed": False, "message": "9 s off", "cure": "use NTP"}
        told = {"component": "Schema", "passed": False, "message": "at 1: run it", "cure": "run it"}

        with service(health={"checks": [failed, told]}) as grove:
            document = report(grove).build()

        assert document["why_not_ready"] == ["Clock: 9 s off; use NTP", "Schema: at 1: run it"]

    def test_a_server_that_is_away_is_named_once(self) -> None:
        checks = [{"component": name, "passed": False, "message": "away"} for name in ("PostgreSQL", "NATS")]
        away = {"state": "away", "error": "gone"}

        with service(database=DATABASE_UP | away, gateway=NATS_UP | away, health={"checks": checks}) as grove:
            document = report(grove).build()

        assert document["why_not_ready"] == ["database is away: gone", "NATS is away: gone"]

    def test_zombies_are_counted(self) -> None:
        with service() as grove:
            grove["auth"].tell("nobody handles text")
            grove["auth"].ask(Run(lambda _: None), WAIT_S)
            over = threading.Event()
            lost = threading.Thread(target=over.wait, args=(WAIT_S,))
            lost.start()
            grove.zombies.add(lost, 0.0)

            document = report(grove).build()
            over.set()
            lost.join(WAIT_S)

            assert (document["undelivered"], document["zombies"]) == (1, 1)
            assert report(grove).build()["zombies"] == 0


def test_times_have_milliseconds_and_a_z() -> None:
    assert wire_time(datetime(2026, 1, 5, 9, 30, 0, 1999, UTC)) == "2026-01-05T09:30:00.001Z"
