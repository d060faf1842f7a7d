"""Who is at the other end of a connection to the operator socket, as the kernel tells it."""

from __future__ import annotations

import pwd
import socket
import struct
from array import array
from asyncio import Transport
from dataclasses import dataclass
from functools import lru_cache

from uvicorn.protocols.http.h11_impl import H11Protocol

SO_PEERGROUPS = 59
"""Linux, socket(7); Python has no name for it."""
MOST_GROUPS = 256
"""Of a peer in more groups than this, only the primary one is known."""
ROOT = 0

_CREDENTIALS = struct.Struct("iII")


@dataclass(frozen=True, slots=True)
class Peer:
    """A process when it connected, with its effective user and its groups."""

    pid: int
    uid: int
    gid: int
    groups: frozenset[int]

    @property
    def user(self) -> str:
        """The name of its user, or the number of one who has none."""
        return _name(self.uid)

    def may_operate(self, owner: int, group: int) -> bool:
        """Whether it may speak to a daemon that runs as `owner`, by a socket of that group."""
        return self.uid in {ROOT, owner} or group == self.gid or group in self.groups


def peer_of(connection: socket.socket) -> Peer:
    """The process at the other end of a Unix socket."""
    size = _CREDENTIALS.size
    pid, uid, gid = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    groups = array("I")
    try:
        groups.frombytes(connection.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, MOST_GROUPS * groups.itemsize))
    except OSError:  # too many, or a kernel that does not tell
        groups = array("I")
    return Peer(pid, uid, gid, frozenset(groups))


class PeerProtocol(H11Protocol):
    """HTTP on a Unix socket; every request's state has its `peer`."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        peer = peer_of(transport.get_extra_info("socket"))
        self.app_state = {**self.app_state, "peer": peer}


@lru_cache(maxsize=64)
def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
