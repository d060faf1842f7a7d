"""Figures in few characters, and text that is safe to show."""

from __future__ import annotations

import pytest

from console.output import duration, money, printable, short


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"),
        (0.0123, "12ms"),
        (4.24, "4.2s"),
        (59.4, "59s"),
        (60, "1m"),
        (61, "1m 1s"),
        (3 * 3600 + 12 * 60, "3h 12m"),
        (2 * 86_400, "2d"),
        (2 * 86_400 + 3600, "2d 1h"),
    ],
)
def test_a_span_of_time_has_two_units_at_the_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (9_999, "9999"), (10_000, "10k"), (123_456, "123k"), (1_250_000, "1.2M"), (7_000_000_000, "7.0G")],
)
def test_a_count_is_short(count: int, text: str) -> None:
    assert short(count) == text


@pytest.mark.parametrize(("amount", "text"), [("-1234.567", "-1,234.57"), (0, "0.00"), (None, "?")])
def test_money_has_two_places(amount: object, text: str) -> None:
    assert money(amount) == text


def test_what_could_steer_a_terminal_is_spelled_out() -> None:
    assert printable("a\x1b[2Jb\u202e\n\tü") == "a\\x1b[2Jb\\u202e\\n\\tü"
    assert printable("a\n\tb\r", kept="\n\t") == "a\n\tb\\r"
