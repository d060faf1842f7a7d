"""MetricsActor: the figures on a port of the loopback interface, for a Prometheus on the same machine."""

from __future__ import annotations

import threading
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server

from actors.errors import StartRefused
from actors.runtime.actor import ServiceActor
from actors.runtime.cell import Context

ADDRESS = "127.0.0.1"
STOP_S = 2.0


class MetricsActor(ServiceActor):
    """Serves `/metrics`, and nothing else, to who may connect to this machine's own address.

    Owns: the port and the thread that serves it.
    Receives: nothing.
    Sends: nothing; it reads what the others have published.
    On failure: restarted; the port is opened anew.
    """

    def __init__(self, context: Context, registry: CollectorRegistry, port: int) -> None:
        super().__init__(context)
        self._registry = registry
        self._port = port
        self._server: WSGIServer | None = None
        self._serving: threading.Thread | None = None

    def on_start(self) -> None:
        try:
            self._server, self._serving = start_http_server(self._port, ADDRESS, self._registry)
        except OSError as error:
            place = f"{ADDRESS}:{self._port}"
            raise StartRefused(
                f"metrics at {place}: {error.strerror}; set METRICS__PORT to another", exit_code=78
            ) from None

    def on_exit(self) -> None:
        if self._server is not None and self._serving is not None:
            self._server.shutdown()
            self._server.server_close()
            self._serving.join(STOP_S)
