from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import select

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
