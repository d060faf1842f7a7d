"""What runs in the gateway's loop on the side: nobody waits for it, and how it ends is looked at all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from actors.errors import ActorError
from actors.gateway.errors import NATS_ERRORS, line


class Tasks:
    """The tasks of one loop.

    Args:
        on_failure: called when one ends with an error that is none of NATS or of the actors.
    """

    def __init__(self, on_failure: Callable[[], None]) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self._on_failure = on_failure
        self._log = structlog.get_logger("nats")

    def spawn(self, work: Any) -> None:
        """Run the coroutine."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._finished)

    def cancel(self) -> None:
        """End all that run."""
        for task in tuple(self._running):
            task.cancel()

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, (*NATS_ERRORS, ActorError)):
            self._log.warning("not sent", reason=line(error))
        else:
            self._log.error("unexpected failure; connecting anew", exc_info=error)
            self._on_failure()
