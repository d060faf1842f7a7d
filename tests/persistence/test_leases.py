from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from persistence.database import Database, open_database
from persistence.errors import Conflict
from persistence.records import LeaseRecord
from settings import DatabaseSettings
from tests.persistence.databases import connected

TTL_S = 60


@pytest.fixture
def other(database_url: str) -> Iterator[Database]:
    """The database as a second daemon has it open."""
    opened = open_database(database_url, DatabaseSettings(lock_timeout_ms=120_000), "other")
    yield opened
    opened.close()


def acquire(database: Database, owner: str, broker: str = "paper", ttl_s: float = TTL_S) -> LeaseRecord | None:
    with database.writer_unit() as unit:
        taken = unit.leases.acquire(broker, owner, owner.partition(":")[0], ttl_s)
        unit.commit()
    return taken


def expire(url: str) -> None:
    with connected(url) as connection:
        connection.execute(text("UPDATE broker_leases SET expires_at = clock_timestamp() - interval '1 second'"))


def test_a_free_broker_is_taken_and_then_held(database: Database) -> None:
    first = acquire(database, "one:a")

    assert first is not None
    assert (first.owner, first.epoch) == ("one:a", 1)
    assert acquire(database, "two:a") is None
    with database.read_unit() as unit:
        assert unit.leases.holder("paper") == first
        assert unit.leases.holder("zerodha") is None


def test_an_expired_lease_is_taken_over_with_a_higher_epoch(database: Database, database_url: str) -> None:
    acquire(database, "one:a")
    expire(database_url)

    taken = acquire(database, "two:a")

    assert taken is not None
    assert (taken.owner, taken.epoch) == ("two:a", 2)


def test_the_same_node_takes_its_own_lease_back_at_once(database: Database) -> None:
    acquire(database, "one:a")
    acquire(database, "one_:a", "zerodha")

    taken = acquire(database, "one:b")

    assert taken is not None
    assert taken.epoch == 2
    assert acquire(database, "one:b", "zerodha") is None


def test_only_the_holder_renews(database: Database, database_url: str) -> None:
    acquire(database, "one:a")

    with database.writer_unit() as unit:
        assert unit.leases.renew("paper", "one:a", 1, TTL_S)
        assert not unit.leases.renew("paper", "one:a", 2, TTL_S)
        assert not unit.leases.renew("paper", "two:a", 1, TTL_S)
    expire(database_url)
    with database.writer_unit() as unit:
        assert not unit.leases.renew("paper", "one:a", 1, TTL_S)


def test_a_released_lease_is_free_and_keeps_counting(database: Database) -> None:
    acquire(database, "one:a")
    with database.writer_unit() as unit:
        assert unit.leases.release("paper", "one:a", 1)
        assert not unit.leases.release("paper", "two:a", 1)
        unit.commit()

    taken = acquire(database, "two:a")

    assert taken is not None
    assert taken.epoch == 2


def test_somebody_trades_while_any_lease_is_in_force(database: Database, database_url: str) -> None:
    def traded() -> bool:
        with database.read_unit() as unit:
            return unit.leases.any_in_force()

    before = traded()
    acquire(database, "one:a")
    held = traded()
    expire(database_url)

    assert (before, held, traded()) == (False, True, False)


def test_the_fence_names_the_brokers_still_ours(database: Database) -> None:
    acquire(database, "one:a", "paper")
    acquire(database, "one:a", "zerodha")

    with database.writer_unit() as unit:
        assert unit.leases.fence([("zerodha", 1), ("paper", 2), ("nowhere", 1)]) == {"zerodha"}
        assert unit.leases.fence([]) == set()


def test_the_fenced_transaction_can_renew_its_own_lease(database: Database) -> None:
    acquire(database, "one:a")

    with database.writer_unit() as unit:
        unit.leases.fence([("paper", 1)])
        assert unit.leases.renew("paper", "one:a", 1, TTL_S)


def test_a_takeover_waits_for_the_fenced_commit_and_then_the_old_epoch_is_refused(
    database: Database, other: Database, database_url: str
) -> None:
    acquire(database, "one:a")
    expire(database_url)
    taken: list[LeaseRecord | None] = []
    with database.writer_unit() as unit:
        assert unit.leases.fence([("paper", 1)]) == {"paper"}
        takeover = threading.Thread(target=lambda: taken.append(acquire(other, "two:a")))
        takeover.start()
        wait_until_blocked(database_url)
        assert taken == []
        unit.commit()
    takeover.join(60)

    assert [one and one.epoch for one in taken] == [2]
    with database.writer_unit() as unit:
        assert unit.leases.fence([("paper", 1)]) == set()


def test_a_fence_that_waits_for_a_takeover_sees_it(database: Database, other: Database, database_url: str) -> None:
    acquire(database, "one:a")
    expire(database_url)
    fenced: list[set[str]] = []

    def fence() -> None:
        with other.writer_unit() as unit:
            fenced.append(unit.leases.fence([("paper", 1)]))

    with database.writer_unit() as unit:
        unit.leases.acquire("paper", "two:a", "two", TTL_S)
        waiting = threading.Thread(target=fence)
        waiting.start()
        wait_until_blocked(database_url)
        unit.commit()
    waiting.join(60)

    assert fenced == [set()]


def test_a_takeover_that_cannot_wait_is_a_conflict(database: Database, other: Database, database_url: str) -> None:
    acquire(database, "one:a")
    expire(database_url)

    with other.writer_unit() as unit:
        unit.leases.fence([("paper", 1)])
        with pytest.raises(Conflict, match="LOCK_TIMEOUT"):
            acquire(database, "two:a")


def wait_until_blocked(url: str) -> None:
    """Return once some connection of this database waits for a lock; the server's clock is the deadline."""
    blocked = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    wait = f"""
        DO $$ BEGIN
            FOR attempt IN 1 .. 6000 LOOP
                PERFORM pg_stat_clear_snapshot();
                IF EXISTS ({blocked}) THEN RETURN; END IF;
                PERFORM pg_sleep(0.01);
            END LOOP;
            RAISE 'nobody waits for a lock';
        END $$
    """
    with connected(url) as connection:
        connection.exec_driver_sql(wait)
