"""An HTTP server on a thread of its own, whoever connects: a slow or silent caller costs a file, not a thread."""

from __future__ import annotations

import gc
import socket
import threading
from typing import Any

import uvicorn
from starlette.types import ASGIApp

STOP_S = 3.0


class HttpThread:
    """Serves an application on a listening socket, which it closes in the end.

    Args:
        name: of the thread.
        application: what answers.
        listener: where.
        options: more of uvicorn's.
    """

    def __init__(self, name: str, application: ASGIApp, listener: socket.socket, **options: Any) -> None:
        config = uvicorn.Config(
            application, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1, **options
        )
        self._server: uvicorn.Server | None = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests, and wait for the thread as long as `STOP_S`."""
        if self._server is None:
            return
        self._server.should_exit = True
        self._thread.join(STOP_S)
        if not self._thread.is_alive():
            self._server = None
            gc.collect()  # as in the gateway: the server's loop goes now
