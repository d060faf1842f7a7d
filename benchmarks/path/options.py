"""What the command line adds for this benchmark."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from benchmarks.measurement import Options

HISTORY_ROWS, QUICK_HISTORY_ROWS = 1_000_000, 1_000


@dataclass(frozen=True, slots=True)
class PathOptions(Options):
    """Options of `path`.

    Args:
        history_rows: rows that `trading_events` holds before `history` measures.
        profile: sample the daemon's threads as well.
        given_servers: use the servers that the settings name, not ones of the benchmark's own.
    """

    history_rows: int = HISTORY_ROWS
    profile: bool = False
    given_servers: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that only `path` heeds."""
    group = parser.add_argument_group("path")
    group.add_argument("--history", type=int, metavar="ROWS", help=f"rows of history (default {HISTORY_ROWS:,})")
    group.add_argument("--profile", action="store_true", help="also sample the daemon's threads with py-spy")
    group.add_argument(
        "--given-servers",
        action="store_true",
        help="use the servers of DATABASE__POSTGRES_URL and NATS__URL; the NATS server must have no streams",
    )


def read(chosen: argparse.Namespace) -> PathOptions:
    """The options as the command line has them."""
    rows = QUICK_HISTORY_ROWS if chosen.quick else HISTORY_ROWS
    history = rows if chosen.history is None else chosen.history
    return PathOptions(chosen.rounds, chosen.quick, history, chosen.profile, chosen.given_servers)


def of_path(options: Any) -> PathOptions:
    """The options of `path`, with its defaults where only those of every benchmark were given."""
    return options if isinstance(options, PathOptions) else PathOptions(options.rounds, options.quick)
