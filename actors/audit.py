"""The door of the operator socket: who may come in, and a line in the log for everything that they change."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.masking import masked
from actors.peers import Peer
from actors.runtime.repetition import EACH

READS = frozenset({"GET", "HEAD", "OPTIONS"})
FORBIDDEN = 403
NOBODY = -1
LONGEST_COMMAND = 200
"""Characters of a command that are shown."""


class Audit:
    """Around the application, in the HTTP thread.

    The mode of the socket keeps strangers out; should somebody have opened it to them, the door still does. Root, the
    daemon's own user and the socket's group may enter.

    Args:
        application: what answers.
        path: of the socket, whose group counts as it is now.
        log: of the lines.
    """

    def __init__(self, application: ASGIApp, path: Path, log: Any) -> None:
        self._application = application
        self._path = path
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, if it may be asked."""
        peer: Peer = scope["state"]["peer"]
        if not peer.may_operate(os.geteuid(), self._group()):
            self._tell("operator refused", scope, peer, FORBIDDEN)
            error = {"error": f"user {peer.user} may not operate this daemon; ask its owner, or join its group"}
            await Response(orjson.dumps(error), FORBIDDEN, media_type="application/json")(scope, receive, send)
        elif scope["method"] in READS:
            await self._application(scope, receive, send)
        else:
            await self._watched(scope, receive, send, peer)

    async def _watched(self, scope: Scope, receive: Receive, send: Send, peer: Peer) -> None:
        """The line is written before the answer goes out; a command that never gets one has its line too."""
        told = False

        async def tell_and_send(message: Message) -> None:
            nonlocal told
            if message["type"] == "http.response.start":
                self._tell("operator command", scope, peer, message["status"])
                told = True
            await send(message)

        try:
            await self._application(scope, receive, tell_and_send)
        finally:
            if not told:
                self._tell("operator command", scope, peer, None)

    def _tell(self, event: str, scope: Scope, peer: Peer, status: int | None) -> None:
        who = {"uid": peer.uid, "user": peer.user, "pid": peer.pid}
        self._log.warning(
            event, command=shown_command(scope["method"], scope["path"]), **who, status=status, **{EACH: True}
        )

    def _group(self) -> int:
        try:
            return self._path.stat().st_gid
        except OSError:
            return NOBODY


def shown_command(method: str, path: str) -> str:
    """A request as a line may hold it: of a bounded length, without secrets, its control characters spelled out.

    Args:
        method: of the request.
        path: with its percent signs resolved, as otherwise they would hide a secret.
    """
    text = masked(f"{method} {path}")
    spelled = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text[: LONGEST_COMMAND + 1])
    return spelled if len(spelled) <= LONGEST_COMMAND else f"{spelled[:LONGEST_COMMAND]}.."
