"""Which user a child server runs as, and the privileges it keeps: `setpriv` of util-linux does the change.

A server is started as `setpriv OPTIONS -- server ARGS`: `setpriv` changes user and capabilities, sets the
parent-death signal last (a change of user clears it), and becomes the server, so the process id stays the
same.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

CAPABILITY_BITS = {"dac_read_search": 2, "dac_override": 1}
UNPRIVILEGED_NAMES = ("postgres", "nobody")


class ServerUserError(Exception):
    """No user fits, or the server could not reach its files as that user; the message is one line."""


@dataclass(frozen=True, slots=True)
class ServerUser:
    """A user other than ourselves, and the one capability it keeps, if it needs one to reach its files."""

    uid: int
    gid: int
    capability: str | None = None

    def options(self) -> list[str]:
        """The options of `setpriv` that become this user."""
        kept = "-all" if self.capability is None else f"-all,+{self.capability}"
        return [
            f"--reuid={self.uid}",
            f"--regid={self.gid}",
            "--clear-groups",
            f"--inh-caps={kept}",
            f"--ambient-caps={kept}",
            # Without this, access(2) ignores the capability, and PostgreSQL does not find its own binaries.
            *([] if self.capability is None else ["--securebits=+no_setuid_fixup"]),
        ]


def unprivileged_user(data: Path, reaches: Sequence[Path]) -> ServerUser | None:
    """Who a server runs as that refuses to run as root; None, ourselves, unless we are root.

    That is the owner of `data` if it exists, else the first of `postgres` and `nobody` there is. When that
    user cannot get to one of the paths in `reaches` by itself (a checkout or a state directory below a
    private directory), it keeps the capability to read and search directories, or failing that, the one to
    override permissions.

    Raises:
        ServerUserError: no such user, or neither capability is ours to give.
    """
    if os.geteuid() != 0:
        return None
    uid, gid = _owner(data)
    if all(_reachable(path, uid, gid) for path in reaches):
        return ServerUser(uid, gid)
    permitted = _permitted_capabilities()
    for name, bit in CAPABILITY_BITS.items():
        if permitted & (1 << bit):
            return ServerUser(uid, gid, name)
    blocked = next(path for path in reaches if not _reachable(path, uid, gid))
    raise ServerUserError(
        f"user {uid}, which the server has to run as, cannot reach {blocked}, and this container has neither "
        "CAP_DAC_READ_SEARCH nor CAP_DAC_OVERRIDE to give: move it, or run as an ordinary user"
    )


def command(argv: Sequence[str], death_signal: Signals, user: ServerUser | None) -> list[str]:
    """`argv` wrapped so that it runs as `user` and gets `death_signal` when the thread that starts it ends.

    Raises:
        ServerUserError: there is no `setpriv`.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise ServerUserError("setpriv is missing: install util-linux (the embedded servers need Linux)")
    options = [] if user is None else user.options()
    return [setpriv, *options, "--pdeathsig", death_signal.name.removeprefix("SIG"), "--", *argv]


def _owner(data: Path) -> tuple[int, int]:
    if data.exists():
        status = data.stat()
        if status.st_uid == 0:
            raise ServerUserError(f"{data} belongs to root, and its server refuses to run as root: give it an owner")
        return status.st_uid, status.st_gid
    for name in UNPRIVILEGED_NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise ServerUserError("its server refuses to run as root, and there is no user postgres or nobody to run it as")


def _reachable(path: Path, uid: int, gid: int) -> bool:
    """Whether the user may use `path` and search all directories above it; access lists are not looked at."""
    path = path.resolve()
    needed = stat.S_IROTH | stat.S_IXOTH
    return all(_allows(parent, uid, gid, stat.S_IXOTH) for parent in path.parents) and _allows(path, uid, gid, needed)


def _allows(path: Path, uid: int, gid: int, needed: int) -> bool:
    status = path.stat()
    if status.st_uid == uid:
        needed <<= 6
    elif status.st_gid == gid:
        needed <<= 3
    return status.st_mode & needed == needed


def _permitted_capabilities() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("CapPrm:"):
            return int(line.split()[1], 16)
    return 0
