"""What the command line adds for this benchmark."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from benchmarks.measurement import Options

ROWS, QUICK_ROWS = 10_000_000, 100_000


@dataclass(frozen=True, slots=True)
class DatabaseOptions(Options):
    """Options of `database`.

    Args:
        rows: rows that `trading_events` holds before `queries` measures.
    """

    rows: int = ROWS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that only `database` heeds."""
    group = parser.add_argument_group("database")
    group.add_argument("--rows", type=_positive, metavar="N", help=f"rows of trading_events (default {ROWS:,})")


def read(chosen: argparse.Namespace) -> DatabaseOptions:
    """The options as the command line has them."""
    usual = QUICK_ROWS if chosen.quick else ROWS
    return DatabaseOptions(chosen.rounds, chosen.quick, rows=chosen.rows or usual)


def of_database(options: Any) -> DatabaseOptions:
    """The options of `database`, with its defaults where only those of every benchmark were given."""
    return options if isinstance(options, DatabaseOptions) else DatabaseOptions(options.rounds, options.quick)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number
