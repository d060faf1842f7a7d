"""The schema commands on databases of ours and of others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from persistence.migration import heads
from tests.conftest import execute, with_database
from tests.console.conftest import Command
from tests.system.daemon import Daemon, eventually
from tests.system.proxy import proxy


@pytest.fixture
def empty_database(postgres_url: str) -> Iterator[str]:
    execute(postgres_url, "CREATE DATABASE console_empty")
    yield with_database(postgres_url, "console_empty")
    execute(postgres_url, "DROP DATABASE console_empty WITH (FORCE)")


def test_an_empty_database_is_not_at_head_until_it_is_upgraded(
    command: Command, monkeypatch: pytest.MonkeyPatch, empty_database: str
) -> None:
    monkeypatch.setenv("DATABASE__POSTGRES_URL", empty_database)

    before, upgraded, after = command("db", "check"), command("db", "upgrade"), command("db", "check")

    assert before.code == 78
    assert "alpha-panda db upgrade" in before.err
    assert upgraded.code == 0
    assert upgraded.out == f"the schema is at head: {heads()}\n"
    assert after.code == 0
    assert after.out.splitlines()[:2] == [f"current  {heads()}", f"head     {heads()}"]


def test_a_schema_that_was_changed_by_hand_is_told(
    command: Command, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setenv("DATABASE__POSTGRES_URL", database_url)
    execute(database_url, "ALTER TABLE inbox ADD COLUMN surplus integer")

    result = command("db", "check")

    assert result.code == 0
    assert "differs  remove column inbox.surplus" in result.out


def test_an_upgrade_waits_for_a_server_that_comes_and_no_longer_than_it_was_told(
    command: Command, monkeypatch: pytest.MonkeyPatch, empty_database: str
) -> None:
    with proxy(empty_database) as network:
        monkeypatch.setenv("DATABASE__POSTGRES_URL", network.url)
        network.refusing = True
        refused = command("db", "upgrade", "--wait", "0.5")
        tried = network.refused

        def come_back() -> None:
            eventually(lambda: network.refused > tried)
            network.heal()

        back = threading.Thread(target=come_back)
        back.start()
        upgraded = command("db", "upgrade", "--wait", "90")
        back.join()

    assert refused.code == 69
    assert upgraded.code == 0
    assert upgraded.err.count("\n") == 1
    assert upgraded.err.startswith("waiting for PostgreSQL: ")
    assert upgraded.err.endswith(", up to 90 s\n")


def test_a_database_that_is_away_is_unavailable(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE__POSTGRES_URL", "postgresql://u:secret@127.0.0.1:9/d")

    for word in ("check", "upgrade"):
        result = command("db", word)

        assert result.code == 69
        assert result.err.count("\n") == 1
        assert "secret" not in result.err


def test_the_database_of_a_running_daemon_is_checked_and_not_upgraded(command: Command, daemon: Daemon) -> None:
    checked, upgraded, adopted = command("db", "check"), command("db", "upgrade"), command("db", "adopt", "--yes")

    assert checked.code == 0
    assert "at head" in checked.out
    assert (upgraded.code, adopted.code) == (75, 75)
    assert "in use by process" in upgraded.err


def test_an_embedded_database_is_made_by_an_upgrade_and_checked_without_a_daemon(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "own"))

    missing, made, checked = command("db", "check"), command("db", "upgrade"), command("db", "check")

    assert missing.code == 78
    assert "no embedded database" in missing.err
    assert made.code == 0
    assert checked.code == 0
