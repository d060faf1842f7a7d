"""`db adopt` as its user meets it: the plan, the question, the end, and the exit codes."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command as migrate

from persistence.migration import configuration, heads
from persistence.urls import normalise_url
from tests.adoption.dirt import fill, snapshot
from tests.adoption.dumps import schema_of
from tests.adoption.old_databases import L0, L1, OldDatabase
from tests.conftest import execute
from tests.console.conftest import Command
from tests.persistence.databases import connected, name_of, new_database


@pytest.fixture
def old_url(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A dirty L0, which the settings name."""
    with new_database(postgres_url) as url:
        L0.make(url)
        fill(url, L0)
        monkeypatch.setenv("DATABASE__POSTGRES_URL", url)
        yield url


def test_a_dry_run_shows_rows_locks_and_losses_and_writes_nothing(command: Command, old_url: str) -> None:
    before = schema_of(old_url, side_tables=True)

    result = command("db", "adopt", "--dry-run")

    assert result.code == 0
    assert "found     L0, Alpha Panda before the critical fixes" in result.out
    assert "trading_sessions, 12 rows" in result.out
    assert "put the copy in its place     ACCESS EXCLUSIVE     all 2.2s" in result.out
    assert "trading_sessions: 4 rows that are older duplicates are set aside" in result.out
    assert "instrument_registry: 2 rows without an instrument are set aside" in result.out
    assert "portfolio_snapshots: 3 rows whose money is NaN or infinite are set aside" in result.out
    assert re.search(r"0\.\d MB are copied: estimated at 1\.0s, at 8 MB a second\.", result.out)
    assert "instruments.last_price: 1 values that are NaN or the JSON null become NULL" in result.out
    assert "trading_events.event_data: 3 values that jsonb refuses are mended, and kept" in result.out
    assert "strategy_configurations.use_composition: 1 rows get false" in result.out
    assert "portfolio_snapshots: 10 snapshots under another name than broker:strategy: of each strategy" in result.out
    assert result.out.endswith("a dry run: nothing was changed\n")
    assert schema_of(old_url, side_tables=True) == before


def test_it_is_adopted_when_told_so_and_says_what_was_set_aside(command: Command, old_url: str) -> None:
    adopted, checked, again = command("db", "adopt", "--yes"), command("db", "check"), command("db", "adopt", "--yes")

    assert adopted.code == 0
    assert f"the schema is at head, {heads()}" in adopted.out
    assert "4 rows were set aside or mended: see _dup_trading_sessions_0002" in adopted.out
    assert "db verify`" in adopted.out
    assert checked.out.endswith("at head, and as this version makes it\n")
    assert (again.code, again.out) == (0, f"nothing to adopt: the schema is at head, {heads()}\n")


def test_without_anybody_to_confirm_it_nothing_is_done(command: Command, old_url: str) -> None:
    before = schema_of(old_url, side_tables=True)

    result = command("db", "adopt")

    assert result.code == 64
    assert "--yes" in result.err
    assert schema_of(old_url, side_tables=True) == before


def test_an_upgrade_of_an_old_database_points_to_it(command: Command, old_url: str) -> None:
    result = command("db", "upgrade")

    assert result.code == 78
    assert "db adopt --dry-run`" in result.err


def test_one_that_differs_is_refused_in_a_line_with_the_differences_above(command: Command, old_url: str) -> None:
    with connected(old_url) as connection:
        connection.exec_driver_sql("ALTER TABLE users ADD COLUMN email text")

    result = command("db", "adopt", "--yes")

    assert result.code == 78
    assert "differs  the column users.email (text) is not Alpha Panda's" in result.out
    assert result.err.count("\n") == 1
    assert "nothing was changed" in result.err
    assert (result.out + result.err).count("users.email") == 1


def test_a_view_in_the_way_is_called_a_view(command: Command, old_url: str) -> None:
    with connected(old_url) as connection:
        connection.exec_driver_sql("CREATE VIEW fills AS SELECT * FROM trading_events")

    result = command("db", "adopt", "--yes")

    assert result.out == (
        "differs  view fills hangs on trading_events, which is written anew: drop it, and make it again afterwards\n"
    )
    assert "the line above says why; nothing was changed" in result.err


def test_in_a_file_no_name_is_broken_and_every_step_is_a_line_with_its_duration(command: Command, old_url: str) -> None:
    result = command("db", "adopt", "--yes")

    lines = result.out.splitlines()
    name = "create index idx_instruments_symbol_exchange"
    assert any(line.startswith(f"  {name}  ") and line.endswith("  nobody waits") for line in lines)
    assert any(re.fullmatch(rf"instruments {name}, [\d.]+m?s", line) for line in lines)
    assert any(re.fullmatch(r"trading_events put the copy in its place, [\d.]+m?s", line) for line in lines)
    assert any(re.fullmatch(r"upgrade to head, [\d.]+m?s", line) for line in lines)


