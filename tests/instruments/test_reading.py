"""The catalogue is searched, and the registry follows it."""

from __future__ import annotations

import pytest

from benchmarks.database import dump as generated
from persistence.database import Database
from persistence.records import SubscriptionRecord
from tests.conftest import execute
from tests.instruments.files import INFY, OPTION, RELIANCE, dump, load_bytes

ROWS = (
    INFY,
    RELIANCE,
    OPTION,
    "1,1,INFRABEES,INFRA FUND,1,,0,0.05,1,EQ,NSE,NSE",
    "2,2,INFY,INFOSYS,1,,0,0.05,1,EQ,BSE,BSE",
    "3,3,100%_SURE\\,SURE THING,1,,0,0.05,1,EQ,NSE,NSE",
)


@pytest.fixture
def catalogue(database: Database) -> Database:
    load_bytes(database, dump(*ROWS))
    return database


def search(database: Database, text: str, limit: int = 20, exchange: str | None = None) -> list[str]:
    with database.read_unit() as work:
        return [f"{one.exchange}:{one.tradingsymbol}" for one in work.instruments.search(text, limit, exchange)]


def subscribe(database: Database, token: int, priority: int | None = None, notes: str | None = None) -> None:
    with database.writer_unit() as work:
        instrument = work.instruments.get(token)
        assert instrument is not None
        work.registry.subscribe(instrument, "tests", priority, notes)
        work.commit()


def registry(database: Database, *, ended: bool = False) -> list[SubscriptionRecord]:
    with database.read_unit() as work:
        return work.registry.list(ended=ended)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("infy", ["BSE:INFY", "NSE:INFY"]),
        ("INF", ["NSE:INFRABEES", "BSE:INFY", "NSE:INFY"]),
        ("infosys", ["BSE:INFY", "NSE:INFY"]),
        ("industries", ["NSE:RELIANCE"]),
        ("24000", ["NFO:NIFTY26JAN24000CE"]),
        ("%", ["NSE:100%_SURE\\"]),
        ("100%_", ["NSE:100%_SURE\\"]),
        ("\\", ["NSE:100%_SURE\\"]),
        ("absent", []),
    ],
)
def test_a_search_finds_parts_of_symbols_and_names(catalogue: Database, text: str, found: list[str]) -> None:
    assert search(catalogue, text) == found


def test_what_begins_with_the_text_comes_before_what_holds_it(catalogue: Database) -> None:
    load_bytes(catalogue, dump("4,4,XINFY,INFORMAL,1,,0,0.05,1,EQ,NSE,NSE", "5,5,AINFY,Z,1,,0,0.05,1,EQ,NSE,NSE"))

    assert search(catalogue, "INFY") == ["BSE:INFY", "NSE:INFY", "NSE:AINFY", "NSE:XINFY"]
    assert search(catalogue, "INFY", limit=3) == ["BSE:INFY", "NSE:INFY", "NSE:AINFY"]
    assert search(catalogue, "info", exchange="nse") == ["NSE:XINFY", "NSE:INFY"]


def test_an_inactive_instrument_is_not_found(catalogue: Database, database_url: str) -> None:
    execute(database_url, "UPDATE instruments SET is_active = false WHERE exchange = 'BSE'")

    assert search(catalogue, "infy") == ["NSE:INFY"]


def test_a_search_by_prefix_reads_an_index_and_no_more_than_it_shows(database: Database, database_url: str) -> None:
    load_bytes(database, "\n".join(generated.lines(20_000)).encode())
    execute(database_url, "ANALYZE instruments")
    scanned = "SELECT seq_scan, idx_scan FROM pg_stat_xact_user_tables WHERE relname = 'instruments'"

    with database.read_unit() as work:
        found = work.instruments.search("re", 20)
        whole, by_index = work.connection.exec_driver_sql(scanned).one()

    assert len(found) == 20
    assert (whole, by_index) == (0, 2)


def test_the_registry_is_in_order_of_priority_then_symbol(catalogue: Database) -> None:
    subscribe(catalogue, 738561)
    subscribe(catalogue, 408065, notes="core")
    subscribe(catalogue, 12345602, 5)

    assert [(one.priority, one.tradingsymbol, one.notes) for one in registry(catalogue)] == [
        (5, "NIFTY26JAN24000CE", None),
        (100, "INFY", "core"),
        (100, "RELIANCE", None),
    ]


def test_a_second_subscription_changes_only_what_is_given(catalogue: Database) -> None:
    subscribe(catalogue, 408065, 7, "core")
    with catalogue.writer_unit() as work:
        assert work.registry.unsubscribe(408065)
        assert not work.registry.unsubscribe(408065)
        work.commit()
    assert registry(catalogue) == []

    subscribe(catalogue, 408065, 3)

    (entry,) = registry(catalogue)
    assert (entry.priority, entry.notes, entry.is_subscribed) == (3, "core", True)


def test_only_a_new_subscription_draws_an_id(catalogue: Database, database_url: str) -> None:
    for _ in range(3):
        subscribe(catalogue, 408065)
    subscribe(catalogue, 738561)

    assert execute(database_url, "SELECT id FROM instrument_registry ORDER BY id") == [(1,), (2,)]


def test_nothing_is_stored_without_a_commit(catalogue: Database) -> None:
    with catalogue.writer_unit() as work:
        instrument = work.instruments.get(408065)
        assert instrument is not None
        work.registry.subscribe(instrument, "tests")

    assert registry(catalogue, ended=True) == []


def test_a_subscription_goes_with_its_instrument(catalogue: Database, database_url: str) -> None:
    subscribe(catalogue, 408065)
    subscribe(catalogue, 738561)

    execute(database_url, "DELETE FROM instruments WHERE instrument_token = 408065")

    assert [one.instrument_token for one in registry(catalogue, ended=True)] == [738561]


def test_a_subscription_bears_the_symbol_that_its_instrument_has_now(catalogue: Database) -> None:
    subscribe(catalogue, 408065)

    load_bytes(catalogue, dump(INFY.replace("INFY", "INFYNEW")))

    assert [one.tradingsymbol for one in registry(catalogue)] == ["INFYNEW"]
