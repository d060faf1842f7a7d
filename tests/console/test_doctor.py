"""`doctor`: each thing that can be wrong with the environment is found, with its cure and the exit code."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from actors.gateway.embedded import find_binary
from tests.conftest import execute
from tests.console.conftest import Command
from tests.persistence.databases import name_of
from tests.system.daemon import Daemon, eventually

LISTENING = re.compile(r"Listening for client connections on 127\.0\.0\.1:(\d+)\n(?s:.*)Server is ready")


def steps(command: Command) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and what was found by component."""
    result = command("doctor", "--json")
    return result.code, {step["component"]: step for step in json.loads(result.out)}


def failed(found: dict[str, dict[str, Any]]) -> set[str]:
    """The components that are not healthy; each of them has a cure."""
    bad = {name for name, step in found.items() if step["status"] != "healthy"}
    assert all(found[name]["cure"] for name in bad)
    return bad


def test_beside_a_ready_daemon_everything_is_well(command: Command, daemon: Daemon) -> None:
    daemon.wait_until("ready")

    code, found = steps(command)

    assert (code, failed(found)) == (0, set())
    assert {"Python", "Packages", "Settings", "State directory", "Disk space", "PostgreSQL", "PostgreSQL version"} <= {
        *found
    }
    assert {"Schema", "Clock", "Rights", "NATS", "JetStream", "Token keys", "Broker paper", "Daemon"} <= {*found}
    assert found["Daemon"]["message"] == f"process {daemon.running.pid} is ready"


def test_before_the_first_start_nothing_is_missing_and_nothing_is_made(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))

    result = command("doctor")

    assert result.code == 0
    assert "none runs; start it with `alpha-panda run`" in " ".join(result.out.split())
    assert max(map(len, result.out.splitlines())) <= 80
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("settings", "component", "cure", "code"),
    [
        ({"DATABASE__POSTGRES_URL": "postgresql://u:hunter2@127.0.0.1:1/x"}, "PostgreSQL", "POSTGRES_URL", 69),
        ({"NATS__URL": "nats://u:hunter2@127.0.0.1:1"}, "NATS", "NATS__URL", 69),
        ({"ACTIVE_BROKERS": "bogus", "TRADING__BOGUS__ENABLED": "true"}, "Broker bogus", "ACTIVE_BROKERS", 78),
        ({"AUTH__TOKEN_KEYS": "hunter2"}, "Token keys", "sessions new-key", 78),
        ({"AUTH__TOKEN_KEYS_FILE": "/dev/null"}, "Settings", "correct them", 78),
        ({"AUTH__TOKEN_KEYS": ""}, "Settings", "correct them", 78),
        ({"LOG__LEVEL": "hunter2"}, "Settings", "correct them", 78),
        ({"STATE_DIR": "/dev/null/state"}, "State directory", "STATE_DIR", 78),
    ],
)
def test_each_failure_has_its_cure_and_exit_code_and_tells_no_secret(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    settings: dict[str, str],
    component: str,
    cure: str,
    code: int,
) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    result, (_, found) = command("doctor"), steps(command)

    assert result.code == code
    assert component in failed(found)
    assert cure in found[component]["cure"]
    assert "FAIL" in result.out
    assert "hunter2" not in result.out + result.err


