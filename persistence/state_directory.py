"""The state directory of one daemon: made on first use, locked while in use, and the home of the node id."""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import uuid
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from persistence.private_files import write_private
from settings import how_to_start


class StateDirectoryError(Exception):
    """The state directory cannot be used; the message is one line with the cure."""


class StateDirectoryInUse(StateDirectoryError):
    """Another daemon holds the state directory; `pid` is its process id, or None while it is starting."""

    def __init__(self, path: Path, pid: int | None) -> None:
        holder = "another process" if pid is None else f"process {pid}"
        super().__init__(f"{path} is in use by {holder}: stop it, or set STATE_DIR to another directory")
        self.pid = pid


class StateDirectoryFull(StateDirectoryError):
    """There is no room for what has to be written there."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}; make room there")


class StateDirectoryOfAnother(StateDirectoryError):
    """The state directory belongs to another user, who could not read what we would make there."""

    def __init__(self, path: Path, owner: int) -> None:
        try:
            name = pwd.getpwuid(owner).pw_name
        except KeyError:
            name = f"user {owner}"
        cure = "run this as that user, or set STATE_DIR to a directory of your own"
        if how_to_start().startswith("systemctl"):
            cure = f"`{how_to_start()}`"
        super().__init__(f"{path} belongs to {name}: {cure}")


class StateDirectory:
    """Holds `path` for this process alone while the `with` block runs.

    The lock is the kernel's (`flock`), so it is free again at once when the process dies, however it dies. It
    is not handed on to child processes. The directory is made with mode 0700; one that exists keeps its mode.
    One of root's that others may write to is used as it is, as containers mount such volumes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None
        self._node = ""

    @property
    def node(self) -> str:
        """The id of this node, 32 hex digits: made at the first start and kept."""
        if not self._node:
            raise StateDirectoryError(f"{self.path} is not locked: the node id is known only while it is held")
        return self._node

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if (owner := self.path.stat().st_uid) not in {0, os.geteuid()}:
                self._refuse(owner)
            self._acquire()
            self._node = self._read_or_make_node()
        except OSError as error:
            self._release()
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise StateDirectoryFull(self.path, os.strerror(error.errno)) from error
            reason = "not a directory" if isinstance(error, FileExistsError) else error.strerror
            place = error.filename or self.path
            cure = "set STATE_DIR to a writable one"
            if isinstance(error, PermissionError) and how_to_start().startswith("systemctl"):
                cure = "it is the service's, so run this as root"
            raise StateDirectoryError(f"the state directory cannot be used: {place}: {reason}; {cure}") from error
        except StateDirectoryError:
            self._release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def _acquire(self) -> None:
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(self._lock)
            os.close(self._lock)
            self._lock = None
            raise StateDirectoryInUse(self.path, holder) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def _refuse(self, owner: int) -> NoReturn:
        """The directory is another user's, whose daemon may be using it, which only root can tell."""
        with suppress(PermissionError, FileNotFoundError):
            lock = os.open(self.path / "lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StateDirectoryInUse(self.path, _holder(lock)) from None
            finally:
                os.close(lock)
        raise StateDirectoryOfAnother(self.path, owner)

    def _release(self) -> None:
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None
        self._node = ""

    def _read_or_make_node(self) -> str:
        path = self.path / "node"
        try:
            text = path.read_text(encoding="ascii", errors="replace").strip()
        except FileNotFoundError:
            text = uuid.uuid4().hex
            write_private(path, f"{text}\n")
        try:
            return uuid.UUID(hex=text).hex
        except ValueError:
            raise StateDirectoryError(f"{path} is damaged: remove it, a new node id is made") from None


def _holder(lock: int) -> int | None:
    """The process id that whoever holds the lock has written there; None while it is starting."""
    written = os.pread(lock, 32, 0).strip()
    return int(written) if written.isdigit() else None
