"""Bad input of every kind: a dead letter with its reason and the original bytes; the next message is handled."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import execute
from tests.console.conftest import Command, command
from tests.system import books, streams
from tests.system.daemon import Daemon, eventually

__all__ = ["command"]


def changed(message: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A deep copy with the value at the dotted path replaced; `...` removes it."""
    copy: dict[str, Any] = json.loads(json.dumps(message))
    *parents, last = path.split(".")
    target = copy
    for parent in parents:
        target = target[parent]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return copy


WRITTEN_BEFORE_THE_FIRST_TRADE = """
    SELECT count(*) FROM dead_letters WHERE created_at < (SELECT min(created_at) FROM trading_events)
"""


def count_letters(database_url: str) -> int:
    ((count,),) = execute(database_url, "SELECT count(*) FROM dead_letters")
    return int(str(count))


BAD_SIGNALS: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"{not json", "not JSON"),
    "empty": (b"", "not JSON"),
    "not an object": (b"[1, 2]", "not a JSON object"),
    "bytes that are no text": (b"\xff\xfe\x00", "not JSON"),
    "NaN": (json.dumps(streams.signal()).replace('"100"', "NaN").encode(), "not JSON"),
    "a decimal that is no number": (json.dumps(streams.signal(price="NaN")).encode(), "price"),
    "a NUL character": (json.dumps(streams.signal(strategy="a\0b")).encode(), "NUL"),
    "a missing field": (
        json.dumps(changed(streams.signal(), "correlation_id", ...)).encode(),
        "correlation_id",
    ),
    "an id too long": (json.dumps(changed(streams.signal(), "id", "x" * 65)).encode(), "id"),
    "a wrong type": (json.dumps(changed(streams.signal(), "type", "market_tick")).encode(), "type"),
    "another broker": (json.dumps(streams.signal(broker="zerodha")).encode(), "broker"),
    "no quantity": (json.dumps(streams.signal(quantity=0)).encode(), "quantity"),
    "a price of nothing": (json.dumps(streams.signal(price="0")).encode(), "price"),
    "a negative price": (json.dumps(streams.signal(price="-1")).encode(), "price"),
    "a token beyond 32 bits": (json.dumps(streams.signal(token=2**31)).encode(), "instrument_token"),
    "a naive time": (json.dumps(changed(streams.signal(), "ts", "2026-01-05T04:00:00")).encode(), "ts"),
    "over 1 MiB": (json.dumps(streams.signal(padding="x" * (1 << 20))).encode(), "larger than"),
}


def test_every_bad_signal_is_a_dead_letter_and_the_next_one_trades(
    daemon: Daemon, database_url: str, streams_url: str
) -> None:
    good = streams.signal()
    bad = [data for data, _ in BAD_SIGNALS.values()]

    streams.publish(streams_url, "paper.signals.validated", [*bad, good])

    eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 3)
    eventually(lambda: streams.count(streams_url, "PAPER_DLQ") == len(bad))
    books.assert_equal(database_url, [good])
    rows = execute(database_url, "SELECT stream_seq, reason, payload, subject FROM dead_letters ORDER BY stream_seq")
    assert len(rows) == len(bad)
    for (_, reason, payload, subject), (data, expected) in zip(rows, BAD_SIGNALS.values(), strict=True):
        assert expected in str(reason)
        assert bytes(payload) == data  # type: ignore[call-overload]
        assert subject == "paper.signals.validated"
    letters = streams.read(streams_url, "PAPER_DLQ")
    assert {subject for subject, _, _ in letters} == {"paper.signals.validated.dlq"}
    first = letters[0][1]["data"]
    assert first["original_message"]["value"] == "{not json"
    assert "not JSON" in first["failure_info"]["failure_reason"]
    daemon.wait_until("ready")


def test_a_flood_of_bad_messages_is_overtaken_by_a_good_one(
    daemon: Daemon, database_url: str, streams_url: str
) -> None:
    flood, good = [b"bad %d" % number for number in range(20_000)], streams.signal()
    streams.limit_pending(streams_url, "PAPER_SIGNALS", "trading-paper", 1)
    streams.publish(streams_url, "paper.signals.validated", [*flood, good])
    before = count_letters(database_url)
    daemon.kill()

    with daemon:
        eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 3)
        ((written,),) = execute(database_url, WRITTEN_BEFORE_THE_FIRST_TRADE)
        assert int(str(written)) - before < 10_000

        eventually(lambda: count_letters(database_url) == len(flood))
        eventually(lambda: streams.unsettled(streams_url, "PAPER_SIGNALS", "trading-paper") == 0)
        eventually(lambda: streams.count(streams_url, "PAPER_DLQ") == len(flood))
        eventually(lambda: daemon.status()["nats"]["in_flight"] == 0)
    assert len([line for line in daemon.log().splitlines() if "bad message" in line]) < 200


