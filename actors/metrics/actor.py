"""MetricsActor: the figures on a port of the loopback interface, for a Prometheus on the same machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.routing import Route

from actors.errors import StartRefused
from actors.http_thread import HttpThread
from actors.runtime.actor import ServiceActor
from actors.runtime.cell import Context

ADDRESS = "127.0.0.1"


class MetricsActor(ServiceActor):
    """Serves `/metrics`, and nothing else, to who may connect to this machine's own address.

    Owns: the port and the thread that serves it.
    Receives: nothing.
    Sends: nothing; it reads what the others have published.
    On failure: restarted; the port is opened anew.
    """

    def __init__(self, context: Context, routes: Sequence[Route], port: int) -> None:
        super().__init__(context)
        self._routes = routes
        self._port = port
        self._serving: HttpThread | None = None

    def on_start(self) -> None:
        try:
            listener = socket.create_server((ADDRESS, self._port))
        except OSError as error:
            place = f"{ADDRESS}:{self._port}"
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise StartRefused(f"metrics at {place}: {reason}; set METRICS__PORT to another", exit_code=78) from None
        self._serving = HttpThread("metrics-http", Starlette(routes=self._routes), listener)
        self._serving.start()

    def on_exit(self) -> None:
        if self._serving is not None:
            self._serving.stop()
