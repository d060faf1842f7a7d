from __future__ import annotations

from decimal import Decimal

import pytest

from persistence import models
from persistence.bulk import encode, insert, upsert
from persistence.errors import Poison


def test_an_insert_names_each_column_with_its_type() -> None:
    assert insert(models.inbox, ("consumer", "stream_seq")) == (
        "INSERT INTO inbox (consumer, stream_seq) SELECT x.consumer, x.stream_seq "
        "FROM jsonb_to_recordset(CAST(%s AS jsonb)) AS x(consumer TEXT, stream_seq BIGINT)"
    )


def test_an_upsert_changes_all_columns_but_the_key_in_the_order_of_the_key() -> None:
    statement = upsert(models.broker_leases, ("broker", "owner"), ("broker",), where="false")

    assert statement.endswith("ORDER BY x.broker ON CONFLICT (broker) DO UPDATE SET owner = excluded.owner WHERE false")


def test_a_statement_is_built_once() -> None:
    assert insert(models.inbox, ("consumer",)) is insert(models.inbox, ("consumer",))


def test_decimals_travel_as_strings_and_bytes_as_hexadecimal() -> None:
    assert encode([{"cash": Decimal("0.10"), "payload": b"\x00\xff"}]) == r'[{"cash":"0.10","payload":"\\x00ff"}]'


@pytest.mark.parametrize("value", ["\ud800", 2**70, Decimal("NaN"), Decimal("Infinity")])
def test_a_value_that_json_cannot_hold_is_poison(value: object) -> None:
    with pytest.raises(Poison):
        encode([{"value": value}])
