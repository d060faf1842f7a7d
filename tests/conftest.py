"""Real servers for every test that needs one: started once, a database of its own for each test."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import psycopg2
import pytest
import structlog

from actors.gateway.embedded import EmbeddedNats
from actors.runtime.journal import Journal
from persistence.embedded import EmbeddedPostgres
from persistence.migration import upgrade
from persistence.urls import normalise_url

LOG_LINES = 40

_numbers = itertools.count()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows the end of what its daemons logged."""
    report = yield
    directory = getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and isinstance(directory, Path):
        for log in sorted(directory.glob("*.log")):
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
            report.sections.append((f"the end of {log.name}", "\n".join(lines)))
    return report


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the settings of the person who runs it."""
    for name in os.environ:
        if name.startswith(
            ("DATABASE__", "NATS__", "TRADING__", "PAPER_TRADING__", "AUTH__", "LOG__", "HOUSEKEEPING__", "METRICS__")
        ):
            monkeypatch.delenv(name)
    for name in (
        "ACTIVE_BROKERS",
        "RUNTIME_DIR",
        "STATE_DIRECTORY",
        "RUNTIME_DIRECTORY",
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "CREDENTIALS_DIRECTORY",
        "ALPHA_PANDA_SERVICE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """No test logs where another has set the process' log up to go: that stream is closed by now."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    if isinstance(factory := structlog.get_config()["logger_factory"], Journal):
        factory.close()
    logging.captureWarnings(False)
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL, with the superuser's rights, of a cluster's first database."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres") / "data") as server:
        yield server.url


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a NATS server with JetStream."""
    with EmbeddedNats(tmp_path_factory.mktemp("nats") / "data") as server:
        yield server.url


@pytest.fixture(scope="session")
def template(postgres_url: str) -> str:
    """The name of a migrated database to clone."""
    execute(postgres_url, "CREATE DATABASE migrated")
    upgrade(with_database(postgres_url, "migrated"))
    return "migrated"


@pytest.fixture
def database_url(postgres_url: str, template: str) -> Iterator[str]:
    """A migrated database for one test."""
    name = f"test_{next(_numbers)}"
    execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield with_database(postgres_url, name)
    execute(postgres_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def with_database(url: str, name: str) -> str:
    """The URL of another database of the same server."""
    return normalise_url(url).set(database=name).render_as_string(hide_password=False)


def execute(url: str, statement: str) -> list[tuple[object, ...]]:
    """Run one statement by a connection of its own; returns its rows, if it has any."""
    target = normalise_url(url)
    connection = psycopg2.connect(target.set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()
