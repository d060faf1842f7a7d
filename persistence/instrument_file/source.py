"""A file, or standard input, as blocks of whole lines: plain or gzip, in constant memory whatever it holds."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import IO, BinaryIO, cast

from persistence.instrument_file.layout import LONGEST_LINE, UnusableFile

BLOCK_BYTES = 1 << 18
_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_UTF8_MARK = b"\xef\xbb\xbf"
_PACKED = {b"PK\x03\x04": "ZIP", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "Zstandard"}


class Source:
    """Bytes with a beginning that has been looked at. `position` of `size` bytes are read, as stored (compressed)."""

    def __init__(self, raw: BinaryIO, name: str) -> None:
        self.name = name
        self._raw = io.BufferedReader(cast("io.RawIOBase", _Counted(raw)), BLOCK_BYTES)
        self._counted = cast("_Counted", self._raw.raw)
        self.size = _size(raw)
        self._file: IO[bytes] = self._raw
        start = self._raw.peek(8)[:8]
        if start.startswith(_GZIP):
            self._file = cast("IO[bytes]", gzip.GzipFile(fileobj=self._raw, mode="rb"))
        for mark, kind in {**_BYTE_ORDER_MARKS, **_PACKED}.items():
            if start.startswith(mark):
                raise UnusableFile(f"{name} is {kind}; give CSV in UTF-8, plain or gzip")

    @property
    def position(self) -> int:
        """How many bytes of it are read."""
        return self._counted.count

    def blocks(self) -> Iterator[bytes]:
        """Blocks of whole lines, each ended by a bare newline.

        A line that is too long comes cut, but still too long; the rest of it is read and dropped.

        Raises:
            UnusableFile: what is compressed is damaged or ends early.
            OSError: it cannot be read.
        """
        rest, skipping, first = b"", False, True
        while data := self._read():
            if first:
                data, first = data.removeprefix(_UTF8_MARK), False
            if skipping:
                _, newline, data = data.partition(b"\n")
                skipping = not newline
            data = rest + data
            cut = data.rfind(b"\n") + 1
            if cut:
                yield data[:cut].replace(b"\r\n", b"\n")
            rest = data[cut:]
            if len(rest) > LONGEST_LINE + 1:
                yield rest[: LONGEST_LINE + 1] + b"\n"
                rest, skipping = b"", True
        if rest:
            yield rest.removesuffix(b"\r") + b"\n"

    def _read(self) -> bytes:
        try:
            return self._file.read(BLOCK_BYTES)
        except EOFError:
            raise UnusableFile(f"{self.name} ends early: the compressed file is not whole; fetch it again") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise UnusableFile(f"{self.name} is damaged: {error}; fetch it again") from None


class _Counted(io.RawIOBase):
    """A stream that counts what is read from it."""

    def __init__(self, raw: BinaryIO) -> None:
        super().__init__()
        self._raw = raw
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        self.count += len(data)
        return len(data)


@contextmanager
def open_source(path: Path | None, standard_input: BinaryIO) -> Iterator[Source]:
    """The file, or standard input where there is none.

    Raises:
        UnusableFile: it cannot be opened, or is of another kind.
    """
    if path is None:
        yield Source(standard_input, "standard input")
        return
    try:
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise UnusableFile(f"{path}: {error.strerror}; give a CSV file, plain or gzip") from None
    with file:
        yield Source(cast("BinaryIO", file), path.name)


def _size(raw: BinaryIO) -> int | None:
    """Of a regular file; None for what has no end that is known."""
    try:
        facts = os.fstat(raw.fileno())
    except (OSError, io.UnsupportedOperation):
        return None
    return facts.st_size if S_ISREG(facts.st_mode) else None