BAD_BOOKS = {
    "tiny": ("5e-324", "{}", "cannot|can be booked exactly"),
    "no books": ("1", '{"a": 1}', "position a: not an object"),
    "huge": ("1", '{"1": {"quantity": 1e400}}', "can be booked exactly"),
    "null": ("1", "null", "positions is not an object"),
}


@pytest.mark.parametrize("old", [L0, L1], ids=lambda one: one.name)
def test_books_that_the_daemon_cannot_open_are_named_by_plan_and_end_and_proof_until_they_are_corrected(
    command: Command, postgres_url: str, monkeypatch: pytest.MonkeyPatch, old: OldDatabase
) -> None:
    with new_database(postgres_url) as url:
        old.make(url)
        monkeypatch.setenv("DATABASE__POSTGRES_URL", url)
        with connected(url) as connection:
            for name, (cash, positions, _) in BAD_BOOKS.items():
                statement = snapshot(f"book of {name}", cash, "2025-01-01", positions)
                connection.exec_driver_sql(statement.replace("'momentum'", f"'{name}'"))
            ids = dict(connection.exec_driver_sql("SELECT portfolio_id, id FROM portfolio_snapshots").all())

        planned, done, verified = (
            command(*words) for words in (("db", "adopt", "--dry-run"), ("db", "adopt", "--yes"), ("db", "verify"))
        )

        assert (planned.code, done.code, verified.code) == (0, 0, 1)
        words = (
            "portfolio_snapshots: 4 of the books cannot be opened; they stay as they are, and the daemon parks paper"
        )
        assert words in planned.out
        assert done.out.count(words) == 2
        assert "failed portfolio_snapshots: rows books that cannot be opened 4: " in verified.out
        for name, (*_, reason) in BAD_BOOKS.items():
            said = rf"portfolio book of {name} \(row {ids[f'book of {name}']} of portfolio_snapshots\): .*({reason})"
            assert all(re.search(said, text) for text in (planned.out, done.out, verified.out))

        with connected(url) as connection:
            connection.exec_driver_sql(
                "UPDATE portfolio_snapshots SET positions = '{}', total_realized_pnl = 0, cash = 1"
            )
        corrected = command("db", "verify")
        assert corrected.code == 0
        assert "note portfolio_snapshots: rows portfolio_id not broker:strategy_id 4 rows" in corrected.out


@pytest.mark.parametrize("strategies", [1, 22])
def test_strategies_that_begin_anew_are_named_but_not_more_than_twenty(
    command: Command, old_url: str, strategies: int
) -> None:
    with connected(old_url) as connection:
        for number in range(strategies):
            statement = snapshot(f"paper:lost{number:02}", "'NaN'", "2025-01-01")
            connection.exec_driver_sql(statement.replace("'momentum'", f"'lost{number:02}'"))

    result = command("db", "adopt", "--dry-run")

    those = "1 strategy has" if strategies == 1 else f"{strategies} strategies have"
    assert f"portfolio_snapshots: {those} no others, and the daemon begins anew there, with the starting" in result.out
    assert result.out.count("  portfolio paper:lost") == min(strategies, 20)
    assert "  portfolio paper:lost00 of the strategy lost00 at paper\n" in result.out
    assert ("  and 2 more\n" in result.out) == (strategies > 20)


