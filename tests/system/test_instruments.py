"""A load shows in a running daemon, in its status and in what its brokers see, without a restart."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from persistence.database import Database, open_database
from settings import DatabaseSettings
from tests.conftest import execute
from tests.instruments.files import INFY, OPTION, dump, load_bytes
from tests.system import streams
from tests.system.daemon import Daemon, eventually
from tests.system.proxy import proxy

BROKER = '''
"""A broker that places no order: it refuses each with the symbol of its instrument."""

from actors.brokers.protocol import Execution
from actors.errors import TryAgain
from actors.trading.orders import Order, Rejection, order_id


class Spelling:
    name = "spelling"

    def use_instruments(self, instruments):
        self.instruments = instruments

    def execute(self, signal, last_price, now):
        identity = order_id(signal.broker, signal.signal_id)
        asked = (signal.broker, signal.strategy_id, signal.instrument_token, signal.side, signal.quantity)
        order = Order(identity, *asked, signal.price, signal.order_type, now)
        try:
            found = self.instruments.get(signal.instrument_token)
        except TryAgain:
            return Execution(order, (), Rejection("the catalogue is away"))
        seen = "unknown" if found is None else f"{found.exchange}:{found.tradingsymbol}"
        return Execution(order, (), Rejection(seen))


def create(settings):
    return Spelling()
'''
_numbers = itertools.count()


@pytest.fixture
def adapters(tmp_path: Path) -> Path:
    """A directory with an installed package that provides the broker."""
    (tmp_path / "spelling_broker.py").write_text(BROKER)
    facts = tmp_path / "spelling_broker-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: spelling-broker\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[alpha_panda.brokers]\nspelling = spelling_broker:create\n")
    return tmp_path


@contextmanager
def with_broker(adapters: Path, database_url: str, nats_url: str) -> Iterator[Daemon]:
    """A daemon that trades through it, degraded only as nobody is logged in to it."""
    daemon = Daemon(
        adapters / "state",
        DATABASE__POSTGRES_URL=database_url,
        NATS__URL=nats_url,
        ACTIVE_BROKERS="paper,spelling",
        TRADING__SPELLING__ENABLED="true",
        PYTHONPATH=str(adapters),
    ).start()
    try:
        daemon.wait_until("degraded")
        daemon.wait_until_broker("trading", "spelling")
        yield daemon
    finally:
        daemon.kill()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url, DatabaseSettings(), "tests")
    yield opened
    opened.close()


def seen(database_url: str, nats_url: str, token: int) -> str:
    """What the broker sees of an instrument."""
    strategy = f"s{next(_numbers)}"
    signal = streams.signal(strategy=strategy, token=token, broker="spelling")
    streams.publish(nats_url, "spelling.signals.validated", [signal])
    reason = f"SELECT event_data->>'error_message' FROM trading_events WHERE strategy_id = '{strategy}'"
    ((told,),) = eventually(lambda: [row for row in execute(database_url, reason) if row[0]])
    return str(told)


def test_a_load_changes_what_the_status_shows_and_what_a_broker_sees(
    adapters: Path, database: Database, database_url: str, streams_url: str
) -> None:
    with with_broker(adapters, database_url, streams_url) as daemon:
        pid = daemon.status()["pid"]
        nothing = daemon.status()["database"]["instruments"]
        before = seen(database_url, streams_url, 408065)

        load_bytes(database, dump(INFY), name="monday.csv")
        eventually(lambda: daemon.status()["database"]["instruments"]["source_file"] == "monday.csv")
        eventually(lambda: seen(database_url, streams_url, 408065) == "NSE:INFY")
        load_bytes(database, dump(INFY.replace("INFY", "INFYNEW"), OPTION), name="tuesday.csv")
        eventually(lambda: daemon.status()["database"]["instruments"]["source_file"] == "tuesday.csv")
        eventually(lambda: seen(database_url, streams_url, 408065) == "NSE:INFYNEW")

        shown = daemon.status()
        assert nothing == {"active": 0, "total": 0, "loaded_at": None, "source_file": None}
        assert before == "unknown"
        assert (shown["database"]["instruments"]["active"], shown["database"]["instruments"]["total"]) == (2, 2)
        assert shown["database"]["instruments"]["loaded_at"].endswith("Z")
        assert shown["pid"] == pid
        assert {child["restarts"] for child in shown["children"]} == {0}


def test_what_a_broker_asked_for_before_costs_no_query(
    adapters: Path, database: Database, database_url: str, streams_url: str
) -> None:
    load_bytes(database, dump(INFY))
    asked: list[bytes] = []

    def note(data: bytes) -> bool:
        if b"FROM instruments" in data:
            asked.append(data)
        return False

    with (
        proxy(database_url) as between,
        with_broker(adapters, between.url, streams_url),
    ):
        between.cut_after = note
        assert [seen(database_url, streams_url, 408065) for _ in range(3)] == ["NSE:INFY"] * 3
        assert [seen(database_url, streams_url, 7) for _ in range(2)] == ["unknown"] * 2

    assert len(asked) == 2


def test_a_catalogue_of_before_loads_were_noted_is_counted_at_the_start(
    idle_daemon: Daemon, database: Database, database_url: str
) -> None:
    load_bytes(database, dump(INFY, OPTION))
    execute(database_url, "DELETE FROM instrument_loads")
    execute(database_url, "UPDATE instruments SET is_active = NULL WHERE exchange = 'NSE'")
    execute(database_url, "UPDATE instruments SET is_active = false WHERE exchange = 'NFO'")

    with idle_daemon as daemon:
        shown = daemon.status()["database"]["instruments"]

    assert shown == {"active": 1, "total": 2, "loaded_at": None, "source_file": None}
