"""The health checks of this service: what each asks, and the cure it names."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from actors.health import Check, CheckFailed
from actors.runtime.directory import Directory
from settings import Settings

MIN_FREE_BYTES = 200 << 20


class Database(Protocol):
    """What the checks need of the database."""

    def ping(self) -> float: ...

    def check_schema(self) -> None: ...


def checks(
    settings: Settings, database: Database, database_error: type[Exception], directory: Directory
) -> list[Check]:
    """Every check, the essential ones first; `database_error` is what the database raises."""
    several = [
        Check("PostgreSQL", _postgres(database, database_error), essential=True, exit_code=69),
        Check("Schema", _schema(database, database_error), essential=True, exit_code=78),
        Check("Disk space", _disk(settings)),
    ]
    live = [broker for broker in settings.brokers if broker != "paper"]
    return several + [Check(f"{broker} session", _session(directory, broker)) for broker in live]


def _postgres(database: Database, database_error: type[Exception]) -> Callable[[], str]:
    def check() -> str:
        try:
            return f"answers in {database.ping() * 1000:.1f} ms"
        except database_error as error:
            raise CheckFailed(str(error)) from error

    return check


def _schema(database: Database, database_error: type[Exception]) -> Callable[[], str]:
    def check() -> str:
        try:
            database.check_schema()
        except database_error as error:
            raise CheckFailed(str(error)) from error
        return "at head"

    return check


def _disk(settings: Settings) -> Callable[[], str]:
    def check() -> str:
        free = shutil.disk_usage(settings.state_dir).free
        if free < MIN_FREE_BYTES:
            raise CheckFailed(f"{free >> 20} MiB free in {settings.state_dir}: make room")
        return f"{free >> 30} GiB free"

    return check


def _session(directory: Directory, broker: str) -> Callable[[], str]:
    def check() -> str:
        snapshot = directory["auth"].telemetry.snapshot
        sessions = {} if snapshot is None else snapshot.as_status(0.0)["sessions"]
        session = sessions.get(broker)
        if session is None or session["state"] != "active":
            raise CheckFailed(f"no active session: log in to {broker} and run `alpha-panda sessions save`")
        return f"{session['user_id']} until {session['expires_at'] or 'further notice'} ({datetime.now(UTC):%H:%M} UTC)"

    return check
