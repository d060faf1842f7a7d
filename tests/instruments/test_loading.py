"""A load is one transaction that writes what is new or differs, and nothing else."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.database import dump as generated
from persistence.database import Database
from persistence.errors import Conflict, PersistenceError, Unavailable
from persistence.instrument_file.layout import UnusableFile
from persistence.instrument_file.screening import Screening
from persistence.instrument_file.source import Source
from persistence.instrument_load import LIMITS_S, LOCK_KEY, AnotherLoad, LoadOrder, LoadRefused, load
from tests.conftest import execute
from tests.instruments.files import INFY, OPTION, RELIANCE, dump, load_bytes, load_path
from tests.persistence.databases import connected
from tests.system.daemon import CHECKOUT, eventually

DOOMED = """
import os, signal, sys
from benchmarks.database.dump import lines
from persistence.database import open_database
from settings import DatabaseSettings
from tests.instruments.files import load_bytes

def die(done, total):
    if done > total / 2:
        os.kill(os.getpid(), signal.SIGKILL)

database = open_database(sys.argv[1], DatabaseSettings(), "doomed")
load_bytes(database, "\\n".join(lines(20_000)).encode(), on_merged=die)
"""
FULL = LoadOrder(full=True)
ROW = """
    SELECT exchange_token, tradingsymbol, name, exchange, segment, instrument_type, last_price::text, tick_size::text,
           lot_size, expiry::text, strike::text, is_active, source_file FROM instruments WHERE instrument_token =
