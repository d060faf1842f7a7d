"""The dead letters on the operator socket: seen, published again, purged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from actors.errors import ActorError, DeadLetterNotFound, DomainError, ReplayRefused, TryAgain
from actors.masking import masked_value
from actors.messages import PurgeDeadLetters, ReplayDeadLetter
from actors.runtime.directory import Directory

ASK_S = 10.0
MAX_LISTED = 10_000
PURGED_AT_ONCE = 1000
"""Deleted in one transaction, so that trades need not wait for long."""

_STATUS: dict[type[ActorError], int] = {DeadLetterNotFound: 404, ReplayRefused: 409, TryAgain: 503, DomainError: 400}


class Letters(Protocol):
    """Who reads the dead letters; its errors are `DomainError`s."""

    def list(self, limit: int, reason: str | None) -> dict[str, Any]: ...

    def show(self, prefix: str) -> dict[str, Any]: ...

    def to_replay(self, prefix: str, *, again: bool) -> ReplayDeadLetter: ...

    def older_than(self, age_s: float) -> dict[str, Any]: ...


class DlqRoutes:
    """Answers in the HTTP thread; what takes time runs in a thread of Starlette's pool.

    Args:
        letters: for what is only read.
        directory: the way to the writer, for what is changed.
    """

    def __init__(self, letters: Letters, directory: Directory) -> None:
        self._letters = letters
        self._directory = directory

    def routes(self) -> Sequence[Route]:
        """The resources below `/dlq`."""
        return (
            Route("/dlq", self._list),
            Route("/dlq", self._purge, methods=["DELETE"]),
            Route("/dlq/older-than/{seconds}", self._older_than),
            Route("/dlq/{id}", self._show),
            Route("/dlq/{id}/replay", self._replay, methods=["POST"]),
        )

    async def _list(self, request: Request) -> Response:
        def read() -> dict[str, Any]:
            reason = request.query_params.get("reason") or None
            if reason is not None and "\0" in reason:
                raise DomainError("reason: contains a NUL character")
            return self._letters.list(_number(request.query_params.get("limit", "50"), MAX_LISTED), reason)

        return await _answer(read)

    async def _show(self, request: Request) -> Response:
        return await _answer(lambda: self._letters.show(request.path_params["id"]))

    async def _replay(self, request: Request) -> Response:
        def ask() -> dict[str, Any]:
            again = request.query_params.get("again") == "true"
            order = self._letters.to_replay(request.path_params["id"], again=again)
            message = self._directory["database"].ask(order, ASK_S)
            return {"id": order.id, "subject": message.subject, "message_id": message.message_id}

        return await _answer(ask)

    async def _older_than(self, request: Request) -> Response:
        return await _answer(lambda: self._letters.older_than(_seconds(request.path_params["seconds"])))

    async def _purge(self, request: Request) -> Response:
        def ask() -> dict[str, Any]:
            order = PurgeDeadLetters(_moment(request.query_params.get("before", "")), PURGED_AT_ONCE)
            return {"purged": self._directory["database"].ask(order, ASK_S)}

        return await _answer(ask)


async def _answer(work: Callable[[], dict[str, Any]]) -> Response:
    """What the work returns, or its error as the class of it asks for."""
    try:
        return _json(await run_in_threadpool(work))
    except ActorError as error:
        status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 503)
        return _json({"error": str(error)}, status)


def _json(value: dict[str, Any], status: int = 200) -> Response:
    safe = value if status < 400 else masked_value("", value)
    return Response(orjson.dumps(safe), status, media_type="application/json")


def _number(text: str, most: int) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= most or len(text) > 9:
        raise DomainError(f"limit: not a number from 1 to {most}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 1e9:
        raise DomainError("seconds: not a number from 0 to 1e9")
    return seconds


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise DomainError("before: not a time") from None
    if moment.tzinfo is None:
        raise DomainError("before: no time zone")
    return moment
