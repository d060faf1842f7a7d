"""Streams and subjects: every name the outside may rely on."""

from __future__ import annotations

from itertools import combinations

from actors.gateway.subjects import (
    DAY_S,
    HOUR_S,
    SESSION_INVALIDATE,
    SESSION_SAVE,
    TICKS,
    signals_consumer,
    signals_stream,
    streams,
    validated_signals,
)


def test_the_streams_are_those_of_the_contract() -> None:
    table = {spec.name: (spec.subjects, spec.max_age_s) for spec in streams(["paper", "zerodha"])}

    assert list(table) == [
        "TICKS",
        "SESSIONS",
        "SYSTEM_DLQ",
        "PAPER_SIGNALS",
        "PAPER_ORDERS",
        "PAPER_DLQ",
        "ZERODHA_SIGNALS",
        "ZERODHA_ORDERS",
        "ZERODHA_DLQ",
    ]
    assert table["TICKS"] == (("market.ticks",), HOUR_S)
    assert table["SESSIONS"] == (("auth.sessions.save", "auth.sessions.invalidate"), DAY_S)
    assert table["PAPER_SIGNALS"] == (("paper.signals.raw", "paper.signals.validated"), DAY_S)
    assert table["PAPER_ORDERS"] == (
        (
            "paper.orders.submitted",
            "paper.orders.filled",
            "paper.orders.failed",
            "paper.pnl.snapshots",
            "paper.signals.rejected",
        ),
        7 * DAY_S,
    )
    assert table["ZERODHA_ORDERS"][1] == 30 * DAY_S
    assert {table[name][1] for name in ("SYSTEM_DLQ", "PAPER_DLQ", "ZERODHA_DLQ")} == {7 * DAY_S}


def test_every_subject_that_comes_in_has_a_dead_letter_subject_of_its_own() -> None:
    taken = {subject for spec in streams(["paper"]) for subject in spec.subjects}

    for subject in (TICKS, SESSION_SAVE, SESSION_INVALIDATE, "paper.signals.raw", validated_signals("paper")):
        assert f"{subject}.dlq" in taken


def test_no_subject_belongs_to_two_streams_and_none_has_a_wildcard() -> None:
    for one, other in combinations(streams(["paper", "zerodha"]), 2):
        assert not set(one.subjects) & set(other.subjects)
    assert not [subject for spec in streams(["paper"]) for subject in spec.subjects if set("*>") & set(subject)]


def test_a_brokers_names_follow_from_its_own() -> None:
    assert signals_stream("paper") == "PAPER_SIGNALS"
    assert signals_consumer("paper") == "trading-paper"
    assert validated_signals("paper") == "paper.signals.validated"
