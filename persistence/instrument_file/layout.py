"""Which columns a file of instruments has, and in which order."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass

from persistence.errors import Poison
from persistence.instrument_file.fields import FIELDS

KITE = tuple(FIELDS)
SHORT = ("instrument_token", "tradingsymbol", "name", "exchange")
NEEDED = frozenset(SHORT)
LONGEST_LINE = 65_536
_FORBIDDEN = {"\0": "NUL character", "\r": "carriage return"}


class UnusableFile(Poison):
    """Nothing of the file can be loaded; the text says why and what to do."""


class BadRow(Exception):
    """A line that is no row; `token` is that of its instrument, where it can be told."""

    def __init__(self, reason: str, token: int | None = None) -> None:
        super().__init__(reason)
        self.token = token


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a file; `run` matches as many lines as need no reading."""

    columns: tuple[str, ...]
    run: re.Pattern[bytes]

    def read(self, line: bytes) -> bytes:
        """The line as COPY takes it, with its values proven and brought into the form in which they are stored.

        Raises:
            BadRow: it is none.
        """
        values = split(line)
        if len(values) != len(self.columns):
            raise BadRow(f"has {len(values)} columns instead of {len(self.columns)}")
        stored, problems, token = [], [], None
        for name, value in zip(self.columns, values, strict=True):
            try:
                stored.append(FIELDS[name].read(value.strip()))
            except ValueError as problem:
                problems.append(str(problem))
                continue
            if name == "instrument_token":
                token = int(stored[-1])
        if problems:
            raise BadRow("; ".join(problems), token)
        return ",".join(map(_quoted, stored)).encode() + b"\n"


def split(line: bytes) -> list[str]:
    """The values of a line.

    Raises:
        BadRow: it is too long, no UTF-8, has NUL or line ends within it, or its quotes do not close.
    """
    if len(line) > LONGEST_LINE:
        raise BadRow(f"is longer than {LONGEST_LINE} bytes")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRow(f"is not UTF-8: byte {line[error.start]:#04x} at column {error.start + 1}") from None
    for sign, name in _FORBIDDEN.items():
        if sign in text:
            raise BadRow(f"has a {name} at column {text.index(sign) + 1}")
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error:
        raise BadRow("its quotes do not close, or stand within a value") from None


def layout_of(first: bytes) -> tuple[Layout, bool]:
    """The layout that the first line tells, and whether it is a header.

    Raises:
        UnusableFile: it is neither a header nor a row of a known layout.
    """
    try:
        values = [value.strip() for value in split(first)]
    except BadRow as problem:
        raise UnusableFile(f"the first line {problem}; give CSV with the header {','.join(KITE)}") from None
    if values[0].lstrip("-").isdecimal():
        for columns in (KITE, SHORT):
            if len(values) == len(columns):
                return _layout(columns), False
        raise UnusableFile(
            f"the first line is no header and has {len(values)} columns; without a header there are"
            f" {len(KITE)} ({','.join(KITE)}) or {len(SHORT)} ({','.join(SHORT)})"
        )
    names = tuple(value.lower() for value in values)
    unknown = [str(place) for place, name in enumerate(names, 1) if name not in FIELDS]
    missing = [name for name in SHORT if name not in names]
    twice = sorted(name for name in FIELDS if names.count(name) > 1)
    problems = [
        f"{what} {', '.join(found)}"
        for what, found in (("unknown column at place", unknown[:3]), ("no column", missing), ("twice", twice))
        if found
    ]
    if problems:  # nothing of the line is shown: it may be of a file of secrets
        raise UnusableFile(
            f"wrong header of {len(names)} columns: {'; '.join(problems)};"
            f" it should be {','.join(KITE)} or {','.join(SHORT)}"
        )
    return _layout(names), True


def _layout(columns: tuple[str, ...]) -> Layout:
    line = b",".join(FIELDS[name].pattern for name in columns)
    return Layout(columns, re.compile(rb"(?>" + line + rb"\n)++"))


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"' if any(sign in value for sign in '",') else value
