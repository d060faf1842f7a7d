from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import orjson
import pytest
from sqlalchemy import select
from sqlalchemy import text as text_

from persistence import models
from persistence.database import Database
from persistence.errors import Poison
from tests.persistence.rows import Event


def test_events_are_stored_in_their_order_and_once(database: Database) -> None:
    with database.writer_unit() as unit:
        assert unit.events.add([Event("z"), Event("a"), Event("m")]) == 3
        assert unit.events.add([Event("a"), Event("b")]) == 1
        table = models.trading_events
        stored = unit.connection.execute(select(table.c.event_id).order_by(table.c.id)).scalars().all()

    assert stored == ["z", "a", "m", "b"]


def test_the_data_comes_back_as_json_with_decimals_as_strings(database: Database) -> None:
    data = {"price": Decimal("101.0500"), "note": "50% of %s", "nested": [{"quantity": 3}]}
    with database.writer_unit() as unit:
        unit.events.add([Event("1", event_data=data)])
        stored = unit.connection.execute(select(models.trading_events.c.event_data)).scalar_one()

    assert stored == {"price": "101.0500", "note": "50% of %s", "nested": [{"quantity": 3}]}


def test_events_are_counted_by_type_for_one_broker(database: Database) -> None:
    with database.writer_unit() as unit:
        unit.events.add([Event("1"), Event("2"), Event("3", "order_placed")])
        unit.events.add([Event("4", broker_namespace="zerodha")])

        assert unit.events.count_by_type("paper") == {"order_filled": 2, "order_placed": 1}


@pytest.mark.parametrize("bad", [Event("1", event_data={"a": "\0"}), Event("1", instrument_token=2**31)])
def test_an_event_that_cannot_be_stored_is_poison(database: Database, bad: Event) -> None:
    with pytest.raises(Poison), database.writer_unit() as unit:
        unit.events.add([Event("0"), bad])


@dataclass(frozen=True, slots=True)
class Copied(Event):
    event_data: bytes = b'{"price": "101.05"}'


AWKWARD = ["a\tb", "a\nb", "a\\b", "\\N", "\\.", "a\rb", "ü€\U0001f600", "", " ", "\x01", '"', "\\t", "a\\\\tb"]


@pytest.mark.parametrize("text", AWKWARD)
def test_what_is_copied_is_stored_as_it_was(database: Database, text: str) -> None:
    data = orjson.dumps({"text": text, "quoted": f"{text}\\{text}"})
    row = Copied("1", strategy_id=text, correlation_id=text, event_data=data, event_type=text, broker_namespace=text)
    with database.writer_unit() as unit:
        unit.events.copy([row, Copied("2")])
        (stored, other) = unit.connection.execute(select(models.trading_events).order_by(text_("id"))).all()

    assert (stored.strategy_id, stored.correlation_id, stored.event_type) == (text, text, text)
    assert (stored.broker_namespace, stored.event_timestamp) == (text, row.event_timestamp)
    assert stored.event_data == {"text": text, "quoted": f"{text}\\{text}"}
    assert other.correlation_id is None


def test_a_copy_is_made_in_pieces_and_keeps_the_order(database: Database) -> None:
    ids = [f"event {number}" for number in range(1000)]
    with database.writer_unit() as unit:
        unit.events.copy([Copied(one) for one in ids])
        table = models.trading_events
        stored = unit.connection.execute(select(table.c.event_id).order_by(table.c.id)).scalars().all()

    assert stored == ids


@pytest.mark.parametrize(
    "bad",
    [
        Copied("1", instrument_token=2**31),
        Copied("1", event_data=b'{"a": "\\u0000"}'),
        Copied("1", strategy_id="\ud800"),
        Copied("1", strategy_id="\0"),
    ],
)
def test_an_event_that_cannot_be_copied_is_poison(database: Database, bad: Copied) -> None:
    with pytest.raises(Poison), database.writer_unit() as unit:
        unit.events.copy([Copied("0"), bad])


def test_a_copy_of_what_is_there_is_refused_as_a_whole(database: Database) -> None:
    with database.writer_unit() as unit:
        unit.events.copy([Copied("1")])
        unit.commit()

    with pytest.raises(Poison) as refused, database.writer_unit() as unit:
        unit.events.copy([Copied("2"), Copied("1")])

    assert refused.value.sqlstate == "23505"


def test_old_events_are_pruned_in_portions_from_the_front_and_counted_by_type(database: Database) -> None:
    with database.writer_unit() as unit:
        old = [Event("1"), Event("2", "order_placed"), Event("3"), Event("4", broker_namespace="zerodha")]
        unit.events.add(old)
        unit.connection.execute(text_("UPDATE trading_events SET created_at = created_at - interval '8 days'"))
        unit.events.add([Event("5")])
        week_s = 7 * 86_400.0

        first = unit.events.prune(week_s, 3, 0)
        rest = unit.events.prune(week_s, 3, first.after)
        none = unit.events.prune(week_s, 3, rest.after)
        left = unit.connection.execute(select(models.trading_events.c.event_id)).scalars().all()

    assert first.counts == {("paper", "order_filled"): 2, ("paper", "order_placed"): 1}
    assert (first.events, rest.events, none.events, none.after) == (3, 1, 0, rest.after)
    assert rest.counts == {("zerodha", "order_filled"): 1}
    assert left == ["5"]
