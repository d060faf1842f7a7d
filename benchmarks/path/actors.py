"""The actors through which a session is saved, in the process of the benchmark: a real tree, and no NATS."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from actors.auth import AuthActor
from actors.database.actor import DatabaseActor
from actors.messages import SaveSession, StoredSession
from actors.process import tune_interpreter
from actors.runtime.cell import Context
from actors.runtime.child import ChildSpec
from actors.runtime.directory import Handle
from benchmarks.measurement import BenchmarkFailed
from benchmarks.path.logins import login
from benchmarks.rounds import DEADLINE_S
from benchmarks.trees import running
from persistence.database import open_database
from settings import DatabaseSettings


@contextmanager
def auth_actor(database_url: str) -> Iterator[Handle]:
    """The handle of an AuthActor that stands beside its DatabaseActor."""
    database = open_database(database_url, DatabaseSettings(), "benchmark")

    def writer(context: Context) -> DatabaseActor:
        return DatabaseActor(context, database, embedded=False, node="benchmark", incarnation="1", migrate=None)

    specs = [
        ChildSpec("database", writer, mailbox_capacity=50_000),
        ChildSpec("auth", lambda context: AuthActor(context, database), depends_on=("database",)),
    ]
    thresholds, interval_s = gc.get_threshold(), sys.getswitchinterval()
    try:
        with running(*specs) as grove:
            tune_interpreter()
            yield grove["auth"]
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
        sys.setswitchinterval(interval_s)
        database.close()


def told_per_s(auth: Handle, count: int, outstanding: int) -> float:
    """Saves per second, with so many told and not yet answered at any time.

    Raises:
        BenchmarkFailed: one was refused, or they take too long.
    """
    return Saving(auth, count).per_s(outstanding)


class Saving:
    """So many saves, a number of them outstanding at any time: each answer has the next one sent."""

    def __init__(self, auth: Handle, count: int) -> None:
        self._auth = auth
        self._commands: Iterator[SaveSession] = iter([command(number) for number in range(count)])
        self._count = count
        self._left = count
        self._done = threading.Event()
        self._problem: str | None = None

    def per_s(self, outstanding: int) -> float:
        """Saves per second.

        Raises:
            BenchmarkFailed: one was refused, or they take too long.
        """
        began = time.perf_counter()
        for _ in range(outstanding):
            self._send()
        if not self._done.wait(DEADLINE_S):
            raise BenchmarkFailed(f"{self._left} saves were not answered within {DEADLINE_S:g} s")
        if self._problem is not None:
            raise BenchmarkFailed(f"a save was refused: {self._problem}")
        return self._count / (time.perf_counter() - began)

    def _send(self) -> None:
        command = next(self._commands, None)
        if command is not None:
            self._auth.post(command, self)

    def complete(self, value: Any) -> None:
        """Answered, by the writer's thread."""
        if not isinstance(value, StoredSession):
            self.fail(BenchmarkFailed(f"answered with {type(value).__name__}"))
        self._left -= 1
        if self._left:
            self._send()
        else:
            self._done.set()

    def fail(self, error: BaseException) -> None:
        """Refused."""
        self._problem = str(error)
        self._done.set()


def command(number: int) -> SaveSession:
    """The login of that number, as AuthActor gets it."""
    now = datetime.now(UTC)
    row = login(number, now)
    data = row["session_data"]
    return SaveSession(
        message_id=row["session_id"],
        user_id=row["user_id"],
        access_token=data["access_token"],
        saved_at=now,
        correlation_id=row["session_id"],
        login_method=data["login_method"],
        user_name=data["user_name"],
        broker=data["broker"],
        email=data["email"],
    )
