"""Stopping and resuming the intake on the operator socket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from actors.errors import ActorError
from actors.messages import ResumeIntake, StopIntake
from actors.runtime.directory import Directory

ASK_S = 10.0


class DrainRoutes:
    """Answers in the HTTP thread.

    Args:
        directory: the way to the gateway.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def routes(self) -> Sequence[Route]:
        """The one resource."""
        return (Route("/drain", self._stop, methods=["POST"]), Route("/drain", self._resume, methods=["DELETE"]))

    async def _stop(self, _: Request) -> Response:
        return await self._ask(StopIntake())

    async def _resume(self, _: Request) -> Response:
        return await self._ask(ResumeIntake())

    async def _ask(self, message: StopIntake | ResumeIntake) -> Response:
        def ask() -> Any:
            return self._directory["gateway"].ask(message, ASK_S)

        try:
            answer, status = {"intake": await run_in_threadpool(ask)}, 200
        except ActorError as error:
            answer, status = {"error": str(error)}, 503
        return Response(orjson.dumps(answer), status, media_type="application/json")
