"""A disk of PostgreSQL that is full: every write that needs more room fails with ENOSPC.

Best is a small file system in memory, which only who may mount can make. Who may not gets the same error from the
kernel for one table, whose file is exchanged for `/dev/full`.
"""

from __future__ import annotations

import os
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path

import psycopg2

from persistence.urls import normalise_url
from tests.conftest import execute
from tests.system.daemon import eventually

ROOM_BYTES = 8 << 30
"""Of the file system while it is not full; it takes memory only for what is in it."""
OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


class Disk(ABC):
    """Where a PostgreSQL keeps its data."""

    @abstractmethod
    def fill(self, database_url: str) -> None:
        """From now on there is no room left."""

    @abstractmethod
    def free(self, database_url: str) -> None:
        """There is room again; the server may have ended meanwhile."""


class MountedDisk(Disk):
    """A file system of its own; full means that it is made no larger than what it holds."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def mount(self) -> None:
        """Raises `subprocess.CalledProcessError` where it is not permitted."""
        self.place.mkdir()
        _mount("-t", "tmpfs", "-o", f"size={ROOM_BYTES},mode=0755", "tmpfs", str(self.place))

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.place)], check=True, capture_output=True)

    def fill(self, database_url: str) -> None:
        eventually(self._shrink)

    def _shrink(self) -> bool:
        """Fails when more is in it by now."""
        usage = os.statvfs(self.place)
        used = (usage.f_blocks - usage.f_bfree) * usage.f_frsize
        try:
            _mount("-o", f"remount,size={used + usage.f_frsize}", str(self.place))
        except subprocess.CalledProcessError:
            return False
        return True

    def free(self, database_url: str) -> None:
        _mount("-o", f"remount,size={ROOM_BYTES}", str(self.place))


class FullTable(Disk):
    """The outbox alone cannot grow: its file is `/dev/full` while it is empty.

    Args:
        data: the data directory of the server.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._file: Path | None = None

    def fill(self, database_url: str) -> None:
        eventually(lambda: self._exchange(database_url))

    def _exchange(self, database_url: str) -> bool:
        url = normalise_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg2.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")
            cursor.execute("SELECT count(*) FROM outbox")
            if cursor.fetchall() != [(0,)]:
                return False
            cursor.execute("TRUNCATE outbox")
            cursor.execute("SELECT pg_relation_filepath('outbox')")
            ((path,),) = cursor.fetchall()
            self._file = self._data / path
            link = self._file.with_name("full")
            link.symlink_to("/dev/full")
            link.rename(self._file)
        connection.close()
        return True

    def free(self, database_url: str) -> None:
        assert self._file is not None
        owner = self._data.stat()
        fresh = self._file.with_name("fresh")
        fresh.touch(0o600)
        os.chown(fresh, owner.st_uid, owner.st_gid)
        fresh.rename(self._file)
        execute(database_url, OTHERS)


def mounted(place: Path) -> MountedDisk | None:
    """A file system mounted there, or None where that is not permitted."""
    disk = MountedDisk(place)
    try:
        disk.mount()
    except (subprocess.CalledProcessError, FileNotFoundError):
        return None
    return disk


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)
