"""Looks at the stored sessions all the time, as no session may ever go back in time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg2

from persistence.urls import normalise_url

EVERY_S = 0.02
QUERY = "SELECT user_id, session_id, updated_at FROM trading_sessions"


class SessionWatch:
    """Samples by a connection of its own; while the server is away it tries again.

    Args:
        url: of the database itself, not by way of a proxy.
    """

    def __init__(self, url: str) -> None:
        self._url = normalise_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="session-watch", daemon=True)
        self._newest: dict[str, tuple[str, datetime]] = {}
        self.samples = 0
        self.violations: list[str] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._sample()
            except psycopg2.Error:
                self._stop.wait(0.2)

    def _sample(self) -> None:
        connection = psycopg2.connect(self._url, connect_timeout=3, options="-c statement_timeout=3000")
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                while not self._stop.wait(EVERY_S):
                    cursor.execute(QUERY)
                    self._compare(cursor.fetchall())
        finally:
            connection.close()

    def _compare(self, rows: list[tuple[Any, ...]]) -> None:
        self.samples += 1
        for user, session, updated_at in rows:
            known_session, known_at = self._newest.get(user, (session, updated_at))
            if updated_at < known_at:
                self.violations.append(f"sessions: {user} went back from {known_at} to {updated_at}")
            if session != known_session:
                self.violations.append(f"sessions: the id of {user} changed from {known_session} to {session}")
            self._newest[user] = (session, max(updated_at, known_at))


@contextmanager
def watched(url: str) -> Iterator[SessionWatch]:
    """Watch meanwhile; what went back is an error in the end."""
    watch = SessionWatch(url)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()
    assert not watch.violations, "\n".join(watch.violations)
