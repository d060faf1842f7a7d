"""A stream that may break, as a pipe does whose reader is gone, or a file on a full disk."""

from __future__ import annotations

import contextlib
from typing import TextIO


class Breakable:
    """Writes to the stream what that takes, from any thread. What it refuses is gone: no line is worth the daemon."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write; returns the number of characters, as if all had been taken."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Hand on what is buffered."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()