"""


def row(url: str, token: int) -> tuple[object, ...]:
    return execute(url, f"{ROW} {token}")[0]


def versions(url: str) -> list[tuple[object, ...]]:
    """Which transaction wrote each row, and which one locked it."""
    return execute(url, "SELECT instrument_token, xmin::text, xmax::text FROM instruments ORDER BY 1")


def active(url: str) -> list[int]:
    rows = execute(url, "SELECT instrument_token FROM instruments WHERE is_active ORDER BY 1")
    return [int(str(token)) for (token,) in rows]


def test_every_column_is_stored(database: Database, database_url: str) -> None:
    loaded = load_bytes(database, dump(INFY, OPTION), name="kite.csv")

    assert row(database_url, 12345602) == (
        48225, "NIFTY26JAN24000CE", "NIFTY", "NFO", "NFO-OPT", "CE", "101.2500", "0.0500", 75, "2026-01-29 00:00:00",
        "24000.0000", True, "kite.csv",
    )  # fmt: skip
    assert (loaded.record.inserted, loaded.record.active, loaded.record.total) == (2, 2, 2)


class Pipe(io.BytesIO):
    """A slow one: whoever reads it waits, and what its session does meanwhile is noted."""

    def __init__(self, data: bytes, url: str) -> None:
        super().__init__(data)
        self._url = url
        self.states: list[object] = []

    def read(self, size: int | None = -1, /) -> bytes:
        asked = "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        self.states += [state for (state,) in execute(self._url, asked)]
        return super().read(size)


def test_no_transaction_stays_open_while_a_slow_pipe_is_read(database: Database, database_url: str) -> None:
    execute(
        database_url,
        "INSERT INTO broker_leases VALUES ('paper', 'somebody:1', 1, clock_timestamp() + interval '1 minute')",
    )
    pipe = Pipe("\n".join(generated.lines(20_000)).encode(), database_url)

    load(database, Screening(Source(pipe, "pipe")), LoadOrder())

    assert len(pipe.states) > 2
    assert pipe.states == ["idle"] * len(pipe.states)


def test_an_empty_number_or_date_is_null_and_an_empty_name_is_empty(database: Database, database_url: str) -> None:
    load_bytes(database, dump("7,1,A,,,,,,,,,NSE"))

    assert row(database_url, 7) == (1, "A", "", "NSE", None, None, None, None, None, None, None, True, "test.csv")


def test_a_second_load_of_the_same_file_touches_no_row(database: Database, database_url: str) -> None:
    load_bytes(database, dump(INFY, RELIANCE, OPTION), name="monday.csv")
    before = versions(database_url)

    loaded = load_bytes(database, dump(OPTION, RELIANCE, INFY), FULL, name="tuesday.csv")

    assert versions(database_url) == before
    assert (loaded.record.listed, loaded.record.inserted, loaded.record.changed) == (3, 0, 0)


def test_only_a_row_that_differs_is_written(database: Database, database_url: str) -> None:
    load_bytes(database, dump(INFY, RELIANCE), name="monday.csv")
    before = {token: xmin for token, xmin, _ in versions(database_url)}
    created = "SELECT created_at, updated_at > created_at FROM instruments WHERE instrument_token = 408065"
    ((created_at, _),) = execute(database_url, created)

    loaded = load_bytes(database, dump(INFY.replace("1500.5", "1501"), RELIANCE), name="tuesday.csv")

    after = {token: xmin for token, xmin, _ in versions(database_url)}
    assert [token for token in after if after[token] != before[token]] == [408065]
    assert execute(database_url, created) == [(created_at, True)]
    assert row(database_url, 408065)[6::6] == ("1501.0000", "tuesday.csv")
    assert row(database_url, 738561)[-1] == "monday.csv"
    assert loaded.record.changed == 1


def test_of_several_lines_for_one_instrument_the_last_counts(database: Database, database_url: str) -> None:
    again = [INFY.replace("1500.5", str(price)) for price in range(1, 2_000)]

    loaded = load_bytes(database, dump(RELIANCE, *again, OPTION))

    assert row(database_url, 408065)[6] == "1999.0000"
    assert (loaded.record.listed, loaded.duplicates) == (3, 1_998)


def test_a_listed_row_that_an_old_loader_left_undecided_becomes_active(database: Database, database_url: str) -> None:
    load_bytes(database, dump(INFY, RELIANCE))
    execute(database_url, "UPDATE instruments SET is_active = NULL WHERE instrument_token = 408065")
    execute(database_url, "UPDATE instruments SET is_active = false WHERE instrument_token = 738561")

    loaded = load_bytes(database, dump(INFY, RELIANCE))

    assert active(database_url) == [408065, 738561]
    assert loaded.record.changed == 2


def test_the_short_form_keeps_what_it_does_not_tell(database: Database, database_url: str) -> None:
    load_bytes(database, dump(OPTION))

    load_bytes(database, dump("12345602,RENAMED,NIFTY,NFO", "408065,INFY,INFOSYS,NSE", header=None))

    assert row(database_url, 12345602)[:6] == (48225, "RENAMED", "NIFTY", "NFO", "NFO-OPT", "CE")
    assert row(database_url, 408065)[:4] == (1594, "INFY", "INFOSYS", "NSE")


def test_a_full_load_deactivates_what_has_vanished_and_a_later_one_takes_it_back(
    database: Database, database_url: str
) -> None:
    load_bytes(database, dump(INFY, RELIANCE, OPTION))

    gone = load_bytes(database, dump(INFY, RELIANCE), FULL)
    assert active(database_url) == [408065, 738561]
    back = load_bytes(database, dump(INFY, RELIANCE, OPTION), FULL)

    assert active(database_url) == [408065, 738561, 12345602]
    assert (gone.record.deactivated, gone.record.active, gone.record.total) == (1, 2, 3)
    assert (back.record.deactivated, back.record.changed) == (0, 1)


def test_a_partial_load_deactivates_nothing(database: Database, database_url: str) -> None:
    load_bytes(database, dump(INFY, RELIANCE, OPTION))

    load_bytes(database, dump(INFY))

    assert len(active(database_url)) == 3


def test_a_full_load_of_a_cut_file_is_refused_unless_it_is_meant(database: Database, database_url: str) -> None:
    load_bytes(database, dump(*generated_rows(10)))
    cut = dump(*generated_rows(10)[:4])

    with pytest.raises(LoadRefused, match="lists 4 instruments, while 10 are active"):
        load_bytes(database, cut, FULL)
    assert len(active(database_url)) == 10

    assert load_bytes(database, cut, LoadOrder(full=True, agreed=True)).record.deactivated == 6


def test_an_instrument_whose_line_is_invalid_is_not_taken_for_vanished(database: Database, database_url: str) -> None:
    load_bytes(database, dump(INFY, RELIANCE, OPTION))

    load_bytes(database, dump(INFY, RELIANCE.replace(",1,EQ", ",-1,EQ"), OPTION), FULL)
    assert len(active(database_url)) == 3

    with pytest.raises(LoadRefused, match="do not tell their instrument"):
        load_bytes(database, dump(INFY, OPTION, "x" + RELIANCE), FULL)
    assert len(active(database_url)) == 3


@pytest.mark.parametrize(
    ("data", "order", "reason"),
    [
        (dump(RELIANCE, "bad"), LoadOrder(strict=True), "1 of its lines are no valid rows"),
        (dump("bad", "worse"), LoadOrder(), "no line of it is a valid row"),
        (dump(), LoadOrder(), "no line of it is a valid row"),
    ],
)
def test_a_refused_load_changes_nothing(
    database: Database, database_url: str, data: bytes, order: LoadOrder, reason: str
) -> None:
    load_bytes(database, dump(INFY))
    before = versions(database_url)

    with pytest.raises(LoadRefused, match=reason):
        load_bytes(database, data, order)

    assert versions(database_url) == before
    assert execute(database_url, "SELECT count(*) FROM instrument_loads") == [(1,)]


def test_a_download_that_ended_early_changes_nothing(database: Database, database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "dump.csv.gz"
    path.write_bytes(gzip.compress("\n".join(generated.lines(20_000)).encode())[:-4_000])

    with pytest.raises(UnusableFile, match=r"dump\.csv\.gz ends early"):
        load_path(database, path)

    assert execute(database_url, "SELECT count(*) FROM instruments") == [(0,)]


def test_a_loader_that_is_killed_while_it_writes_leaves_nothing(database: Database, database_url: str) -> None:
    load_bytes(database, dump(INFY))
    before = execute(database_url, "SELECT * FROM instruments")

    ended = subprocess.run([sys.executable, "-c", DOOMED, database_url], cwd=CHECKOUT, timeout=180, check=False)

    assert ended.returncode == -9
    doomed = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'alpha-panda/doomed'"
    eventually(lambda: execute(database_url, doomed) == [(0,)])
    assert execute(database_url, "SELECT * FROM instruments") == before
    assert load_bytes(database, dump(INFY, OPTION)).record.inserted == 1


def test_two_loads_do_not_run_at_once(database: Database, database_url: str) -> None:
    with connected(database_url) as other:
        other.exec_driver_sql(f"SELECT pg_advisory_lock({LOCK_KEY})")

        with pytest.raises(AnotherLoad, match="wait until it has ended"):
            load_bytes(database, dump(INFY))
        other.exec_driver_sql(f"SELECT pg_advisory_unlock({LOCK_KEY})")

    assert load_bytes(database, dump(INFY)).record.inserted == 1


@pytest.mark.parametrize(
    ("limit", "error", "told"),
    [
        ("lock_timeout", Conflict, "locked by another transaction for the 0.2 s that a load waits: let that one end"),
        ("statement_timeout", Unavailable, "a statement of the load was cancelled, or took longer than 0.2 s"),
    ],
)
def test_a_load_that_its_own_limits_end_names_no_setting_of_others(
    database: Database,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    error: type[PersistenceError],
    told: str,
) -> None:
    with connected(database_url) as other, monkeypatch.context() as limited:
        limited.setitem(LIMITS_S, limit, 0.2)
        other.exec_driver_sql("BEGIN")
        other.exec_driver_sql("LOCK TABLE instruments")
        with pytest.raises(error, match=told) as raised:
            load_bytes(database, dump(INFY))
        other.exec_driver_sql("COMMIT")

    assert "DATABASE__" not in str(raised.value)
    assert load_bytes(database, dump(INFY)).record.inserted == 1


def test_readers_and_the_registry_are_not_locked_out_while_a_load_runs(database: Database, database_url: str) -> None:
    load_bytes(database, dump(INFY, RELIANCE))
    seen: list[Any] = []

    def look(*_: int) -> None:
        seen.append(execute(database_url, "SELECT last_price::text FROM instruments WHERE instrument_token = 408065"))
        execute(database_url, REGISTER)

    changed = dump(INFY.replace("1500.5", "1"), RELIANCE)
    load_bytes(database, changed, on_merged=look)

    assert seen == [[("1500.5000",)]]
    assert row(database_url, 408065)[6] == "1.0000"


REGISTER = """
    SET lock_timeout = '1s';
    INSERT INTO instrument_registry (instrument_token, tradingsymbol, exchange) VALUES (408065, 'INFY', 'NSE')
"""


def test_a_server_that_goes_away_leaves_nothing_and_says_so(database: Database, database_url: str) -> None:
    kill = """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'alpha-panda/tests' AND datname = current_database()
    """

    with pytest.raises(Unavailable):
        load_bytes(database, dump(INFY), on_merged=lambda *_: execute(database_url, kill))

    assert execute(database_url, "SELECT count(*) FROM instruments") == [(0,)]


def generated_rows(count: int) -> list[str]:
    return list(generated.lines(count))[1:]
