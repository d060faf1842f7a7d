"""A load takes its time while somebody trades, and only then."""

from __future__ import annotations

import pytest

from benchmarks.database import dump as generated
from persistence import pacing
from persistence.database import Database
from persistence.instrument_load import LoadOrder, LoadRefused
from persistence.pacing import LONGEST_PAUSE_S, SHARE, Pacing, pause_s
from tests.conftest import execute
from tests.instruments.files import INFY, RELIANCE, dump, load_bytes

ROWS = "\n".join(generated.lines(40_000)).encode()
STATE = """
    SELECT (SELECT count(*) FROM pg_class WHERE relpersistence = 't'), (SELECT count(*) FROM pg_locks
     WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())),
    (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%')
"""


def trade(url: str, for_s: float) -> None:
    """Have a lease in force for so long."""
    execute(
        url,
        "INSERT INTO broker_leases VALUES ('paper', 'somebody:1', 1, clock_timestamp()"
        f" + interval '{for_s} seconds') ON CONFLICT (broker) DO UPDATE SET expires_at = excluded.expires_at",
    )


def stored(url: str) -> list[tuple[object, ...]]:
    return execute(
        url,
        "SELECT instrument_token, exchange_token, tradingsymbol, name, exchange, expiry, strike, is_active"
        " FROM instruments ORDER BY 1",
    )


def test_nobody_who_trades_is_paused_for() -> None:
    assert pause_s(10.0, trading=False) == 0.0


@pytest.mark.parametrize("worked_s", [0.0, 0.001, 0.02, 0.08])
def test_a_pause_leaves_the_work_its_share_of_the_time(worked_s: float) -> None:
    assert (worked_s + pause_s(worked_s, trading=True)) * SHARE == pytest.approx(worked_s)


def test_a_portion_that_waited_long_is_not_followed_by_a_long_pause() -> None:
    assert pause_s(10.0, trading=True) == LONGEST_PAUSE_S


def test_whether_somebody_trades_is_not_asked_after_each_portion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "ASKED_EVERY_S", 3600.0)
    asked: list[None] = []
    paced = Pacing(lambda: bool(asked.append(None)))

    for _ in range(100):
        with paced.portion():
            pass

    assert len(asked) == 1
    assert paced.paused_s == 0.0


def test_a_load_pauses_beside_who_trades_and_not_after_he_has_gone(database: Database, database_url: str) -> None:
    trade(database_url, for_s=600)
    beside = load_bytes(database, ROWS)
    paced = stored(database_url)

    execute(database_url, "TRUNCATE instruments CASCADE")
    trade(database_url, for_s=-1)
    alone = load_bytes(database, ROWS)

    assert beside.paused_s > 0.0
    assert alone.paused_s == 0.0
    assert (beside.record.inserted, alone.record.inserted) == (40_000, 40_000)
    assert stored(database_url) == paced


def test_what_is_told_of_a_load_is_the_same_beside_who_trades(database: Database, database_url: str) -> None:
    trade(database_url, for_s=600)
    load_bytes(database, ROWS)
    changed = ROWS.replace(b",EQ,NSE,NSE", b",EQ,NSE,BSE", 100)

    loaded = load_bytes(database, changed + b"\n" + changed.splitlines()[-1], LoadOrder(full=True))
    again = load_bytes(database, changed)

    assert (loaded.record.listed, loaded.duplicates) == (40_000, 1)
    assert (loaded.record.inserted, loaded.record.changed, loaded.record.deactivated) == (0, 100, 0)
    assert (again.record.inserted, again.record.changed) == (0, 0)


@pytest.mark.parametrize("trading_s", [600, -1])
def test_a_load_leaves_nothing_of_its_own_in_the_session(
    database: Database, database_url: str, trading_s: float
) -> None:
    trade(database_url, trading_s)
    load_bytes(database, dump(INFY, RELIANCE))
    with pytest.raises(LoadRefused):
        load_bytes(database, dump(INFY, "7,no row"), LoadOrder(strict=True))

    assert execute(database_url, STATE) == [(0, 0, 0)]
    assert load_bytes(database, dump(INFY)).record.listed == 1
