"""Bars become ticks and signals that the daemon takes, with ids that follow from the replay."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.gateway.codec import decode_signal, decode_tick
from actors.messages import Delivery
from console.failure import USAGE, Failure
from console.recording import bar_messages, read_bars, recorded_messages

HEAD = "symbol,date,open,high,low,close,volume\n"
TWO_DAYS = HEAD + "B,2012-01-02,10,12,9,11,100\nB,2012-01-03,11,12,9,10,100\nA,2012-01-02,5,5,5,5,0\n"
EXAMPLE = Path(__file__).parents[2] / "examples" / "daily_bars.csv"


def test_bars_come_by_date_and_symbols_are_numbered_as_they_appear() -> None:
    bars = read_bars(TWO_DAYS, "bars.csv")

    assert [(bar.symbol, bar.token, bar.day.day) for bar in bars] == [("B", 1001, 2), ("A", 1002, 2), ("B", 1001, 3)]


def test_each_bar_is_a_tick_and_then_a_signal_by_the_rule() -> None:
    messages = list(bar_messages(read_bars(TWO_DAYS, "bars.csv"), "paper", "bars.csv", "run"))

    assert [message.subject for message in messages] == ["market.ticks", "paper.signals.validated"] * 3
    ticks = [decode_tick(message.payload) for message in messages[::2]]
    assert [(tick.instrument_token, str(tick.last_price)) for tick in ticks] == [
        (1001, "11"),
        (1002, "5"),
        (1001, "10"),
    ]
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    signals = [
        decode_signal(Delivery("c", "S", 1, one.subject, "", 1, moment, one.payload), "paper").signal
        for one in messages[1::2]
    ]
    assert [(signal.side, signal.quantity, str(signal.price)) for signal in signals] == [
        ("BUY", 10, "11"),
        ("SELL", 10, "5"),
        ("SELL", 10, "10"),
    ]


def test_ids_follow_from_the_run() -> None:
    bars = read_bars(EXAMPLE.read_text(), "daily_bars.csv")

    def ids(run_id: str) -> list[str]:
        return [message.message_id for message in bar_messages(bars, "paper", "daily_bars.csv", run_id)]

    first = ids("one")
    assert len(bars) == 1200
    assert len(set(first)) == 2400
    assert ids("one") == first
    assert not set(ids("two")) & set(first)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: no column"),
        ("symbol,date\nA,2012-01-02\n", "no column open"),
        (f"{HEAD}A,2012-01-02,1,1,1,none,1\n", "line 2"),
        (f"{HEAD}A,2012-01-02,1,1,1,1,1\nA,not-a-day,1,1,1,1,1\n", "line 3"),
        (f"{HEAD}A,2012-01-02,1,1,1\n", "line 2"),
        (f"{HEAD}A,2012-01-02,1,1,1,-1,1\n", "line 2"),
    ],
)
def test_what_is_no_bar_is_refused_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(Failure, match=problem) as failure:
        read_bars(text, "bars.csv")

    assert failure.value.exit_code == USAGE


def test_recorded_messages_go_to_their_subjects() -> None:
    lines = b'{"subject": "a.b", "message": {"id": "1"}}\n{"subject": "c.d", "message": [2]}\n'

    assert [(one.subject, one.payload) for one in recorded_messages(lines, "r.jsonl")] == [
        ("a.b", b'{"id":"1"}'),
        ("c.d", b"[2]"),
    ]


@pytest.mark.parametrize("line", [b"[1]", b'{"subject": 1, "message": {}}', b'{"subject": "a"}'])
def test_a_record_without_subject_or_message_is_refused(line: bytes) -> None:
    with pytest.raises(Failure, match="record 1"):
        recorded_messages(line, "r.jsonl")
