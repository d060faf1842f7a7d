"""The private PostgreSQL: durable, private, and back after every kind of end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import psycopg2
import psycopg2.extensions
import pytest

from persistence.embedded import EmbeddedPostgres
from persistence.server_process import EmbeddedServerError
from tests.embedded.processes import Watched, exposed, family


@contextmanager
def connected(server: EmbeddedPostgres, password: str | None = None) -> Iterator[psycopg2.extensions.cursor]:
    with closing(psycopg2.connect(server.url.replace("+psycopg2", ""), password=password)) as connection:
        connection.autocommit = True
        yield connection.cursor()


def asked(server: EmbeddedPostgres, query: str) -> object:
    with connected(server) as cursor:
        cursor.execute(query)
        row = cursor.fetchone()
    return row and row[0]


def remember(server: EmbeddedPostgres) -> None:
    with connected(server) as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 42 AS answer")


def kill(server: EmbeddedPostgres) -> None:
    pid = server.pid
    assert pid is not None
    watched = Watched(family(pid))
    os.kill(pid, signal.SIGKILL)
    assert watched.all_ended()


def failure_of(directory: Path) -> str:
    with pytest.raises(EmbeddedServerError) as caught:
        EmbeddedPostgres(directory).start()
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_it_never_gives_up_durability(database: Path) -> None:
    with EmbeddedPostgres(database) as server:
        for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            assert asked(server, f"SHOW {setting}") == "on"


def test_its_database_is_utf8_in_utc(database: Path) -> None:
    with EmbeddedPostgres(database) as server:
        assert asked(server, "SHOW server_encoding") == "UTF8"
        assert asked(server, "SHOW timezone") == "UTC"


def test_it_keeps_its_data_and_address_when_started_again(database: Path) -> None:
    with EmbeddedPostgres(database) as server:
        url = server.url
        remember(server)
    with EmbeddedPostgres(database) as server:
        assert server.url == url
        assert asked(server, "SELECT answer FROM kept") == 42


def test_it_says_that_it_was_killed_and_restarts_on_the_same_address(database: Path) -> None:
    with EmbeddedPostgres(database) as server:
        url = server.url
        remember(server)
        assert server.poll() is None
        kill(server)
        assert server.poll() == -signal.SIGKILL
        server.restart()
        assert server.url == url
        assert asked(server, "SELECT answer FROM kept") == 42


def test_it_takes_over_from_a_server_that_still_runs(database: Path) -> None:
    with EmbeddedPostgres(database) as forgotten:
        remember(forgotten)
        with EmbeddedPostgres(database) as server:
            assert forgotten.poll() is not None
            assert asked(server, "SELECT answer FROM kept") == 42


def test_it_ends_a_backend_that_outlives_its_killed_server(database: Path) -> None:
    with EmbeddedPostgres(database) as server, connected(server) as cursor:
        remember(server)
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone() or (0,)
        os.kill(backend, signal.SIGSTOP)
        os.kill(server.pid or 0, signal.SIGKILL)
        watched = Watched([backend])
        server.restart()
        assert watched.all_ended()
        assert asked(server, "SELECT answer FROM kept") == 42


@pytest.mark.parametrize("content", ["", "{own}\n{data}\n1\n5432\n", "nonsense\n"])
def test_a_stale_process_id_file_is_no_obstacle(database: Path, content: str) -> None:
    pid_file = database / "data" / "postmaster.pid"
    pid_file.write_text(content.format(own=os.getpid(), data=database / "data"))
    with EmbeddedPostgres(database) as server:
        assert asked(server, "SELECT 1") == 1


def test_a_killed_first_start_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "p" / "initdb-0badcafe" / "data").mkdir(parents=True)
    (tmp_path / "p" / "initdb-0badcafe" / "data" / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(tmp_path / "p") as server:
        assert asked(server, "SELECT current_database()") == "alpha_panda"
    assert not list((tmp_path / "p").glob("initdb-*"))


def test_a_damaged_database_is_one_line_and_stays_as_it_is(database: Path) -> None:
    control = database / "data" / "global" / "pg_control"
    control.write_bytes(b"\0" * 8192)
    message = failure_of(database)
    assert str(database / "postgres.log") in message
    assert "did not start" in message
    assert control.read_bytes() == b"\0" * 8192


def test_a_directory_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    stranger = tmp_path / "p" / "data" / "letter"
    stranger.parent.mkdir(parents=True)
    stranger.write_text("dear")
    assert "no PG_VERSION" in failure_of(tmp_path / "p")
    assert stranger.read_text() == "dear"


def test_a_database_of_another_version_names_both(database: Path) -> None:
    made = (database / "data" / "PG_VERSION").read_text().strip()
    (database / "data" / "PG_VERSION").write_text("9\n")
    message = failure_of(database)
    assert "made by PostgreSQL 9," in message
    assert f"{made} (" in message


def test_a_lost_password_is_named(database: Path) -> None:
    (database / "password").unlink()
    assert f"{database / 'password'} is missing" in failure_of(database)


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("")
    assert str(tmp_path / "p") in failure_of(tmp_path / "p")


def test_without_a_server_installed_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("persistence.embedded.candidates", lambda: iter(()))
    assert "alpha-panda[embedded]" in failure_of(tmp_path / "p")


def test_an_old_server_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "postgres"
    old.write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 13.22'\n")
    old.chmod(0o755)
    monkeypatch.setattr("persistence.embedded.candidates", lambda: iter([tmp_path]))
    assert f"only found: 13 ({tmp_path})" in failure_of(tmp_path / "p")


@pytest.mark.parametrize("part", ["x" * 120, "with,comma"])
def test_a_path_no_socket_can_have_means_a_loopback_port(
    copy_of_database: Callable[[Path], Path], tmp_path: Path, part: str
) -> None:
    with EmbeddedPostgres(copy_of_database(tmp_path / part / "p")) as server:
        assert "@127.0.0.1:" in server.url
        assert asked(server, "SHOW listen_addresses") == "127.0.0.1"
        with pytest.raises(psycopg2.OperationalError), connected(server, password="wrong"):
            pass


def test_it_listens_on_nothing_but_its_socket(database: Path) -> None:
    with EmbeddedPostgres(database) as server:
        assert asked(server, "SHOW listen_addresses") == ""
        assert asked(server, "SHOW unix_socket_directories") == f'"{database / "run"}"'


@pytest.mark.parametrize("password", ["", "wrong"])
def test_nobody_gets_in_without_the_password(database: Path, password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSFILE", str(database / "none"))
    with (
        EmbeddedPostgres(database) as server,
        pytest.raises(psycopg2.OperationalError),
        connected(server, password=password),
    ):
        pass


def test_secrets_are_in_no_process_list_environment_or_log(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH__TOKEN_KEYS", "sentinel-key")
    with EmbeddedPostgres(database) as server:
        with pytest.raises(psycopg2.Error):
            asked(server, "SELECT 'sentinel-token'::integer")
        shown = exposed(family(server.pid or 0)) + server.log_path.read_bytes()
    password = (database / "password").read_text().strip()
    assert password.encode() not in shown
    assert b"sentinel" not in shown


def test_its_files_are_private(database: Path) -> None:
    with EmbeddedPostgres(database) as server:
        assert database.stat().st_mode & 0o777 == 0o700
        for name in ("password", "postgres.log"):
            assert (database / name).stat().st_mode & 0o777 == 0o600
        assert psutil.Process(server.pid).uids().real != 0


def test_it_starts_from_the_main_thread_only(tmp_path: Path) -> None:
    errors: list[RuntimeError] = []

    def start() -> None:
        try:
            EmbeddedPostgres(tmp_path / "p").start()
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert len(errors) == 1
