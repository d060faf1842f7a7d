"""Health checks: what they find on real servers and files, and how the actor runs them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from actors.checks import checks
from actors.database_checks import database_checks
from actors.diagnosis import Check, CheckFailed, CheckResult, Health, run_check
from actors.health import CHECK_AGAIN_S, CHECK_EVERY_S, HealthActor
from actors.host_checks import host_checks
from actors.runtime.child import ChildSpec
from actors.runtime.clock import SystemClock
from actors.runtime.directory import Directory
from persistence.database import open_database
from settings import DatabaseSettings, Settings
from tests.conftest import execute
from tests.runtime.kit import Grove, Probe, tree, worker
from tests.system.daemon import eventually

UNREACHABLE = "postgresql://nobody@127.0.0.1:1/none"
NATS_UP: dict[str, Any] = {
    "state": "up",
    "url": "127.0.0.1:4222",
    "embedded": False,
    "error": None,
    "missing": [],
    "streams": {"PAPER_SIGNALS": {"messages": 5, "pending": 3, "ack_pending": 0}},
}


@dataclass(frozen=True, slots=True)
class Picture:
    document: dict[str, Any] = field(default_factory=dict)

    def as_status(self, _: float, /) -> dict[str, Any]:
        return self.document


def found(url: str, directory: Directory, component: str, **settings: Any) -> CheckResult | None:
    """What the service's own check of that component finds."""
    database = open_database(url, DatabaseSettings(connect_timeout_s=2), "tests")
    try:
        every = checks(Settings(**settings), database, directory)
        return run_check(next(check for check in every if check.component == component), SystemClock())
    finally:
        database.close()


@contextmanager
def showing(**documents: dict[str, Any]) -> Iterator[Directory]:
    """A directory of actors that have published these documents."""

    def child(name: str, document: dict[str, Any]) -> ChildSpec:
        return worker(Probe(), name, start=lambda actor: actor.context.publish(Picture(document)))

    with tree(*(child(*one) for one in documents.items()), probe=Probe()) as grove:
        yield grove.directory


class TestTheDatabase:
    def test_one_that_is_there_and_at_head_is_healthy(self, database_url: str) -> None:
        for component in ("PostgreSQL", "Schema", "Clock", "Ids"):
            result = found(database_url, Directory(), component)
            assert result is not None
            assert (component, result.status, result.cure) == (component, Health.HEALTHY, None)

    def test_one_that_is_away_is_unhealthy_and_the_cure_is_named(self) -> None:
        result = found(UNREACHABLE, Directory(), "PostgreSQL")

        assert result is not None
        assert (result.status, result.essential, result.passed) == (Health.UNHEALTHY, True, False)
        assert "DATABASE__POSTGRES_URL" in str(result.cure)

    def test_a_schema_that_is_not_at_head_is_to_be_upgraded(self, database_url: str) -> None:
        execute(database_url, "UPDATE alembic_version SET version_num = '0002'")

        result = found(database_url, Directory(), "Schema")

        assert result is not None
        assert (result.status, result.cure) == (Health.UNHEALTHY, "run `alpha-panda db upgrade`")
        assert result.exit_code == 78

    def test_one_that_cannot_be_asked_for_its_schema_may_be_at_the_next_start(self) -> None:
        result = found(UNREACHABLE, Directory(), "Schema")

        assert result is not None
        assert (result.status, result.exit_code) == (Health.UNHEALTHY, 69)


@dataclass(frozen=True, slots=True)
class Skewed:
    """A database on a host whose clock is off, which no server can be told to be."""

    ahead_s: float

    def ping(self) -> float:
        return 0.001

    def check_schema(self) -> None:
        """It is at head."""

    def clock_ahead_s(self) -> float:
        return self.ahead_s

    def ids_given(self) -> tuple[float, str]:
        return 0.0, ""


