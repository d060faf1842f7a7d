"""ControlActor: the operator socket. It answers from published snapshots, so it works while any actor is stuck."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from actors.audit import Audit
from actors.errors import ActorError, DomainError, SessionNotFound, StartRefused, TryAgain
from actors.http_thread import HttpThread
from actors.masking import masked_value
from actors.messages import (
    Crash,
    GetSession,
    GetSessions,
    InvalidateSession,
    RestartChild,
    SaveSession,
    StopTree,
)
from actors.peers import PeerProtocol
from actors.runtime.actor import ServiceActor
from actors.runtime.cell import Context
from actors.runtime.directory import Handle
from actors.sessions import shown

SOCKET_MODE = 0o660
ASK_S = 10.0
MAX_BODY = 1 << 20


class ControlActor(ServiceActor):
    """The operator's way in.

    Owns: the Unix socket and the thread that serves HTTP on it.
    Receives: nothing by mailbox; requests come by the socket.
    Sends: `RestartChild` and `StopTree` to the supervisor, `Crash` to a child, session requests to auth.
    On failure: restarted; the socket is made anew.
    """

    def __init__(
        self,
        context: Context,
        socket_path: Path,
        status: Callable[[], dict[str, Any]],
        inspect: Callable[[str], dict[str, Any] | None],
        connection: Callable[[], dict[str, Any]],
        read_session: Callable[[bytes, str, datetime], SaveSession],
        more_routes: Sequence[Route] = (),
    ) -> None:
        super().__init__(context)
        self._path = socket_path
        self._status = status
        self._inspect = inspect
        self._connection = connection
        self._read_session = read_session
        self._more_routes = more_routes
        self._inode: int | None = None
        self._serving: HttpThread | None = None

    def on_start(self) -> None:
        listener = listen(self._path)
        self._inode = self._path.stat().st_ino
        routes = [
            Route("/status", self._get_status),
            Route("/connection", self._get_connection),
            Route("/sessions", self._get_sessions),
            Route("/sessions", self._save_session, methods=["POST"]),
            Route("/sessions/{user:path}", self._get_session),
            Route("/sessions/{user:path}", self._end_session, methods=["DELETE"]),
            Route("/children/{name:path}", self._get_child),
            Route("/children/{name}/restart", self._restart, methods=["POST"]),
            Route("/children/{name}/crash", self._crash, methods=["POST"]),
            Route("/stop", self._stop_all, methods=["POST"]),
            *self._more_routes,
        ]
        application = Audit(Starlette(routes=routes), self._path, self.log)
        self._serving = HttpThread("control-http", application, listener, http=PeerProtocol)
        self._serving.start()

    def on_exit(self) -> None:
        if self._serving is not None:
            self._serving.stop()
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    # Requests, in the HTTP thread

    async def _get_status(self, _: Request) -> Response:
        return _json(self._status())

    async def _get_child(self, request: Request) -> Response:
        name = request.path_params["name"]
        document = self._inspect(name)
        return self._unknown(name) if document is None else _json(document)

    async def _get_connection(self, _: Request) -> Response:
        return _json(self._connection())

    async def _get_sessions(self, _: Request) -> Response:
        return await self._ask("auth", GetSessions())

    async def _get_session(self, request: Request) -> Response:
        user = request.path_params["user"]
        if "\0" in user:
            return _json({"error": "user: contains a NUL character"}, 400)
        return await self._ask("auth", GetSession(user))

    async def _save_session(self, request: Request) -> Response:
        try:
            message = self._read_session(await _body(request), str(uuid.uuid4()), datetime.now(UTC))
        except DomainError as error:
            return _json({"error": str(error)}, 400)
        return await self._ask("auth", message)

    async def _end_session(self, request: Request) -> Response:
        user = request.path_params["user"]
        reason = request.query_params.get("reason", "manual_invalidation")
        if "\0" in user + reason:
            return _json({"error": "user or reason: contains a NUL character"}, 400)
        message = InvalidateSession(str(uuid.uuid4()), user, reason, datetime.now(UTC))
        return await self._ask("auth", message)

    async def _restart(self, request: Request) -> Response:
        name = request.path_params["name"]
        supervisor = self.context.directory.supervisors.get(name)
        if supervisor is None:
            return self._unknown(name)
        return await self._ask_handle(supervisor, RestartChild(name, even_running=True))

    async def _crash(self, request: Request) -> Response:
        name = request.path_params["name"]
        child = self.context.directory.handles.get(name)
        if child is None:
            return self._unknown(name)
        if not child.tell_control(Crash()):
            return _json({"error": f"{name} is down; restart it first"}, 400)
        return _json({"crashed": name})

    def _unknown(self, name: str) -> Response:
        children = ", ".join(self.context.directory.children())
        return _json({"error": f"no child is named {name}; the children are: {children}"}, 400)

    async def _stop_all(self, _: Request) -> Response:
        self._supervisor.tell_control(StopTree("stop"))
        return _json({"stopping": os.getpid()})

    @property
    def _supervisor(self) -> Handle:
        assert self.context.supervisor is not None
        return self.context.supervisor

    async def _ask(self, name: str, message: Any) -> Response:
        return await self._ask_handle(self.context.directory[name], message)

    async def _ask_handle(self, handle: Handle, message: Any) -> Response:
        try:
            answer = await run_in_threadpool(handle.ask, message, ASK_S)
        except SessionNotFound as error:
            return _json({"error": str(error)}, 404)
        except TryAgain as error:
            return _json({"error": str(error)}, 503)
        except DomainError as error:
            return _json({"error": str(error)}, 400)
        except ActorError as error:
            return _json({"error": str(error)}, 503)
        return _json(_plain(answer))


def listen(path: Path) -> socket.socket:
    """A listening Unix socket at `path`, with a path of any length; a stale one is replaced.

    Raises:
        StartRefused: something else is there, or answers there.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _short(path) as address:
            if path.exists() or path.is_symlink():
                _clear(path, address)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(address)
        path.chmod(SOCKET_MODE)
        listener.listen(64)
    except OSError as error:
        raise StartRefused(
            f"operator socket {path}: {error.strerror}; set RUNTIME_DIR elsewhere", exit_code=78
        ) from None
    return listener


def _clear(path: Path, address: str) -> None:
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise StartRefused(f"operator socket {path}: a file is in the way; move it or set RUNTIME_DIR", exit_code=78)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(address)
        except OSError:
            path.unlink()
        else:
            raise StartRefused(f"operator socket {path} is in use by another process; set RUNTIME_DIR", exit_code=78)


@contextlib.contextmanager
def _short(path: Path) -> Any:
    """The socket's address through its open directory, as an address holds 107 bytes at the most (unix(7))."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


async def _body(request: Request) -> bytes:
    """The request's body.

    Raises:
        DomainError: it is too large.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise DomainError(f"larger than {MAX_BODY} bytes")
    return body


def _plain(answer: Any) -> Any:
    now = datetime.now(UTC)
    if isinstance(answer, tuple):
        return [shown(one, now) for one in answer]
    return {"child": answer} if isinstance(answer, str) else shown(answer, now)


def _json(value: Any, status: int = 200) -> Response:
    safe = value if status < 400 else masked_value("", value)
    return Response(orjson.dumps(safe), status, media_type="application/json")