def test_a_stop_in_a_flood_of_bad_messages_loses_none(daemon: Daemon, database_url: str, streams_url: str) -> None:
    streams.publish(streams_url, "paper.signals.validated", [b"bad %d" % number for number in range(3_000)])
    assert daemon.stop() == 0
    with daemon:
        eventually(lambda: count_letters(database_url) == 3_000)
        eventually(lambda: streams.count(streams_url, "PAPER_DLQ") == 3_000)
        eventually(lambda: streams.unsettled(streams_url, "PAPER_SIGNALS", "trading-paper") == 0)


def test_a_bad_message_is_written_down_once_across_restarts(
    daemon: Daemon, database_url: str, streams_url: str
) -> None:
    streams.publish(streams_url, "paper.signals.validated", [b"bad"])
    streams.publish(streams_url, "market.ticks", [b"bad tick"])
    eventually(lambda: execute(database_url, "SELECT count(*) FROM dead_letters") == [(2,)])

    daemon.kill()
    with daemon:
        streams.publish(streams_url, "paper.signals.validated", [streams.signal()])
        eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 3)

    assert execute(database_url, "SELECT count(*) FROM dead_letters") == [(2,)]
    assert streams.count(streams_url, "SYSTEM_DLQ") == 1


def test_a_broker_with_unreadable_books_is_parked_and_its_signals_wait_in_the_stream(
    idle_daemon: Daemon, database_url: str, streams_url: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIR", str(idle_daemon.state_dir))
    execute(
        database_url,
        "INSERT INTO portfolio_snapshots (portfolio_id, broker_namespace, strategy_id, positions, total_realized_pnl,"
        " total_unrealized_pnl, total_pnl, cash, snapshot_time)"
        " VALUES ('book-7', 'paper', 's1', '{\"x\": 1}', 0, 0, 0, 0, now())",
    )
    ((row_id,),) = execute(database_url, "SELECT id FROM portfolio_snapshots")
    daemon = idle_daemon.start()
    eventually(lambda: daemon.child("trading.paper")["state"] == "parked")
    eventually(lambda: daemon.status()["nats"]["state"] == "up")
    status = daemon.status()
    assert status["state"] == "degraded"
    refusal = f"portfolio book-7 (row {row_id} of portfolio_snapshots): position x: not an object: correct what `"
    assert any(reason.startswith(f"trading.paper is parked: {refusal}") for reason in status["why_not_ready"])
    assert daemon.child("trading.paper")["restarts"] == 0
    assert "Traceback" not in daemon.log()
    assert {child["name"] for child in status["children"] if child["state"] == "running"} >= {"auth", "gateway"}
    streams.publish(streams_url, "paper.signals.validated", [streams.signal()])

    in_vain = command("restart", "trading.paper")
    execute(database_url, "DELETE FROM portfolio_snapshots")
    in_the_end = command("restart", "trading.paper")

    assert in_vain.code == 1
    assert in_vain.err.startswith(f"alpha-panda: trading.paper is parked again: {refusal}")
    assert (in_the_end.code, in_the_end.out) == (0, "trading.paper restarts\n")
    daemon.wait_until_broker("trading")
    daemon.wait_until("ready")
    eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 3)
    assert daemon.status()["dead_letters"] == status["dead_letters"]


def test_a_broker_that_crashes_too_often_is_parked_with_its_signals_left_in_the_stream(
    daemon: Daemon, database_url: str, streams_url: str
) -> None:
    def crash_until_parked() -> bool:
        if daemon.child("trading.paper")["state"] == "running":
            daemon.request("POST", "/children/trading.paper/crash")
        return bool(daemon.child("trading.paper")["state"] == "parked")

    eventually(crash_until_parked)
    signals = [streams.signal(quantity=number) for number in range(1, 30)]
    streams.publish(streams_url, "paper.signals.validated", signals)
    eventually(lambda: daemon.status()["nats"]["streams"]["PAPER_SIGNALS"]["pending"] == 29)

    daemon.request("POST", "/children/trading.paper/restart")

    eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 3 * 29)
    books.assert_equal(database_url, signals)


@pytest.mark.parametrize("subject", ["auth.sessions.save", "auth.sessions.invalidate", "market.ticks"])
def test_shared_subjects_have_dead_letters_too(
    daemon: Daemon, database_url: str, streams_url: str, subject: str
) -> None:
    secret = b'{"access_token": "very-secret-token", '

    streams.publish(streams_url, subject, [secret])

    eventually(lambda: streams.count(streams_url, "SYSTEM_DLQ") == 1)
    ((reason,),) = execute(database_url, "SELECT reason FROM dead_letters")
    assert "very-secret-token" not in str(reason)
    assert "very-secret-token" not in daemon.log()