class TestTheClock:
    @pytest.mark.parametrize(
        ("ahead_s", "status", "message"),
        [
            (0.5, Health.HEALTHY, "500 ms from the database's"),
            (-0.5, Health.HEALTHY, "500 ms from the database's"),
            (5.0, Health.DEGRADED, "the database's clock is 5.0 s ahead of ours"),
            (-5.0, Health.DEGRADED, "the database's clock is 5.0 s behind ours"),
        ],
    )
    def test_one_that_is_seconds_off_is_degraded(self, ahead_s: float, status: Health, message: str) -> None:
        clock = database_checks(Skewed(ahead_s))[2]

        result = run_check(clock, SystemClock())

        assert result is not None
        assert (result.status, result.message) == (status, message)


class TestTheIds:
    def test_a_table_that_has_given_most_of_them_is_degraded(self, database_url: str) -> None:
        execute(database_url, "SELECT setval('users_id_seq', 1900000000), setval('trading_events_id_seq', 2147483648)")

        result = found(database_url, Directory(), "Ids")

        assert result is not None
        assert (result.status, result.essential) == (Health.DEGRADED, False)
        assert result.message == "users has given 88% of its ids, and takes no row after the last"

    def test_the_tokens_of_instruments_are_no_ids_of_ours(self, database_url: str) -> None:
        execute(database_url, "SELECT setval('instruments_instrument_token_seq', 2147483647)")

        result = found(database_url, Directory(), "Ids")

        assert result is not None
        assert (result.status, result.message) == (Health.HEALTHY, "at most 0% given")


class TestNats:
    @pytest.mark.parametrize(
        ("component", "changes", "status"),
        [
            ("NATS", {}, Health.HEALTHY),
            ("NATS", {"state": "away", "error": "refused"}, Health.UNHEALTHY),
            ("Streams", {}, Health.HEALTHY),
            ("Streams", {"missing": ["PAPER_ORDERS"]}, Health.UNHEALTHY),
            ("Consumer lag", {}, Health.HEALTHY),
            ("Consumer lag", {"streams": {"PAPER_SIGNALS": {"pending": 2_000_000}}}, Health.DEGRADED),
        ],
    )
    def test_what_the_gateway_shows_is_judged(self, component: str, changes: dict[str, Any], status: Health) -> None:
        with showing(gateway=NATS_UP | changes) as directory:
            result = found(UNREACHABLE, directory, component)

        assert result is not None
        assert result.status is status
        assert bool(result.cure) is (status is not Health.HEALTHY)

    @pytest.mark.parametrize(
        ("changes", "cure"),
        [
            ({"error": "Connect call failed"}, "NATS__URL is right"),
            ({"error": "nats: 'Authorization Violation'"}, "NATS__CREDENTIALS_FILE"),
            ({"error": "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"}, "NATS__TLS_CA_FILE"),
            ({"error": "[X509: NO_CERTIFICATE_OR_CRL_FOUND] no certificate or crl found"}, "NATS__TLS_CA_FILE"),
            ({"error": "disconnected", "embedded": True}, "nats.log"),
        ],
    )
    def test_the_cure_fits_what_keeps_it_away(self, changes: dict[str, Any], cure: str) -> None:
        with showing(gateway=NATS_UP | {"state": "away"} | changes) as directory:
            result = found(UNREACHABLE, directory, "NATS")

        assert result is not None
        assert result.cure is not None
        assert cure in result.cure

    def test_before_the_gateway_has_shown_anything_nothing_is_said_of_it(self) -> None:
        assert found(UNREACHABLE, Directory(), "NATS") is None
        assert found(UNREACHABLE, Directory(), "Streams") is None


class TestSessions:
    @pytest.mark.parametrize(
        ("left", "state", "status"),
        [
            (timedelta(hours=5), "active", Health.HEALTHY),
            (timedelta(minutes=5), "active", Health.DEGRADED),
            (timedelta(minutes=-5), "expired", Health.DEGRADED),
        ],
    )
    def test_one_is_judged_by_when_it_ends(self, left: timedelta, state: str, status: Health) -> None:
        session = {"user_id": "AB1", "state": state, "expires_at": (datetime.now(UTC) + left).isoformat()}
        live = {"active_brokers": ("paper", "zerodha"), "trading": {"zerodha": {"enabled": True}}}

        with showing(auth={"sessions": {"zerodha": session}}) as directory:
            result = found(UNREACHABLE, directory, "zerodha session", **live)

        assert result is not None
        assert result.status is status


