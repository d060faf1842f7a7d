"""Files and directories only their owner may read; a crash leaves the old text or the new one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def make_private_directory(path: Path) -> None:
    """Make `path`, parents included, or narrow an existing directory to mode 0700.

    Raises:
        OSError: it cannot be made, or something that is not a directory is in the way.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_mode & 0o777 != 0o700:
        path.chmod(0o700)


def write_private(path: Path, text: str) -> None:
    """Replace `path` by a file of mode 0600 with `text`, durably and at once.

    Raises:
        OSError: the file cannot be written.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in `path` durable: what was renamed there survives a power loss."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
