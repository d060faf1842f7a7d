"""What the plan foresees of rows and books is what stands there afterwards."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from persistence.adoption.adoption import adopt
from persistence.adoption.survey import survey
from persistence.book_reading import read_books
from persistence.records import PortfolioRecord
from persistence.urls import normalise_url
from settings import DatabaseSettings
from tests.adoption.conftest import Made, TakenOver
from tests.adoption.dirt import BAD_JSON, fill, snapshot
from tests.adoption.old_databases import L0, L0_OLDEST, OldDatabase
from tests.persistence.databases import connected

SETTINGS = DatabaseSettings()
EVENT = (
    "INSERT INTO trading_events (event_id, event_type, broker_namespace, strategy_id, instrument_token, event_data, "
    "event_timestamp) VALUES ('{}', 't', 'paper', 's', 1, '{}', now())"
)


def foreseen(url: str) -> list[PortfolioRecord]:
    met: list[PortfolioRecord] = []
    survey(url, SETTINGS, met.append)
    return met


def found(url: str) -> list[PortfolioRecord]:
    return list(read_books(create_engine(normalise_url(url), poolclass=NullPool), 30))


def test_the_books_that_are_foreseen_are_those_that_are_read_afterwards(
    made: Made, taken_over: TakenOver, old: OldDatabase
) -> None:
    before, after = foreseen(made(old)), found(taken_over(old).url)

    assert before == after
    assert len(before) == 1


def test_as_many_documents_are_mended_as_are_kept(made: Made, taken_over: TakenOver, old: OldDatabase) -> None:
    told = {one.column: one.count for one in survey(made(old), SETTINGS).changes if "jsonb refuses" in one.words}

    kept = {}
    with connected(taken_over(old).url) as connection:
        for (name,) in connection.exec_driver_sql(
            "SELECT relname FROM pg_class WHERE relname LIKE '\\_json\\_%%\\_0002'"
        ):
            kept[name] = connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one()
    assert {f"_json_{column.replace('.', '_')}_0002": count for column, count in told.items()} == kept
    assert set(kept.values()) <= {len(BAD_JSON)}


def test_flags_that_get_another_name_or_a_value_are_counted(made: Made) -> None:
    told = {(one.column, one.words): one.count for one in survey(made(L0_OLDEST), SETTINGS).changes}

    table = "strategy_configurations"
    assert told[f"{table}.live_trading_enabled", "values stand in zerodha_trading_enabled then"] == 5
    assert told[f"{table}.use_composition", "rows get false"] == 1
    assert told[f"{table}.use_composition", "rows get true"] == 4
    words = "values that are NULL become that of the instrument"
    assert told["instrument_registry.tradingsymbol", words] == 1


def test_keys_that_are_named_twice_are_counted_where_the_server_can_tell(empty_url: str) -> None:
    L0.make(empty_url)
    with connected(empty_url) as connection:
        version = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
        for name, data in {"a": '{"k": 1, "k": 2}', "b": '{"k": {"m": 1, "m": 1}}', "c": '{"k": 1}'}.items():
            connection.exec_driver_sql(EVENT.format(name, data))

    told = {(one.column, one.count) for one in survey(empty_url, SETTINGS).changes}

    assert told == ({("trading_events.event_data", 2)} if version >= 160_000 else set())


def test_what_looks_as_if_jsonb_refused_it_and_does_not_is_not_counted(empty_url: str) -> None:
    L0.make(empty_url)
    with connected(empty_url) as connection:
        for number, data in enumerate((r'{"a": "\\\\u0000"}', r'{"a": "\\ud83d\\ude00"}', '{"a": 1e9999}')):
            connection.exec_driver_sql(EVENT.format(number, data.replace("\\\\", "\\")))

    assert survey(empty_url, SETTINGS).changes == ()


@pytest.mark.parametrize("name", ["paper:momentum", "momentum"])
def test_snapshots_of_another_name_are_counted(empty_url: str, name: str) -> None:
    L0.make(empty_url)
    with connected(empty_url) as connection:
        for time in ("2025-01-01", "2025-01-02"):
            connection.exec_driver_sql(snapshot(name, "1", time))

    assert survey(empty_url, SETTINGS).misnamed == (name == "momentum")


def test_strategies_that_lose_every_snapshot_are_named_with_the_newest(empty_url: str) -> None:
    def store(broker: str, strategy: str, cash: str, time: str = "2025-01-01") -> str:
        statement = snapshot(f"{strategy} {time}", cash, time)
        return statement.replace("'paper'", f"'{broker}'").replace("'momentum'", f"'{strategy}'")

    L0.make(empty_url)
    with connected(empty_url) as connection:
        for statement in (
            store("paper", "only", "'NaN'"),
            store("paper", "twice", "'NaN'"),
            store("paper", "twice", "'-Infinity'", "2025-01-02"),
            store("paper", "older stays", "1"),
            store("paper", "older stays", "'NaN'", "2025-01-02"),
            store("zerodha", "older stays", "'Infinity'"),
        ):
            connection.exec_driver_sql(statement)

    told = survey(empty_url, SETTINGS).begun_anew

    assert told.count == 3
    assert told.named == (
        ("paper", "only", "only 2025-01-01"),
        ("paper", "twice", "twice 2025-01-02"),
        ("zerodha", "older stays", "older stays 2025-01-01"),
    )
    adopt(empty_url, SETTINGS, lambda _: None)
    assert [(one.broker_namespace, one.strategy_id) for one in found(empty_url)] == [("paper", "older stays")]


def test_of_books_that_cannot_be_opened_a_few_are_named_and_all_counted(empty_url: str) -> None:
    L0.make(empty_url)
    fill(empty_url, L0)
    with connected(empty_url) as connection:
        for number in range(20):
            connection.exec_driver_sql(
                snapshot(f"zerodha:s{number}", "1", "2025-01-01").replace("'momentum'", f"'s{number}'")
            )

    unreadable = survey(empty_url, SETTINGS, lambda one: f"{one.portfolio_id} is bad").unreadable

    assert (unreadable.count, unreadable.brokers, len(unreadable.problems)) == (21, ("paper",), 5)
