"""The client's end of the operator socket: HTTP over a Unix socket whose path may be of any length."""

from __future__ import annotations

import grp
import http.client
import os
import socket
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from console.encoding import demand_utf8
from console.failure import FAILED, TRY_AGAIN, USAGE, DaemonDown, DaemonSilent, DaemonUnclear, Failure
from settings import how_to_start

TIMEOUT_S = 15.0
ROOT = 0


class OperatorSocket:
    """Asks the daemon that serves `path`. Each request is a connection of its own.

    Args:
        path: of the socket.
        timeout_s: for a whole request, connection included.
    """

    def __init__(self, path: Path, timeout_s: float = TIMEOUT_S) -> None:
        self.path = path
        self._timeout_s = timeout_s

    def text(self, *parts: str) -> str:
        """A resource that is text; fails as `get` does."""
        status, text = self._fetch("GET", _resource(parts, {}), None)
        return text.decode(errors="replace") if status < http.client.BAD_REQUEST else str(self._read(status, text))

    def get(self, *parts: str, **query: str) -> Any:
        """The JSON of a resource; `parts` are joined by slashes and quoted, `query` follows them.

        Raises:
            DaemonDown: nobody serves the socket.
            DaemonUnclear: it cannot be told whether somebody does.
            Failure: the daemon refused, with its reason.
        """
        return self._request("GET", _resource(parts, query), None)

    def post(self, *parts: str, body: Any = None, **query: str) -> Any:
        """What the daemon answers to a command; fails as `get` does."""
        return self._request("POST", _resource(parts, query), None if body is None else orjson.dumps(body))

    def delete(self, *parts: str, **query: str) -> Any:
        """What the daemon answers to the removal; fails as `get` does."""
        return self._request("DELETE", _resource(parts, query), None)

    def _request(self, method: str, resource: str, body: bytes | None) -> Any:
        return self._read(*self._fetch(method, resource, body))

    def _fetch(self, method: str, resource: str, body: bytes | None) -> tuple[int, bytes]:
        connection = _Connection(self.path, self._timeout_s)
        try:
            connection.request(method, resource, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            status, text = response.status, response.read()
        except TimeoutError:
            raise DaemonSilent(
                f"{self.path}: no answer in {self._timeout_s:g} s; see the daemon's log, or restart it"
            ) from None
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            raise DaemonDown(f"no daemon runs at {self.path}; start it with `{how_to_start()}`") from None
        except ConnectionError:
            raise DaemonUnclear(f"{self.path}: the daemon closed the connection; see its log") from None
        except PermissionError:
            raise DaemonUnclear(f"{self.path}: no permission; {_admission(self.path.parent)}") from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or "what answers there does not speak HTTP"
            raise DaemonUnclear(f"{self.path}: {reason}; check RUNTIME_DIR and STATE_DIR") from None
        finally:
            connection.close()
        return status, text

    def _read(self, status: int, text: bytes) -> Any:
        try:
            answer = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise DaemonUnclear(f"{self.path}: not an answer of a daemon (HTTP {status}); see its log") from None
        if status < http.client.BAD_REQUEST:
            return answer
        reason = str(answer.get("error", "refused")) if isinstance(answer, dict) else "refused"
        codes: dict[int, int] = {http.client.BAD_REQUEST: USAGE, http.client.SERVICE_UNAVAILABLE: TRY_AGAIN}
        raise Failure(reason, codes.get(status, FAILED))


class _Connection(http.client.HTTPConnection):
    """HTTP to a Unix socket, through its open directory: an address holds 107 bytes at the most (unix(7))."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("daemon", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket.

        Raises:
            OSError: not connected, by class; `OSError` itself when something else is in the socket's place.
        """
        directory = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            if not stat.S_ISSOCK(os.stat(self._path.name, dir_fd=directory).st_mode):
                raise OSError(None, "something else than a socket is in its place", str(self._path))
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            self.sock.connect(f"/proc/self/fd/{directory}/{self._path.name}")
        finally:
            os.close(directory)


def _admission(directory: Path) -> str:
    """What gets somebody into the socket's directory who may not enter it: its group, where it is open to one."""
    try:
        found = directory.stat()
        group = grp.getgrgid(found.st_gid).gr_name
    except (OSError, KeyError):
        found, group = None, ""
    if found is None or not found.st_mode & stat.S_IXGRP or found.st_mode & stat.S_IXOTH or found.st_gid == ROOT:
        return "run this as the daemon's user or a member of its group"
    return f"have root run `gpasswd -a USER {group}`, then log in again"


def _resource(parts: Sequence[str], query: Mapping[str, str]) -> str:
    for text in (*parts, *query.values()):
        demand_utf8("the argument", text)
    path = "".join(f"/{quote(part, safe='')}" for part in parts)
    return f"{path}?{urlencode(query)}" if query else path