class TestTheHost:
    def test_its_disk_and_memory_are_measured(self, tmp_path: Path) -> None:
        results = [run_check(check, SystemClock()) for check in host_checks(tmp_path / "not" / "made" / "yet")]

        assert [one.component for one in results if one is not None] == ["Disk space", "Memory"]

    @pytest.mark.parametrize(
        ("available_kb", "status"), [(500, Health.HEALTHY), (50, Health.DEGRADED), (20, Health.UNHEALTHY)]
    )
    def test_little_memory_is_degraded_and_hardly_any_unhealthy(
        self, tmp_path: Path, available_kb: int, status: Health
    ) -> None:
        (tmp_path / "self").mkdir()
        (tmp_path / "meminfo").write_text(f"MemTotal:  1000 kB\nMemAvailable:  {available_kb} kB\n")
        (tmp_path / "self" / "status").write_text("Name: x\nVmRSS:  100 kB\n")
        memory = host_checks(tmp_path, tmp_path)[1]

        result = run_check(memory, SystemClock())

        assert result is not None
        assert result.status is status


def health(*several: Check) -> ChildSpec:
    return ChildSpec("health", lambda context: HealthActor(context, several))


def shown(grove: Grove) -> dict[str, dict[str, Any]]:
    snapshot = grove["health"].telemetry.snapshot
    assert snapshot is not None
    return {check["component"]: check for check in snapshot.as_status(0.0)["checks"]}


def fail(status: Health) -> Callable[[], str]:
    def check() -> str:
        raise CheckFailed("it is broken", "mend it", status)

    return check


class TestTheActor:
    def test_every_result_has_its_status_cure_duration_and_time(self) -> None:
        with tree(health(Check("fine", lambda: "ok"), Check("poor", fail(Health.DEGRADED))), probe=Probe()) as grove:
            results = shown(grove)

        assert (results["fine"]["status"], results["fine"]["passed"], results["fine"]["cure"]) == (
            "healthy",
            True,
            None,
        )
        assert (results["poor"]["status"], results["poor"]["passed"]) == ("degraded", False)
        assert results["poor"]["cure"] == "mend it"
        assert results["poor"]["duration_ms"] >= 0
        assert results["poor"]["as_of"].endswith("Z")

    def test_one_that_hangs_is_unhealthy_after_its_own_timeout_and_holds_up_no_other(self) -> None:
        over = threading.Event()

        def hang() -> str:
            over.wait(30)
            return "at last"

        with tree(health(Check("slow", hang, timeout_s=0.05), Check("fine", lambda: "ok")), probe=Probe()) as grove:
            results = shown(grove)
            over.set()

        assert results["slow"]["message"] == "no answer in 0.05 s"
        assert results["slow"]["status"] == "unhealthy"
        assert results["fine"]["status"] == "healthy"

    def test_an_essential_one_that_fails_fails_the_start_and_is_named_with_its_cure(self) -> None:
        broken = Check("Schema", fail(Health.UNHEALTHY), essential=True, exit_code=78)
        with tree(health(broken), probe=Probe()) as grove:
            why, exit_code = grove.wait_down()

        assert "Schema: it is broken; mend it" in why
        assert exit_code == 78

    def test_what_was_amiss_is_looked_at_again_sooner(self) -> None:
        looks: list[None] = []

        def look() -> str:
            looks.append(None)
            if len(looks) == 1:
                raise CheckFailed("not yet", "wait", Health.DEGRADED)
            return "ok"

        with tree(health(Check("settling", look)), probe=Probe()) as grove:
            grove.advance(CHECK_AGAIN_S)
            eventually(lambda: shown(grove)["settling"]["status"] == "healthy")
            grove.advance(CHECK_AGAIN_S)
            grove.settle()
            assert len(looks) == 2
            grove.advance(CHECK_EVERY_S)
            eventually(lambda: len(looks) == 3)

    def test_what_has_nothing_to_ask_yet_is_left_out(self) -> None:
        with tree(health(Check("later", lambda: None), Check("fine", lambda: "ok")), probe=Probe()) as grove:
            assert [*shown(grove)] == ["fine"]