def test_an_upgrade_is_planned_by_revision_with_what_each_locks(
    command: Command, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with new_database(postgres_url) as url:
        migrate.upgrade(configuration(url), "0005")
        execute(
            url, "INSERT INTO inbox (consumer, message_id) SELECT 'c', n::text FROM generate_series(1, 300000) AS n"
        )
        monkeypatch.setenv("DATABASE__POSTGRES_URL", url)

        planned, done = command("db", "adopt", "--dry-run"), command("db", "adopt", "--yes")

    assert (planned.code, done.code) == (0, 0)
    lines = [line.split("  ") for line in planned.out.splitlines() if line.startswith("  upgrade to")]
    assert [[cell.strip() for cell in line if cell] for line in lines] == [
        ["upgrade to 0006: trading_sessions", "ACCESS EXCLUSIVE", "all about 1.2s"],
        ["upgrade to 0007: instruments", "SHARE", "writers about 1.2s"],
        ["upgrade to 0008: trading_events", "ACCESS EXCLUSIVE", "all about 1.2s"],
        ["upgrade to 0009: inbox", "ACCESS EXCLUSIVE", "all about 1.4s"],
    ]
    assert "A revision waits up to 1.2s for the lock of each of its tables" in planned.out


def test_a_proof_after_an_adoption_finds_no_fault_in_what_that_keeps_on_purpose(command: Command, old_url: str) -> None:
    with connected(old_url) as connection:
        connection.exec_driver_sql("UPDATE strategy_configurations SET instruments = '{}', parameters = 'null'")
        connection.exec_driver_sql("UPDATE trading_events SET event_data = 'null' WHERE event_id = 'event-1'")
        connection.exec_driver_sql("UPDATE trading_sessions SET session_data = '[]' WHERE session_id = 'd1'")

    adopted, verified = command("db", "adopt", "--yes"), command("db", "verify")

    assert (adopted.code, verified.code) == (0, 0)
    assert "note strategy_configurations: rows instruments not a JSON array 5 rows" in verified.out
    assert "note trading_events: rows event_data not a JSON object 1 row" in verified.out
    assert "is_active" not in "".join(line for line in verified.out.splitlines() if line.startswith("note"))


def test_what_is_wrong_with_the_server_is_a_line_and_its_exit_code(
    command: Command, old_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = normalise_url(old_url)
    urls = {
        69: "postgresql://u:secret@127.0.0.1:9/d",
        78: target.set(password="secret").render_as_string(hide_password=False),
    }
    for code, url in urls.items():
        monkeypatch.setenv("DATABASE__POSTGRES_URL", url)

        result = command("db", "adopt", "--yes")

        assert result.code == code
        assert result.err.count("\n") == 1
        assert "secret" not in result.err + result.out


def test_a_read_only_database_is_unavailable(command: Command, old_url: str) -> None:
    with connected(old_url) as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {name_of(old_url)} SET default_transaction_read_only = on")

    result = command("db", "adopt", "--yes")

    assert result.code == 69
    assert "read-only" in result.err


def test_a_table_in_use_is_a_matter_of_trying_again(command: Command, old_url: str) -> None:
    with connected(old_url) as reader:
        reader.exec_driver_sql("BEGIN")
        reader.exec_driver_sql("SELECT count(*) FROM trading_events")

        result = command("db", "adopt", "--yes", "--patience", "1")

        assert result.code == 75
        assert "trading_events was in use for 1 s" in result.err
        assert result.err.count("\n") == 1
    assert command("db", "adopt", "--yes").code == 0


def test_a_connection_that_is_lost_is_unavailable_and_told_what_to_do(command: Command, old_url: str) -> None:
    cut = threading.Event()

    def cut_where_it_waits() -> None:
        with connected(old_url) as connection:
            while (
                not cut.wait(0.01)
                and not connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND application_name = 'alpha-panda/adopt' AND wait_event_type = 'Lock'"
                ).all()
            ):
                pass

    with connected(old_url) as reader:
        reader.exec_driver_sql("BEGIN")
        reader.exec_driver_sql("SELECT count(*) FROM trading_events")
        cutter = threading.Thread(target=cut_where_it_waits)
        cutter.start()

        result = command("db", "adopt", "--yes", "--patience", "20")

        cut.set()
        cutter.join(10)
    assert result.code == 69
    assert result.err.count("\n") == 1
    assert "adopt again: it goes on from where it had come to" in result.err


def test_an_unfinished_one_can_be_taken_back(command: Command, old_url: str) -> None:
    with connected(old_url) as reader:
        reader.exec_driver_sql("BEGIN")
        reader.exec_driver_sql("SELECT count(*) FROM strategy_configurations")
        command("db", "adopt", "--yes", "--patience", "1")

    seen, undone = command("db", "adopt", "--dry-run"), command("db", "adopt", "--undo")

    assert "an adoption that was interrupted goes on" in seen.out
    assert undone.code == 0
    assert "dropped the unfinished copies of strategy_configurations" in undone.out


def test_taking_back_what_is_finished_does_nothing_and_says_so(command: Command, old_url: str) -> None:
    command("db", "adopt", "--yes")
    execute(old_url, "CREATE TABLE _log_trading_sessions (mine text)")
    before = schema_of(old_url, side_tables=True)

    undone = command("db", "adopt", "--undo")

    assert (undone.code, undone.out.splitlines()) == (
        0,
        [
            "_log_trading_sessions was left alone: nothing shows that an unfinished adoption has made it",
            "there were no unfinished copies",
        ],
    )
    assert schema_of(old_url, side_tables=True) == before


def test_taking_back_at_a_revision_that_is_unknown_is_refused(command: Command, old_url: str) -> None:
    command("db", "adopt", "--yes")
    execute(old_url, "UPDATE alembic_version SET version_num = '0042'")

    undone = command("db", "adopt", "--undo")

    assert (undone.code, undone.err.count("\n")) == (78, 1)
    assert "at 0042, which this version does not know" in undone.err


def test_the_embedded_database_is_adopted_as_well(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "own"))

    made = command("db", "adopt", "--yes")

    assert made.code == 0
    assert "found     empty" in made.out
    assert "upgraded in" in made.out


def test_a_clean_database_has_nothing_to_tell(
    command: Command, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with new_database(postgres_url) as url:
        L1.make(url)
        monkeypatch.setenv("DATABASE__POSTGRES_URL", url)

        result = command("db", "adopt", "--yes")

    assert result.code == 0
    assert "set aside" not in result.out