def test_a_setting_that_is_misspelt_in_the_environment_is_told_by_name_alone(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NATS_URL", "nats://u:hunter2@127.0.0.1:1")

    code, found = steps(command)

    assert (code, failed(found)) == (1, {"Settings"})
    assert found["Settings"]["message"] == "valid, but no setting: NATS_URL"
    assert found["Settings"]["cure"] == "did you mean NATS__URL?"


@pytest.mark.parametrize(("text", "mode", "code"), [("", 0o600, 78), ("{key}", 0o644, 1), ("{key}", 0o600, 0)])
def test_a_key_file_is_judged_by_what_it_holds_and_by_who_may_read_it(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, mode: int, code: int
) -> None:
    (tmp_path / "keys").write_text(text.format(key=Fernet.generate_key().decode()))
    (tmp_path / "keys").chmod(mode)
    monkeypatch.setenv("AUTH__TOKEN_KEYS_FILE", str(tmp_path / "keys"))

    found_code, found = steps(command)

    assert found_code == code
    assert failed(found) == ({"Token keys"} if code else set())
    told = found["Token keys"]["message"]
    assert told == "1 key, the first of which seals" if code == 0 else f"AUTH__TOKEN_KEYS_FILE {tmp_path}/keys" in told


@pytest.mark.parametrize(
    ("revision", "cure"), [("0001", "run `alpha-panda db adopt --dry-run`"), ("0002", "run `alpha-panda db upgrade`")]
)
def test_a_schema_that_is_not_at_head_is_to_be_brought_there(
    command: Command, monkeypatch: pytest.MonkeyPatch, database_url: str, revision: str, cure: str
) -> None:
    monkeypatch.setenv("DATABASE__POSTGRES_URL", database_url)
    execute(database_url, f"UPDATE alembic_version SET version_num = '{revision}'")

    code, found = steps(command)

    assert code == 78
    assert failed(found) == {"Schema"}
    assert found["Schema"]["cure"] == cure


def test_a_user_without_rights_is_found(command: Command, monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    role = f"{name_of(database_url)}_guest"
    execute(database_url, f"CREATE ROLE {role} LOGIN PASSWORD 'guest'")
    try:
        execute(database_url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        address = database_url.rpartition("@")[2]
        monkeypatch.setenv("DATABASE__POSTGRES_URL", f"postgresql://{role}:guest@{address}")

        code, found = steps(command)
    finally:
        execute(database_url, f"DROP OWNED BY {role}")
        execute(database_url, f"DROP ROLE {role}")

    assert code == 78
    assert failed(found) == {"Rights"}
    assert "DELETE on broker_leases" in found["Rights"]["message"]


def store_books(database_url: str, positions: str) -> None:
    execute(
        database_url,
        "INSERT INTO portfolio_snapshots (portfolio_id, broker_namespace, strategy_id, positions, total_realized_pnl,"
        f" total_unrealized_pnl, total_pnl, cash) VALUES ('paper:s1', 'paper', 's1', '{positions}', 0, 0, 0, 9)",
    )


def test_stored_books_that_cannot_be_opened_are_found(
    command: Command, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setenv("DATABASE__POSTGRES_URL", database_url)
    store_books(database_url, '{"7": {}}')

    code, found = steps(command)

    assert (code, failed(found)) == (1, {"Stored books"})
    assert found["Stored books"]["message"].startswith("portfolio paper:s1 (row ")
    assert "`alpha-panda db verify`" in found["Stored books"]["cure"]


def test_stored_books_that_can_be_opened_are_well(
    command: Command, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setenv("DATABASE__POSTGRES_URL", database_url)
    store_books(database_url, "{}")

    code, found = steps(command)

    assert (code, failed(found)) == (0, set())
    assert found["Stored books"]["message"] == "all can be opened"


def test_it_says_that_it_does_not_see_what_an_embedded_database_holds_while_that_is_down(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    (tmp_path / "postgres" / "data").mkdir(parents=True)

    code, found = steps(command)

    assert (code, failed(found)) == (0, set())
    assert "tokens and books not looked at" in found["Stored data"]["message"]


@contextmanager
def plain_nats(directory: Path) -> Iterator[str]:
    """A NATS server without JetStream."""
    told = directory / "nats.log"
    with told.open("wb") as log:
        server = subprocess.Popen([str(find_binary()), "-a", "127.0.0.1", "-p", "-1"], stdout=log, stderr=log)
    try:
        port = eventually(lambda: LISTENING.search(told.read_text()))
        yield f"nats://127.0.0.1:{port[1]}"
    finally:
        server.kill()
        server.wait()


def test_a_nats_server_without_jetstream_is_of_no_use(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with plain_nats(tmp_path) as url:
        monkeypatch.setenv("NATS__URL", url)
        code, found = steps(command)

    assert code == 69
    assert failed(found) == {"JetStream"}
    assert "--jetstream" in found["JetStream"]["cure"]


def test_a_nats_server_that_no_daemon_has_used_yet_is_well(
    command: Command, monkeypatch: pytest.MonkeyPatch, nats_url: str
) -> None:
    monkeypatch.setenv("NATS__URL", nats_url)

    code, found = steps(command)

    assert (code, failed(found)) == (0, set())
    assert found["JetStream"]["message"].startswith("on; ")


def test_a_daemon_that_is_not_ready_is_weak(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str
) -> None:
    settings = {"DATABASE__POSTGRES_URL": database_url, "NATS__URL": "nats://127.0.0.1:1"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))
    daemon = Daemon(tmp_path / "state", **settings).start()
    try:
        daemon.wait_until("degraded")
        code, found = steps(command)
    finally:
        daemon.kill()

    assert code == 69
    assert failed(found) == {"NATS", "Daemon"}
    assert "NATS is away" in found["Daemon"]["message"]
