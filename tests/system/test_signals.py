"""From a signal in the stream to its rows, its books and its messages, each once, whatever is killed on the way."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.conftest import execute
from tests.system import books, streams
from tests.system.daemon import Daemon, eventually


def a_crowd(number: int) -> list[dict[str, object]]:
    """Signals of several strategies and instruments that open, add, close and flip."""
    return [
        streams.signal(
            side="BUY" if (index * 7) % 5 < 3 else "SELL",
            quantity=1 + index % 9,
            price=f"{100 + index % 13}.{index % 100:02d}",
            strategy=f"s{index % 4}",
            token=1001 + index % 3,
        )
        for index in range(number)
    ]


def assert_each_counted_once(database_url: str, nats_url: str, signals: list[dict[str, object]]) -> None:
    number = len(signals)
    eventually(lambda: streams.count(nats_url, "PAPER_ORDERS") >= 3 * number)
    assert books.count_events(database_url) == {
        "order_placed": number,
        "order_filled": number,
        "pnl_snapshot": number,
    }
    books.assert_equal(database_url, signals)
    published = streams.read(nats_url, "PAPER_ORDERS")
    identities = [message["id"] for _, message, _ in published]
    assert len(identities) == len(set(identities)) == 3 * number
    assert {message["causation_id"] for _, message, _ in published} == {one["id"] for one in signals}


def test_ids_go_on_beyond_what_four_bytes_hold(daemon: Daemon, database_url: str, streams_url: str) -> None:
    execute(database_url, "SELECT setval('trading_events_id_seq', 2147483647)")
    sent = [streams.signal(), streams.signal()]

    streams.publish(streams_url, "paper.signals.validated", sent)

    assert_each_counted_once(database_url, streams_url, sent)
    assert execute(database_url, "SELECT min(id) FROM trading_events") == [(2147483648,)]


def test_signals_wait_while_no_id_is_left(daemon: Daemon, database_url: str, streams_url: str) -> None:
    execute(database_url, "ALTER SEQUENCE trading_events_id_seq MAXVALUE 4")
    sent = [streams.signal(), streams.signal()]

    streams.publish(streams_url, "paper.signals.validated", sent)
    eventually(lambda: daemon.status()["database"]["state"] == "away")
    execute(database_url, "ALTER SEQUENCE trading_events_id_seq NO MAXVALUE")

    assert_each_counted_once(database_url, streams_url, sent)
    assert execute(database_url, "SELECT count(*) FROM dead_letters") == [(0,)]


def test_a_signal_becomes_rows_books_and_messages(daemon: Daemon, database_url: str, streams_url: str) -> None:
    sent = streams.signal(side="BUY", quantity=10, price="100")

    streams.publish(streams_url, "paper.signals.validated", [sent])

    eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 3)
    assert_each_counted_once(database_url, streams_url, [sent])
    placed, filled, snapshot = [message for _, message, _ in streams.read(streams_url, "PAPER_ORDERS")]
    assert [placed["type"], filled["type"], snapshot["type"]] == [
        "order_placed",
        "order_filled",
        "pnl_snapshot",
    ]
    assert Decimal(filled["data"]["fill_price"]) == Decimal("100.05")
    assert Decimal(filled["data"]["fees"]) == Decimal("1.0005")
    assert filled["correlation_id"] == sent["correlation_id"]
    assert filled["causation_id"] == sent["id"]


def test_a_crowd_is_pulled_without_a_refusal(daemon: Daemon, streams_url: str) -> None:
    """The server ends each request for many at once with a status of its own, which is no fault."""
    streams.publish(streams_url, "paper.signals.validated", a_crowd(3000))

    eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 9000)
    assert "pull refused" not in daemon.log()


def test_a_market_order_without_a_price_fills_at_the_last_tick(daemon: Daemon, streams_url: str) -> None:
    streams.publish(streams_url, "paper.signals.validated", [streams.signal(quantity=10, price="100", token=7)])
    eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 3)
    streams.publish(streams_url, "market.ticks", [streams.tick(7, "250"), streams.tick(7, "200")])
    profit = (200 - Decimal("100.05")) * 10
    eventually(lambda: Decimal(daemon.status()["brokers"]["paper"]["unrealized_pnl"]) == profit)

    streams.publish(streams_url, "paper.signals.validated", [streams.signal(price=None, token=7)])

    eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 6)
    filled = streams.read(streams_url, "PAPER_ORDERS")[4][1]
    assert Decimal(filled["data"]["fill_price"]) == Decimal("200.1")


def test_the_last_tick_is_known_after_a_crash_and_after_a_restart(daemon: Daemon, streams_url: str) -> None:
    streams.publish(streams_url, "market.ticks", [streams.tick(7, "200")])
    eventually(lambda: daemon.child("trading.paper")["handled"] >= 2)

    daemon.request("POST", "/children/trading.paper/crash")
    eventually(lambda: daemon.child("trading.paper")["restarts"] == 1)
    streams.publish(streams_url, "paper.signals.validated", [streams.signal(price=None, token=7)])
    eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 3)
    daemon.stop()
    streams.publish(streams_url, "paper.signals.validated", [streams.signal(price=None, token=7)])
    with daemon:
        eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 6)

    prices = [m["data"].get("fill_price") for _, m, _ in streams.read(streams_url, "PAPER_ORDERS")]
    assert [Decimal(price) for price in prices if price] == [Decimal("200.1")] * 2


def test_an_order_without_any_price_fails_with_that_reason(daemon: Daemon, database_url: str, streams_url: str) -> None:
    streams.publish(streams_url, "paper.signals.validated", [streams.signal(price=None)])

    eventually(lambda: books.count_events(database_url) == {"order_failed": 1})
    eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 1)
    ((subject, message, _),) = streams.read(streams_url, "PAPER_ORDERS")
    assert subject == "paper.orders.failed"
    assert "No price" in message["data"]["error_message"]
    assert books.stored(database_url) == {}


def test_the_same_signal_published_again_counts_once(daemon: Daemon, database_url: str, streams_url: str) -> None:
    sent = streams.signal()
    again = [{**sent, "source": f"copy {number}"} for number in range(3)]

    for copy in again:
        streams.publish(streams_url, "paper.signals.validated", [streams.json.dumps(copy).encode()])
    last = streams.signal(strategy="s2")
    streams.publish(streams_url, "paper.signals.validated", [last])

    eventually(lambda: books.count_events(database_url).get("order_filled") == 2)
    assert_each_counted_once(database_url, streams_url, [sent, last])


def test_a_duplicate_unknown_to_the_actor_is_found_by_the_inbox(
    daemon: Daemon, database_url: str, streams_url: str
) -> None:
    sent = streams.signal()
    streams.publish(streams_url, "paper.signals.validated", [sent])
    eventually(lambda: books.count_events(database_url).get("order_filled") == 1)
    daemon.request("POST", "/children/trading.paper/crash")
    eventually(lambda: daemon.child("trading.paper")["restarts"] == 1)

    later = [streams.signal(quantity=number) for number in range(1, 20)]
    streams.publish(streams_url, "paper.signals.validated", [streams.json.dumps(sent).encode(), *later])

    eventually(lambda: books.count_events(database_url).get("order_filled") == 20)
    assert_each_counted_once(database_url, streams_url, [sent, *later])


@pytest.mark.parametrize("victim", ["trading.paper", "database", "gateway", "auth", "health", "control"])
def test_a_crash_in_the_middle_loses_and_repeats_nothing(
    daemon: Daemon, database_url: str, streams_url: str, victim: str
) -> None:
    signals = a_crowd(600)

    streams.publish(streams_url, "paper.signals.validated", signals[:300])
    daemon.crash(victim)
    streams.publish(streams_url, "paper.signals.validated", signals[300:])

    assert_each_counted_once(database_url, streams_url, signals)
    eventually(lambda: daemon.child(victim)["restarts"] == 1)
    others = [child for child in daemon.status()["children"] if child["name"] != victim]
    assert {child["restarts"] for child in others} == {0}


def test_kill_9_in_the_middle_of_2000_signals_loses_and_repeats_nothing(
    idle_daemon: Daemon, database_url: str, streams_url: str
) -> None:
    signals = a_crowd(2000)
    filled = 0
    with idle_daemon:
        streams.publish(streams_url, "paper.signals.validated", signals[:1000])
    for begin in (1000, 1500):
        with idle_daemon:
            streams.publish(streams_url, "paper.signals.validated", signals[begin : begin + 500])
            enough = filled + 1
            eventually(lambda enough=enough: books.count_events(database_url).get("order_filled", 0) >= enough)
        filled = books.count_events(database_url).get("order_filled", 0)

    with idle_daemon:
        assert_each_counted_once(database_url, streams_url, signals)

    assert execute(database_url, "SELECT count(*) FROM inbox WHERE consumer = 'trading-paper'") == [(2000,)]


def test_what_was_published_before_a_crash_is_not_published_again_after_the_duplicate_window(
    idle_daemon: Daemon, database_url: str, streams_url: str
) -> None:
    streams.make_orders_stream(streams_url, duplicate_window_s=0.1)
    with idle_daemon:
        streams.publish(streams_url, "paper.signals.validated", a_crowd(10))
        eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 30)
        assert idle_daemon.stop() == 0
    held = streams.read(streams_url, "PAPER_ORDERS")
    unsent = streams.envelope("order_failed", {})
    left = [(subject, message["id"], streams.json.dumps(message)) for subject, message, _ in held]
    left.append(("paper.orders.failed", unsent["id"], streams.json.dumps(unsent)))
    encoded = streams.json.dumps(left).encode().hex()
    execute(database_url, f"INSERT INTO outbox (id, messages) VALUES (gen_random_uuid(), '\\x{encoded}')")

    with idle_daemon:
        eventually(lambda: execute(database_url, "SELECT count(*) FROM outbox") == [(0,)])
        assert streams.count(streams_url, "PAPER_ORDERS") == 31


def test_the_outbox_is_empty_once_all_is_published(daemon: Daemon, database_url: str, streams_url: str) -> None:
    streams.publish(streams_url, "paper.signals.validated", a_crowd(50))

    eventually(lambda: streams.count(streams_url, "PAPER_ORDERS") == 150)
    eventually(lambda: execute(database_url, "SELECT count(*) FROM outbox") == [(0,)])
