"""The keys of stored secrets on the operator socket: read again, and everything sealed with the first of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from actors.errors import ActorError, DomainError
from actors.messages import Reseal
from actors.runtime.directory import Directory
from persistence.database import Database
from persistence.errors import TokenKeyError
from persistence.token_keys import configured_keys
from settings import AuthSettings

ASK_S = 10.0
TABLES = ("sessions", "dead_letters")
RESEALED_AT_ONCE = 100
"""In one transaction, so that trades need not wait for long."""


class KeyRoutes:
    """Answers in the HTTP thread; what takes time runs in a thread of Starlette's pool.

    Args:
        settings: where the keys are; a file of them is read at each request.
        database: what uses them.
        directory: the way to the writer.
    """

    def __init__(self, settings: AuthSettings, database: Database, directory: Directory) -> None:
        self._settings = settings
        self._database = database
        self._directory = directory

    def routes(self) -> Sequence[Route]:
        """The resources below `/session-keys`."""
        return (
            Route("/session-keys", self._reload_keys, methods=["POST"]),
            Route("/session-keys/{table}", self._reseal, methods=["POST"]),
        )

    async def _reload_keys(self, _: Request) -> Response:
        def reload() -> dict[str, Any]:
            try:
                keys = configured_keys(self._settings)
                self._database.use_keys(keys)
            except TokenKeyError as error:
                raise DomainError(f"{error}; the keys stay as they were") from None
            return {"keys": len(keys), "from_file": self._settings.token_keys_file is not None}

        return await _answer(reload)

    async def _reseal(self, request: Request) -> Response:
        def ask() -> dict[str, Any]:
            table, after = request.path_params["table"], request.query_params.get("after")
            if table not in TABLES or "\0" in (after or ""):
                raise DomainError(f"no table of secrets; they are: {', '.join(TABLES)}")
            counts: dict[str, Any] = self._directory["database"].ask(Reseal(table, after, RESEALED_AT_ONCE), ASK_S)
            return counts

        return await _answer(ask)


async def _answer(work: Callable[[], dict[str, Any]]) -> Response:
    try:
        return _json(await run_in_threadpool(work))
    except DomainError as error:
        return _json({"error": str(error)}, 409)
    except ActorError as error:
        return _json({"error": str(error)}, 503)


def _json(value: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
