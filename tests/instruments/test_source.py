"""Files of every kind become blocks of whole lines, whatever is in them, and in constant memory."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persistence.instrument_file.layout import LONGEST_LINE, UnusableFile
from persistence.instrument_file.source import BLOCK_BYTES, Source, open_source

MIB = 1 << 20


def blocks(data: bytes) -> list[bytes]:
    return list(Source(io.BytesIO(data), "test.csv").blocks())


class Zeros(io.RawIOBase):
    """As many zeros as asked for, without a line end."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.left = size

    def read(self, size: int = -1) -> bytes:
        count = min(size, self.left)
        self.left -= count
        return bytes(count)


@given(st.lists(st.binary(max_size=40).filter(lambda line: not {10, 13} & set(line)), max_size=30), st.booleans())
def test_lines_come_out_as_they_went_in_but_for_their_ends(lines: list[bytes], windows: bool) -> None:
    data = b"a,b\n" + b"".join(line + (b"\r\n" if windows else b"\n") for line in lines)

    assert b"".join(blocks(data)).split(b"\n")[1:-1] == lines


@pytest.mark.parametrize("extra", [-2, -1, 0, 1, 2])
def test_a_line_that_lies_across_two_blocks_is_whole(extra: int) -> None:
    first = b"x" * 99 + b"\n"
    lines = first * ((BLOCK_BYTES + extra) // 100) + b"y" * 150 + b"\r\n" + first

    assert b"".join(blocks(lines)) == lines.replace(b"\r\n", b"\n")


def test_the_last_line_needs_no_end() -> None:
    assert blocks(b"a\nb") == [b"a\n", b"b\n"]
    assert blocks(b"a\r\nb\r") == [b"a\n", b"b\n"]


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert blocks(b"\xef\xbb\xbfa,b\n") == [b"a,b\n"]
    assert b"".join(blocks(gzip.compress(b"\xef\xbb\xbfa,b\n"))) == b"a,b\n"


def test_gzip_is_known_by_its_bytes_and_not_by_its_name(tmp_path: Path) -> None:
    packed, plain = tmp_path / "dump.csv", tmp_path / "dump.csv.gz"
    packed.write_bytes(gzip.compress(b"a,b\n"))
    plain.write_bytes(b"a,b\n")

    for path in (packed, plain):
        with open_source(path, io.BytesIO()) as source:
            assert list(source.blocks()) == [b"a,b\n"]
            assert source.position == source.size == path.stat().st_size


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(b"a,b\n" * 1000)[:-20], "ends early"),
        (gzip.compress(b"a,b\n" * 1000)[:-8] + bytes(8), "damaged"),
        (gzip.compress(b"a,b\n") + b"more", "damaged"),
        (b"\x1f\x8b\x08" + bytes(5), "ends early"),
        ("a,b\n".encode("utf-16"), "is UTF-16"),
        (b"PK\x03\x04....", "is ZIP"),
    ],
    ids=["cut", "wrong sum", "more behind it", "cut header", "UTF-16", "ZIP"],
)
def test_what_cannot_be_read_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(UnusableFile, match=reason):
        blocks(data)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_line_without_an_end_is_cut_in_constant_memory(zipped: bool) -> None:
    data: object = Zeros(64 * MIB)
    if zipped:
        data = io.BytesIO(gzip.compress(bytes(64 * MIB), compresslevel=1))
    tracemalloc.start()
    try:
        found = list(Source(data, "bomb").blocks())  # type: ignore[arg-type]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert found == [bytes(LONGEST_LINE + 1) + b"\n"]
    assert peak < 3 * MIB


@pytest.mark.parametrize("path", ["nothing.csv", "."])
def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, path: str) -> None:
    with pytest.raises(UnusableFile, match=str(tmp_path)), open_source(tmp_path / path, io.BytesIO()):
        pytest.fail("it was opened")
