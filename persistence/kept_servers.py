"""Embedded servers that are started again when they die, ever more rarely when they will not start."""

from __future__ import annotations

import time

import structlog

from persistence.server_process import EmbeddedServer, EmbeddedServerError

PAUSE_MIN_S = 0.5
PAUSE_MAX_S = 30.0


class KeptServers:
    """Used by the main thread alone, as the servers' lives are tied to the thread that starts them."""

    def __init__(self) -> None:
        self._servers: list[EmbeddedServer] = []
        self._not_before = 0.0
        self._pause_s = PAUSE_MIN_S
        self._log = structlog.get_logger("embedded")

    def add(self, server: EmbeddedServer) -> None:
        """Keep a server that runs."""
        self._servers.append(server)

    def revive(self) -> None:
        """Start those again that died, unless the last attempt was a moment ago."""
        dead = [server for server in self._servers if server.poll() is not None]
        if not dead:
            self._pause_s = PAUSE_MIN_S
        if not dead or time.monotonic() < self._not_before:
            return
        for server in dead:
            self._log.error("server died; starting it again", server=type(server).__name__, code=server.poll())
            try:
                server.restart()
            except EmbeddedServerError as error:
                self._log.error("server did not start", reason=str(error))
                self._pause_s = min(PAUSE_MAX_S, self._pause_s * 2)
        self._not_before = time.monotonic() + self._pause_s
