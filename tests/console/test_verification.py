"""`db verify` on good and on broken databases, wherever they are."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

import psycopg2
import pytest

from persistence.migration import heads
from persistence.urls import normalise_url
from tests.conftest import execute
from tests.console.conftest import Command
from tests.system.daemon import Daemon

WORDS = ("db", "verify")


@pytest.fixture
def given_url(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A migrated database that the settings name."""
    monkeypatch.setenv("DATABASE__POSTGRES_URL", database_url)
    return database_url


def test_a_good_database_is_proved_table_by_table(command: Command, given_url: str) -> None:
    result = command(*WORDS)

    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    (sessions,) = [line.split() for line in lines if line.startswith("trading_sessions")]
    assert sessions[:3] == ["trading_sessions", "columns", "8"]
    assert "instrument_registry_instrument_token_fkey" in result.out
    assert re.match(r"\d{3} proved, nothing failed, in ", lines[-1])
    assert max(map(len, lines)) <= 80


def test_failures_come_first_with_their_cures_and_then_notes(command: Command, given_url: str) -> None:
    execute(given_url, "DROP INDEX idx_trading_events_correlation")
    execute(given_url, "ALTER TABLE users ADD COLUMN phone text")

    result = command(*WORDS)

    assert result.code == 1
    failed, cure, note, *rest = result.out.splitlines()
    assert failed == (
        "failed trading_events: index idx_trading_events_correlation is missing, has to be btree (correlation_id)"
    )
    assert cure.strip() == (
        "DROP INDEX CONCURRENTLY IF EXISTS idx_trading_events_correlation; "
        "CREATE INDEX CONCURRENTLY idx_trading_events_correlation ON trading_events (correlation_id)"
    )
    assert note == "note users: column phone not of this version: text"
    assert re.match(r"\d{3} proved, 1 failed, in ", rest[-1])


def test_a_column_is_proved_when_its_type_and_nulls_and_default_are(command: Command, given_url: str) -> None:
    execute(given_url, "ALTER TABLE trading_sessions ALTER COLUMN user_id DROP NOT NULL")

    result = command(*WORDS)

    assert "failed trading_sessions: nulls user_id is nullable, has to be not null" in result.out
    (sessions,) = [line.split() for line in result.out.splitlines() if line.startswith("trading_sessions")]
    assert sessions[:3] == ["trading_sessions", "columns", "7"]


def test_a_note_is_no_failure(command: Command, given_url: str) -> None:
    execute(given_url, "CREATE INDEX own ON users (created_at)")

    assert command(*WORDS).code == 0


def test_other_programs_get_every_finding_as_json(command: Command, given_url: str) -> None:
    execute(given_url, "ALTER TABLE portfolio_snapshots ALTER COLUMN cash TYPE double precision")

    result = command(*WORDS, "--json")
    document = json.loads(result.out)

    assert result.code == 1
    assert (document["head"], document["failed"], document["notes"]) == (heads(), 1, 0)
    assert document["passed"] == len(document["findings"]) - 1
    (failed,) = [one for one in document["findings"] if one["verdict"] == "failed"]
    assert failed == {
        "table": "portfolio_snapshots",
        "kind": "column",
        "name": "cash",
        "verdict": "failed",
        "detail": "is double precision, has to be numeric",
        "cure": "ALTER TABLE portfolio_snapshots ALTER COLUMN cash TYPE numeric USING cash::numeric",
    }
    assert str(normalise_url(given_url).password) not in result.out


def test_a_database_that_is_not_at_head_is_a_mismatch(command: Command, given_url: str) -> None:
    execute(given_url, "UPDATE alembic_version SET version_num = '0002'")

    result = command(*WORDS)

    assert result.code == 78
    assert "alpha-panda db upgrade" in result.err


def test_a_database_that_is_away_is_unavailable(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE__POSTGRES_URL", "postgresql://u:secret@127.0.0.1:9/d")

    result = command(*WORDS)

    assert result.code == 69
    assert result.err.count("\n") == 1
    assert "secret" not in result.err


def test_a_table_that_something_else_holds_is_for_later(
    command: Command, given_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE__LOCK_TIMEOUT_MS", "200")
    target = normalise_url(given_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with contextlib.closing(psycopg2.connect(target)) as holder:
        holder.cursor().execute("LOCK TABLE trading_events IN ACCESS EXCLUSIVE MODE")

        result = command(*WORDS)

    assert result.code == 75
    assert "try again" in result.err


@pytest.mark.parametrize("timeout", ["0", "nan", "soon"])
def test_a_timeout_that_is_none_is_a_wrong_command_line(command: Command, given_url: str, timeout: str) -> None:
    assert command(*WORDS, "--timeout", timeout).code == 64


def test_the_database_of_a_running_daemon_is_proved(command: Command, daemon: Daemon) -> None:
    result = command(*WORDS)

    assert (result.code, result.err) == (0, "")


def test_an_embedded_database_is_proved_without_a_daemon(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "own"))

    missing, _made, proved = command(*WORDS), command("db", "upgrade"), command(*WORDS)

    assert missing.code == 78
    assert "no embedded database" in missing.err
    assert proved.code == 0
