"""Books that an Alpha Panda left under names of its own."""

from __future__ import annotations

import json
from decimal import Decimal

from tests.conftest import execute
from tests.system import streams
from tests.system.daemon import Daemon, eventually

LAST_BY_TEXT = "zz"
NEWEST = "book-1"


def store(url: str, name: str, cash: int, time: str, strategy: str = "s1") -> None:
    execute(
        url,
        "INSERT INTO portfolio_snapshots (portfolio_id, broker_namespace, strategy_id, positions, total_realized_pnl,"
        f" total_unrealized_pnl, total_pnl, cash, snapshot_time) VALUES ('{name}', 'paper', '{strategy}', '{{}}', 0, 0,"
        f" 0, {cash}, '{time}')",
    )


def cash_of(url: str) -> dict[str, Decimal]:
    return dict(execute(url, "SELECT portfolio_id, cash FROM portfolio_snapshots"))


def test_the_newest_is_opened_with_a_warning_and_never_again_once_ours_is_stored(
    idle_daemon: Daemon, database_url: str, streams_url: str
) -> None:
    store(database_url, LAST_BY_TEXT, 7_000, "2025-01-01")
    store(database_url, NEWEST, 500_000, "2025-02-01")
    with idle_daemon as daemon:
        streams.publish(streams_url, "paper.signals.validated", [streams.signal(quantity=1)])
        eventually(lambda: "paper:s1" in cash_of(database_url))
        first = cash_of(database_url)
        assert 400_000 < first["paper:s1"] < 500_000
        assert daemon.stop() == 0
    (told,) = [line for line in daemon.log().splitlines() if "snapshots left out" in line]
    assert (json.loads(told)["count"], json.loads(told)["some"]) == (1, [LAST_BY_TEXT])

    execute(
        database_url, "UPDATE portfolio_snapshots SET snapshot_time = '2099-01-01' WHERE portfolio_id <> 'paper:s1'"
    )
    with idle_daemon:
        streams.publish(streams_url, "paper.signals.validated", [streams.signal(quantity=1)])
        eventually(lambda: cash_of(database_url)["paper:s1"] < first["paper:s1"])

    after = cash_of(database_url)
    assert {name: after[name] for name in (LAST_BY_TEXT, NEWEST)} == {LAST_BY_TEXT: 7_000, NEWEST: 500_000}
    ((positions,),) = execute(
        database_url, "SELECT positions::text FROM portfolio_snapshots WHERE portfolio_id = 'paper:s1'"
    )
    assert [held["quantity"] for held in json.loads(positions).values()] == [2]


def test_a_strategy_whose_name_the_books_of_another_bear_leaves_them_alone_and_says_which(
    daemon: Daemon, database_url: str, streams_url: str
) -> None:
    store(database_url, "paper:s1", 7_000, "2025-01-01", strategy="other")
    signals = [streams.signal(quantity=1), streams.signal(strategy="s2", quantity=1)]
    streams.publish(streams_url, "paper.signals.validated", signals)

    eventually(lambda: streams.count(streams_url, "PAPER_DLQ") == 1 and "paper:s2" in cash_of(database_url))

    assert cash_of(database_url)["paper:s1"] == 7_000
    ((reason,),) = execute(database_url, "SELECT reason FROM dead_letters")
    assert str(reason).startswith("portfolio paper:s1 (row ")
    assert "is that of the strategy 'other' at 'paper': give the row another portfolio_id" in str(reason)
    execute(database_url, "UPDATE portfolio_snapshots SET portfolio_id = 'other' WHERE strategy_id = 'other'")
    streams.publish(streams_url, "paper.signals.validated", [streams.signal(quantity=1)])
    eventually(lambda: "paper:s1" in cash_of(database_url))
