"""What a group commit does with each unit: who is settled, who has effects, who is refused."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.database.commit import Books, Plan, coalesce, decode_outbox, encode_outbox, plan, poisoned
from actors.messages import CommitUnit
from actors.rows import OutboundMessage, PortfolioRow, SessionInvalidationRow, SessionRow, TradingEventRow
from actors.runtime.letter import Answer
from tests.actors.messages import NOW, NOW_TEXT, delivery

OPEN = {"paper": Books(token=1, epoch=10), "zerodha": Books(token=2, epoch=20)}


def unit(message_id: str, broker: str | None = "paper", token: int | None = 1, **fields: Any) -> CommitUnit:
    return CommitUnit("consumer", message_id, broker=broker, books_token=token, **fields)


def keys(*message_ids: str) -> set[tuple[str, str]]:
    return {("consumer", message_id) for message_id in message_ids}


def ids(units: tuple[CommitUnit, ...]) -> list[str]:
    return [one.message_id for one in units]


def event(event_id: str) -> TradingEventRow:
    return TradingEventRow(event_id, "order_filled", "paper", "momentum", 1, b"{}", None, NOW_TEXT)


def portfolio(portfolio_id: str, cash: int) -> PortfolioRow:
    broker, _, strategy = portfolio_id.partition(":")
    zero = Decimal()
    return PortfolioRow(portfolio_id, broker, strategy, {}, zero, zero, zero, Decimal(cash), NOW)


def session(user_id: str, seconds: float = 0, token: str = "t") -> SessionRow:
    at = NOW + timedelta(seconds=seconds)
    return SessionRow(f"session of {user_id}", user_id, at, None, True, {"access_token": token}, at)


class TestPlan:
    def test_new_units_are_settled_with_their_effects(self) -> None:
        units = [unit("a"), unit("b", "zerodha", 2), unit("c", None, None)]

        assert plan(units, OPEN, keys("a", "b", "c")) == Plan(tuple(units), tuple(units), (), frozenset())

    def test_without_an_inbox_every_key_counts_as_new(self) -> None:
        units = [unit("a"), unit("b")]

        assert plan(units, OPEN, None) == plan(units, OPEN, keys("a", "b"))

    @pytest.mark.parametrize("token", [0, 2, 99])
    def test_a_unit_decided_on_other_books_is_refused(self, token: int) -> None:
        units = [unit("a", token=token), unit("b")]

        done = plan(units, OPEN, keys("a", "b"))

        assert (ids(done.refused), ids(done.accepted)) == (["a"], ["b"])

    def test_a_unit_of_books_that_are_not_open_is_refused(self) -> None:
        done = plan([unit("a", "other", 1)], OPEN, keys("a"))

        assert (ids(done.refused), done.accepted, done.diverged) == (["a"], (), frozenset())

    def test_a_unit_without_a_token_needs_no_books(self) -> None:
        done = plan([unit("a", "other", None)], {}, keys("a"))

        assert ids(done.fresh) == ["a"]

    def test_one_handled_before_is_settled_without_effects(self) -> None:
        done = plan([unit("a", None, None), unit("b", None, None)], OPEN, keys("b"))

        assert (ids(done.accepted), ids(done.fresh), done.diverged) == (["a", "b"], ["b"], frozenset())

    def test_and_its_brokers_later_units_are_refused_as_they_count_it_twice(self) -> None:
        units = [unit("a"), unit("b"), unit("c"), unit("d", "zerodha", 2)]

        done = plan(units, OPEN, keys("a", "c", "d"))

        assert ids(done.accepted) == ["a", "b", "d"]
        assert ids(done.fresh) == ["a", "d"]
        assert ids(done.refused) == ["c"]
        assert done.diverged == {"paper"}

    def test_a_later_one_that_was_handled_before_too_is_settled_all_the_same(self) -> None:
        done = plan([unit("a"), unit("b"), unit("c")], OPEN, keys("b"))

        assert (ids(done.accepted), ids(done.refused)) == (["a", "c"], ["b"])

    def test_the_same_key_twice_in_a_batch_has_its_effects_once(self) -> None:
        done = plan([unit("a"), unit("a"), unit("b")], OPEN, keys("a", "b"))

        assert (ids(done.accepted), ids(done.fresh), ids(done.refused)) == (["a", "a"], ["a"], ["b"])
        assert done.diverged == {"paper"}

    def test_the_same_message_id_at_another_consumer_is_another_key(self) -> None:
        units = [unit("a", None, None), replace(unit("a", None, None), consumer="other")]

        assert len(plan(units, OPEN, {("consumer", "a"), ("other", "a")}).fresh) == 2

    def test_ids_are_told_by_books_in_their_order(self) -> None:
        units = [unit("a"), unit("b", "zerodha", 2), unit("c"), unit("d", None, None), unit("e", token=9)]

        done = plan(units, OPEN, keys("a", "b", "c", "d", "e"))

        assert done.by_books() == {("paper", 1): ("a", "c"), ("zerodha", 2): ("b",)}

    @settings(deadline=None)
    @given(st.data())
    def test_every_unit_is_settled_or_refused_once_and_effects_are_never_repeated(self, data: st.DataObject) -> None:
        ids_drawn = data.draw(st.lists(st.sampled_from("abcdef"), max_size=12))
        brokers = st.sampled_from([("paper", 1), ("paper", 9), ("zerodha", 2), (None, None)])
        units = [unit(one, *data.draw(brokers)) for one in ids_drawn]
        new = keys(*data.draw(st.sets(st.sampled_from("abcdef"))))

        done = plan(units, OPEN, new)

        assert sorted(map(id, (*done.accepted, *done.refused))) == sorted(map(id, units))
        fresh = [(one.consumer, one.message_id) for one in done.fresh]
        assert len(fresh) == len(set(fresh))
        assert set(fresh) <= new
        again = plan([one for one in units if one not in done.refused], OPEN, new)
        assert {*map(id, again.fresh)} >= {*map(id, done.fresh)}


class TestCoalesce:
    def test_of_each_portfolio_the_last_one_is_written(self) -> None:
        units = [
            unit("1", portfolio=portfolio("paper:b", 1)),
            unit("2", portfolio=portfolio("paper:a", 2)),
            unit("3", portfolio=portfolio("paper:b", 3)),
        ]

        assert coalesce(units).portfolios == (portfolio("paper:a", 2), portfolio("paper:b", 3))

    def test_upserts_are_sorted_by_their_key_whatever_the_order_of_the_units(self) -> None:
        units = [
            unit(str(number), portfolio=portfolio(f"paper:{number:02}", 0), session=session(f"user {number:02}"))
            for number in range(20)
        ]
        random.Random(7).shuffle(units)

        effects = coalesce(units)

        assert [row.portfolio_id for row in effects.portfolios] == [f"paper:{number:02}" for number in range(20)]
        assert [row.user_id for row in effects.sessions] == [f"user {number:02}" for number in range(20)]

    def test_events_and_messages_are_never_coalesced_and_keep_their_order(self) -> None:
        message = OutboundMessage("paper.orders.filled", "m", b"{}")
        units = [unit("1", events=(event("b"), event("a")), outbound=(message,)), unit("2", events=(event("b"),))]

        effects = coalesce([*units, unit("3", outbound=(message,))])

        assert [row.event_id for row in effects.events] == ["b", "a", "b"]
        assert effects.outbound == (message, message)

    def test_of_each_user_the_newest_login_is_written(self) -> None:
        units = [unit("1", session=session("u", 5, "new")), unit("2", session=session("u", 1, "old"))]

        assert coalesce(units).sessions == (session("u", 5, "new"),)

    def test_of_two_logins_at_the_same_time_the_later_one(self) -> None:
        units = [unit("1", session=session("u", 1, "first")), unit("2", session=session("u", 1, "second"))]

        assert coalesce(units).sessions == (session("u", 1, "second"),)

    def test_a_direct_login_follows_those_before_it_whatever_their_times(self) -> None:
        direct = replace(session("u", 1, "asked for"), direct=True)

        effects = coalesce([unit("1", session=session("u", 5)), unit("2", session=direct)])

        assert effects.sessions == (replace(direct, updated_at=NOW + timedelta(seconds=5)),)
        assert coalesce([unit("1", session=direct), unit("2", session=session("u", 5))]).sessions == (session("u", 5),)

    @pytest.mark.parametrize("direct", [True, False])
    def test_a_direct_end_does_not_end_the_login_that_follows_it(self, direct: bool) -> None:
        end = SessionInvalidationRow("u", "logout", NOW, direct=True)
        other = SessionInvalidationRow("v", "logout", NOW, direct=True)
        login = replace(session("u", -1 if direct else 1), direct=direct)
        ends = [unit("1", invalidation=end), unit("2", invalidation=other)]

        assert coalesce([*ends, unit("3", session=login)]).invalidations == (other,)
        assert coalesce([unit("3", session=login), *ends]).invalidations == (end, other)
        assert coalesce([*ends, unit("3", session=session("u", -1))]).invalidations == (end, other)

    def test_nothing_comes_of_nothing(self) -> None:
        effects = coalesce([unit("1")])

        assert (effects.rows, effects.outbound) == (0, ())

    def test_rows_are_counted_over_all_tables(self) -> None:
        end = SessionInvalidationRow("v", "logout", NOW)
        dead = poisoned(unit("x", delivery=delivery()), "no", "Poison")
        units = [
            unit("1", events=(event("a"), event("b")), portfolio=portfolio("paper:a", 1)),
            unit("2", session=session("u")),
            unit("3", invalidation=end),
            dead,
        ]

        assert coalesce(units).rows == 6


class TestPoison:
    def test_what_came_from_a_stream_leaves_its_dead_letter_and_nothing_else(self) -> None:
        one = unit("a", delivery=delivery(b"the bytes"), events=(event("a"),), portfolio=portfolio("paper:a", 1))

        dead = poisoned(one, "numeric field overflow", "DataError")

        assert (dead.events, dead.portfolio, dead.terminate, dead.books_token) == ((), None, True, None)
        assert (dead.consumer, dead.message_id) == ("trading-paper", "a")
        assert dead.dead_letter is not None
        assert (dead.dead_letter.payload, dead.dead_letter.reason) == (b"the bytes", "numeric field overflow")
        assert (dead.dead_letter.error_class, dead.dead_letter.broker) == ("DataError", "paper")
        assert [message.subject for message in dead.outbound] == ["paper.signals.validated.dlq"]

    def test_what_somebody_asked_for_leaves_its_key_and_an_answer(self) -> None:
        reply = Answer()

        assert poisoned(unit("a", session=session("u"), reply=reply), "no", "E") == CommitUnit(
            "consumer", "a", reply=reply
        )


class TestOutbox:
    @settings(deadline=None)
    @given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))))
    def test_what_is_kept_comes_back_as_it_was(self, texts: list[tuple[str, str]]) -> None:
        messages = tuple(OutboundMessage(one, f"id of {one}", other.encode()) for one, other in texts)

        assert decode_outbox(encode_outbox(messages)) == messages


def test_an_original_that_is_no_text_goes_through_the_outbox_as_it_is() -> None:
    messages = (OutboundMessage("a", "1", b"\xff\x00"), OutboundMessage("b", "2", "ü".encode()))

    assert decode_outbox(encode_outbox(messages)) == messages
