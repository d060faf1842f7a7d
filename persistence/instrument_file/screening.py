"""The valid lines of a file as blocks for COPY, while the others are noted with their reasons.

A pattern proves whole runs of lines at once, and they go to the server as they are; only a line that it does not match
is read value by value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from persistence.instrument_file.layout import BadRow, Layout, UnusableFile, layout_of
from persistence.instrument_file.source import Source

REFUSALS_KEPT = 100
TOKENS_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that is no row, and why."""

    line: int
    reason: str


class Screening:
    """One pass over a file, block by block; `on_progress` is called with the position after each.

    Raises:
        UnusableFile: from the constructor, and from `read`: nothing of the file can be used.
    """

    def __init__(self, source: Source, on_progress: Callable[[int], None] = lambda _: None) -> None:
        self._source = source
        self._on_progress = on_progress
        self._blocks = source.blocks()
        self._line = 0
        self.rows = 0
        self.refused = 0
        self.refusals: list[Refusal] = []
        self.refused_tokens: set[int] = set()
        """Of refused rows, at most `TOKENS_KEPT`."""
        self.unknown = 0
        """Refused rows that do not tell their instrument, or are too many to remember."""
        self.layout, self._begun = self._begin()

    @property
    def name(self) -> str:
        """What the file is called."""
        return self._source.name

    def read(self) -> bytes:
        """The next valid lines, empty at the end; as many as come at once."""
        while True:
            block, self._begun = self._begun or next(self._blocks, b""), b""
            if not block:
                return b""
            valid = b"".join(filter(None, self._valid(block)))  # joining takes 80 bytes for each part, empty or not
            self._on_progress(self._source.position)
            if valid:
                return valid

    def _begin(self) -> tuple[Layout, bytes]:
        """The layout, and what follows the header of the block that holds it."""
        for block in self._blocks:
            start = 0
            while start < len(block):
                end = block.index(b"\n", start)
                if not _is_silent(block[start:end]):
                    layout, is_header = layout_of(block[start:end])
                    self._line += is_header
                    return layout, block[end + 1 if is_header else start :]
                self._line += 1
                start = end + 1
        raise UnusableFile(f"{self._source.name} is empty; give the dump of a broker's instruments")

    def _valid(self, block: bytes) -> Iterator[bytes]:
        start, run = 0, self.layout.run
        while start < len(block):
            if proven := run.match(block, start):
                lines = proven[0] if start or proven.end() < len(block) else block
                count = lines.count(b"\n")
                self._line += count
                self.rows += count
                yield lines
                start = proven.end()
            else:
                end = block.index(b"\n", start)
                yield self._read_line(block[start:end])
                start = end + 1

    def _read_line(self, line: bytes) -> bytes:
        self._line += 1
        if _is_silent(line):
            return b""
        try:
            row = self.layout.read(line)
        except BadRow as problem:
            self._refuse(problem)
            return b""
        self.rows += 1
        return row

    def _refuse(self, problem: BadRow) -> None:
        self.refused += 1
        if len(self.refusals) < REFUSALS_KEPT:
            self.refusals.append(Refusal(self._line, str(problem)))
        if problem.token is None or len(self.refused_tokens) >= TOKENS_KEPT:
            self.unknown += 1
        else:
            self.refused_tokens.add(problem.token)


def _is_silent(line: bytes) -> bool:
    """Whether it is blank or a comment."""
    bare = line.strip()
    return not bare or bare.startswith(b"#")
