"""The catalogue's commands, on a database of their own and beside a running daemon."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.database import dump as generated
from tests.conftest import execute
from tests.console.conftest import Command
from tests.instruments.files import INFY, KITE, OPTION, RELIANCE, dump
from tests.system.daemon import CHECKOUT, Daemon, eventually

MIB = 1 << 20
LOAD_AND_TELL_PEAK = """
import sys
from pathlib import Path
from console.app import execute

code = execute(sys.argv[1:])
print(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")).split()[1])
sys.exit(code)
"""
SUMMARY = "test.csv: 3 instruments in "


@pytest.fixture
def own_database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database that the settings name."""
    monkeypatch.setenv("DATABASE__POSTGRES_URL", database_url)
    return database_url


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "test.csv"
    path.write_bytes(dump(INFY, RELIANCE, OPTION))
    return path


def stored(url: str) -> int:
    ((count,),) = execute(url, "SELECT count(*) FROM instruments")
    return int(str(count))


def test_a_file_is_loaded_counted_and_searched(command: Command, own_database: str, file: Path) -> None:
    loaded, again = command("instruments", "load", file), command("instruments", "load", file, "--full")
    counted, found = command("instruments", "count"), command("instruments", "search", "info")

    assert (loaded.code, again.code, loaded.err) == (0, 0, "")
    assert loaded.out.startswith(SUMMARY)
    assert loaded.out.endswith(" s: 3 new, 0 changed, 0 as before\ncatalogue: 3 active of 3\n")
    assert " s: 0 new, 0 changed, 3 as before\n" in again.out
    assert [line.split() for line in counted.out.splitlines()[:4]] == [
        ["exchange", "active", "total"], ["NFO", "1", "1"], ["NSE", "2", "2"], ["all", "3", "3"],
    ]  # fmt: skip
    assert counted.out.splitlines()[4].endswith("UTC from test.csv")
    assert found.out.splitlines()[1].split() == ["408065", "INFY", "NSE", "EQ", "-", "-", "1", "INFOSYS"]


def test_a_load_beside_a_lease_tells_how_long_it_paused(command: Command, own_database: str, file: Path) -> None:
    lease = "INSERT INTO broker_leases VALUES ('paper', 'somebody:1', 1, clock_timestamp() + interval '1 hour')"
    execute(own_database, lease)

    loaded = command("instruments", "load", file)

    assert loaded.code == 0
    assert " s of them paused, as a daemon trades): 3 new, 0 changed, 0 as before\n" in loaded.out


def test_standard_input_is_loaded_plain_and_packed(command: Command, own_database: str) -> None:
    plain = command("instruments", "load", given=dump(INFY))
    packed = command("instruments", "load", given=gzip.compress(dump(OPTION)))
    named = command("instruments", "load", "-", "--strict", given=dump(RELIANCE))

    assert (plain.code, packed.code, named.code, stored(own_database)) == (0, 0, 0, 3)
    assert "standard input: 1 instrument in" in packed.out
    assert "standard input: 1 instrument in" in named.out


def test_the_help_of_a_load_tells_how_to_name_standard_input(command: Command) -> None:
    told = command("instruments", "load", "--help").out.replace("│", " ")

    assert "standard input where it is `-`" in " ".join(told.split())


def test_other_programs_read_json(command: Command, own_database: str, file: Path) -> None:
    command("instruments", "load", file)

    counted = json.loads(command("instruments", "count", "--json").out)
    (found,) = json.loads(command("instruments", "search", "24000", "--json").out)

    assert (counted["active"], counted["total"], counted["source_file"]) == (3, 3, "test.csv")
    assert counted["exchanges"] == {"NFO": {"active": 1, "total": 1}, "NSE": {"active": 2, "total": 2}}
    assert (found["instrument_token"], found["strike"], found["lot_size"]) == (12345602, "24000.0000", 75)


def test_bad_lines_are_told_and_the_rest_is_loaded(command: Command, own_database: str) -> None:
    data = dump(INFY, RELIANCE.replace(",1,EQ", ",-1,EQ"), OPTION)

    strict, loaded = command("instruments", "load", "--strict", given=data), command("instruments", "load", given=data)

    line = "standard input line 3: lot_size '-1' is less than 0\n"
    assert (strict.code, strict.err.startswith(line), strict.err.count("\n")) == (1, True, 2)
    assert "nothing was changed (--strict)" in strict.err
    assert (loaded.code, loaded.err, stored(own_database)) == (0, line, 2)
    assert ", 1 refused\n" in loaded.out


@pytest.mark.parametrize(
    ("data", "code", "problem"),
    [
        (b"", 64, "standard input is empty"),
        (b"token,symbol\n1,INFY\n", 64, "wrong header of 2 columns: unknown column at place 1"),
        (KITE.encode("utf-16"), 64, "standard input is UTF-16"),
        (b"\xff\xfe\xfd", 64, "standard input is UTF-16"),
        (b"x" * 1_000_000, 64, "the first line is longer than 65536 bytes"),
        (gzip.compress(dump(INFY))[:-4], 64, "standard input ends early"),
        (dump(INFY.replace("408065", "4080650000")), 1, "no line of it is a valid row"),
        (dump(INFY.replace("INFOSYS", "\0")), 1, "no line of it is a valid row"),
    ],
    ids=["empty", "header", "UTF-16", "its mark alone", "huge line", "cut archive", "token beyond 32 bits", "NUL"],
)
def test_what_cannot_be_loaded_says_why_and_changes_nothing(
    command: Command, own_database: str, data: bytes, code: int, problem: str
) -> None:
    result = command("instruments", "load", given=data)

    assert (result.code, result.out, stored(own_database)) == (code, "", 0)
    assert problem in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("name", ["absent.csv", "."])
def test_no_file_is_a_matter_of_usage(command: Command, own_database: str, tmp_path: Path, name: str) -> None:
    result = command("instruments", "load", tmp_path / name)

    assert (result.code, result.err.count("\n")) == (64, 1)
    assert str(tmp_path) in result.err


def test_a_cut_file_does_not_deactivate_the_market(command: Command, own_database: str, file: Path) -> None:
    command("instruments", "load", file)

    refused = command("instruments", "load", "--full", given=dump(INFY))
    meant = command("instruments", "load", "--full", "--yes", given=dump(INFY))

    assert (refused.code, "give --yes" in refused.err) == (1, True)
    assert (meant.code, "2 deactivated" in meant.out) == (0, True)


def test_a_database_that_is_away_is_unavailable(command: Command, monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setenv("DATABASE__POSTGRES_URL", "postgresql://u:secret@127.0.0.1:9/d")

    for arguments in (("load", file), ("count",), ("search", "x"), ("subscribe", "x"), ("registry",)):
        result = command("instruments", *arguments)

        assert (result.code, result.err.count("\n"), "secret" in result.err) == (69, 1, False)


def test_a_schema_that_is_not_at_head_is_told(
    command: Command, own_database: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(own_database, "UPDATE alembic_version SET version_num = '0006'")

    result = command("instruments", "load", file)

    assert (result.code, "alpha-panda db upgrade" in result.err) == (78, True)


def test_an_embedded_database_is_made_for_a_load_without_a_daemon(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "own"))

    loaded, counted = command("instruments", "load", file), command("instruments", "count", "--json")

    assert loaded.code == 0
    assert json.loads(counted.out)["total"] == 3


def test_a_search_without_a_hit_says_so(command: Command, own_database: str) -> None:
    assert command("instruments", "search", "absent").code == 1
    assert command("instruments", "search", " ").code == 64
    assert command("instruments", "search", "a\0b").code == 64
    assert command("instruments", "search", "absent", "--json").out == "[]\n"


def test_instruments_are_subscribed_to_by_token_symbol_and_exchange(
    command: Command, own_database: str, file: Path
) -> None:
    command("instruments", "load", file)
    command("instruments", "load", given=dump(INFY.replace("NSE", "BSE").replace("408065", "9")))

    unclear = command("instruments", "subscribe", "infy")
    by_both = command("instruments", "subscribe", "NSE:INFY", "--notes", "[core]")
    by_token = command("instruments", "subscribe", "12345602", "--priority", "5")
    by_symbol = command("instruments", "subscribe", "reliance")
    listed = command("instruments", "registry")

    assert (unclear.code, "BSE:INFY (9), NSE:INFY (408065)" in unclear.err) == (64, True)
    assert (by_both.code, by_symbol.code) == (0, 0)
    assert by_token.out == "subscribed to NFO:NIFTY26JAN24000CE (12345602) with priority 5\n"
    assert [line.split()[:3] for line in listed.out.splitlines()[1:]] == [
        ["5", "NIFTY26JAN24000CE", "NFO"], ["100", "INFY", "NSE"], ["100", "RELIANCE", "NSE"],
    ]  # fmt: skip
    assert "[core]" in listed.out


def test_a_subscription_ends_once(command: Command, own_database: str, file: Path) -> None:
    command("instruments", "load", file)
    command("instruments", "subscribe", "INFY")

    first, second = command("instruments", "unsubscribe", "408065"), command("instruments", "unsubscribe", "INFY")

    assert (first.code, second.code) == (0, 1)
    assert "nothing is subscribed to" in command("instruments", "registry").out
    assert "ended" in command("instruments", "registry", "--all").out
    (entry,) = json.loads(command("instruments", "registry", "--all", "--json").out)
    assert (entry["tradingsymbol"], entry["is_subscribed"]) == ("INFY", False)


@pytest.mark.parametrize(
    "arguments",
    [
        ("subscribe", "ABSENT"),
        ("subscribe", "99999999999999999999"),
        ("subscribe", "NSE:"),
        ("unsubscribe", "ABSENT"),
    ],
)
def test_what_is_not_there_is_said_to_be_so(command: Command, own_database: str, arguments: tuple[str, str]) -> None:
    result = command("instruments", *arguments)

    assert (result.code, result.err.count("\n")) == (1, 1)


def test_the_database_of_a_running_daemon_is_loaded_and_the_daemon_shows_it(command: Command, daemon: Daemon) -> None:
    loaded = command("instruments", "load", given=dump(INFY, RELIANCE))

    assert (loaded.code, loaded.err) == (0, "")
    eventually(lambda: daemon.status()["database"]["instruments"]["source_file"] == "standard input")
    shown = daemon.status()["database"]["instruments"]
    assert (shown["active"], shown["total"]) == (2, 2)
    assert "active of 2; loaded" in command("status").out


def test_a_large_load_needs_little_memory(own_database: str, tmp_path: Path) -> None:
    path = generated.write(tmp_path / "dump.csv", 120_000)

    command = [sys.executable, "-c", LOAD_AND_TELL_PEAK, "instruments", "load", str(path)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 0, done.stderr
    assert "120000 new" in done.stdout
    assert int(done.stdout.split()[-1]) * 1024 < 100 * MIB


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        (b"x" * 40 * MIB, "dump.csv.gz line 3: is longer than 65536 bytes\n"),
        (b"\n" * 2 * MIB, ""),
    ],
    ids=["one line", "blank lines"],
)
def test_a_packed_file_takes_the_memory_of_a_small_one_whatever_it_unpacks_to(
    own_database: str, tmp_path: Path, rest: bytes, told: str
) -> None:
    path = tmp_path / "dump.csv.gz"
    path.write_bytes(gzip.compress(dump(INFY) + rest, compresslevel=1))

    command = [sys.executable, "-c", LOAD_AND_TELL_PEAK, "instruments", "load", str(path)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=300, check=False)

    assert (done.returncode, done.stderr) == (0, told)
    assert "1 new" in done.stdout
    assert int(done.stdout.split()[-1]) * 1024 < 95 * MIB
