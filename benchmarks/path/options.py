"""What the command line adds for this benchmark."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from benchmarks.measurement import Options

HISTORY_ROWS, QUICK_HISTORY_ROWS = 1_000_000, 1_000
BACKLOG, SOAK_MINUTES, OUTAGE_S = 1_000_000, 30.0, 60.0


@dataclass(frozen=True, slots=True)
class PathOptions(Options):
    """Options of `path`.

    Args:
        history_rows: rows that `trading_events` holds before `history` measures.
        profile: sample the daemon's threads as well.
        backlog: signals in the stream before the daemon of `backlog` starts.
        soak_minutes: how long `soak` lasts.
        outage_s: how long the servers of `outage` are away.
        given_servers: use the servers that the settings name, not ones of the benchmark's own.
    """

    history_rows: int = HISTORY_ROWS
    profile: bool = False
    given_servers: bool = False
    backlog: int = BACKLOG
    soak_minutes: float = SOAK_MINUTES
    outage_s: float = OUTAGE_S


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that only `path` heeds."""
    group = parser.add_argument_group("path")
    group.add_argument("--history", type=int, metavar="ROWS", help=f"rows of history (default {HISTORY_ROWS:,})")
    group.add_argument("--backlog", type=_positive, metavar="N", help=f"signals of backlog (default {BACKLOG:,})")
    group.add_argument(
        "--soak", type=_duration, metavar="MINUTES", help=f"how long soak lasts (default {SOAK_MINUTES:g})"
    )
    group.add_argument(
        "--outage", type=_duration, metavar="SECONDS", help=f"how long servers are away (default {OUTAGE_S:g})"
    )
    group.add_argument("--profile", action="store_true", help="also sample the daemon's threads with py-spy")
    group.add_argument(
        "--given-servers",
        action="store_true",
        help="use the servers of DATABASE__POSTGRES_URL and NATS__URL; the NATS server must have no streams",
    )


def read(chosen: argparse.Namespace) -> PathOptions:
    """The options as the command line has them."""
    rows = QUICK_HISTORY_ROWS if chosen.quick else HISTORY_ROWS
    return PathOptions(
        chosen.rounds,
        chosen.quick,
        history_rows=rows if chosen.history is None else chosen.history,
        profile=chosen.profile,
        given_servers=chosen.given_servers,
        backlog=chosen.backlog or BACKLOG,
        soak_minutes=chosen.soak or SOAK_MINUTES,
        outage_s=chosen.outage or OUTAGE_S,
    )


def of_path(options: Any) -> PathOptions:
    """The options of `path`, with its defaults where only those of every benchmark were given."""
    return options if isinstance(options, PathOptions) else PathOptions(options.rounds, options.quick)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _duration(text: str) -> float:
    time = float(text)
    if not 0 < time < float("inf"):
        raise ValueError
    return time
