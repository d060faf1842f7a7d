"""`instruments load`, `count` and `search`: the catalogue, directly in the database, with a daemon running or not."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from console.database import opened
from console.encoding import demand_utf8
from console.failure import FAILED, OK, USAGE, Failure
from console.output import counted, plain_table, printable, screen
from console.wire import write_json
from persistence.database import Database
from persistence.instrument_file.layout import UnusableFile
from persistence.instrument_file.screening import Screening
from persistence.instrument_file.source import Source, open_source
from persistence.instrument_load import Loaded, LoadOrder, LoadRefused
from persistence.instrument_load import load as load_file
from persistence.records import InstrumentRecord
from settings import Settings

STANDARD_INPUT = Path("-")


def load(settings: Settings, file: Path | None, *, full: bool, strict: bool, agreed: bool) -> int:
    """Load a file; prints each line that was refused on standard error, and what became of the others."""
    if file is None and sys.stdin.isatty():
        raise Failure("no file was given; name one, or pipe it into the command", USAGE)
    path = None if file == STANDARD_INPUT else file
    if path is not None:
        demand_utf8("the name of the file", path.name)
    order = LoadOrder(full=full, strict=strict, agreed=agreed)
    try:
        with open_source(path, sys.stdin.buffer) as source, _Bar(source) as bar:
            screening = Screening(source, bar.read)
            with opened(settings) as database:
                started = time.monotonic()
                loaded = _load(database, screening, order, bar)
                seconds = time.monotonic() - started
    except UnusableFile as error:
        raise Failure(str(error), USAGE) from None
    _print_refusals(screening)
    for line in summary(loaded, screening, seconds):
        screen().print(line, markup=False, soft_wrap=True)
    return OK


def _load(database: Database, screening: Screening, order: LoadOrder, bar: _Bar) -> Loaded:
    try:
        return load_file(database, screening, order, bar.merged)
    except LoadRefused as error:
        bar.stop()
        _print_refusals(screening)
        raise Failure(str(error), FAILED) from None


def summary(loaded: Loaded, screening: Screening, seconds: float) -> list[str]:
    """What a load did, in two lines."""
    record = loaded.record
    unchanged = record.listed - record.inserted - record.changed
    others = ((record.deactivated, "deactivated"), (loaded.duplicates, "duplicate"), (screening.refused, "refused"))
    told = "".join(f", {count} {word}" for count, word in others if count)
    did = f"{record.inserted} new, {record.changed} changed, {unchanged} as before{told}"
    paused = f" ({loaded.paused_s:.2f} s of them paused, as a daemon trades)" if loaded.paused_s else ""
    return [
        f"{printable(record.source_file)}: {counted(record.listed, 'instrument')} in {seconds:.2f} s{paused}: {did}",
        f"catalogue: {record.active} active of {record.total}",
    ]


def count(settings: Settings, *, as_json: bool) -> int:
    """Print how many instruments there are, by exchange and in all, and when they were loaded."""
    with opened(settings) as database, database.read_unit() as work:
        exchanges, newest = work.instruments.counts_by_exchange(), work.instruments.last_load()
    active = sum(one.active for one in exchanges.values())
    total = sum(one.total for one in exchanges.values())
    if as_json:
        write_json(
            {
                "active": active,
                "total": total,
                "exchanges": {name: asdict(counts) for name, counts in exchanges.items()},
                "loaded_at": None if newest is None else newest.loaded_at,
                "source_file": None if newest is None else newest.source_file,
            }
        )
        return OK
    table = plain_table("exchange", "active", "total", right=frozenset({"active", "total"}))
    for name, counts in exchanges.items():
        table.add_row(escape(printable(name)), str(counts.active), str(counts.total))
    table.add_row("all", str(active), str(total))
    screen().print(table)
    if newest is not None:
        line = f"loaded {newest.loaded_at:%Y-%m-%d %H:%M} UTC from {printable(newest.source_file)}"
        screen().print(line, markup=False, soft_wrap=True)
    return OK


def search(settings: Settings, wanted: str, exchange: str | None, limit: int, *, as_json: bool) -> int:
    """Print the active instruments with the text in symbol or name; exit code 1 when there are none."""
    text = wanted.strip()
    if not text or not text.isprintable() or "\0" in (exchange or ""):
        raise Failure("nothing to search for; give a part of a symbol or name", USAGE)
    demand_utf8("the exchange", exchange or "")
    with opened(settings) as database, database.read_unit() as work:
        found = work.instruments.search(text, limit, exchange)
    if as_json:
        write_json([as_json_types(one) for one in found])
    elif found:
        screen().print(_table(found))
    else:
        place = "" if exchange is None else f" on {exchange.upper()}"
        raise Failure(f"no active instrument has {text!r} in symbol or name{place}", FAILED)
    return OK if found else FAILED


def as_json_types(one: InstrumentRecord) -> dict[str, Any]:
    """The record for other programs: decimals as strings."""
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in asdict(one).items()}


def _table(found: Sequence[InstrumentRecord]) -> Table:
    table = plain_table("token", "symbol", "exchange", "type", "expiry", "strike", "lot", "name", right=_FIGURES)
    table.columns[-1].no_wrap, table.columns[-1].overflow = False, "fold"
    for one in found:
        table.add_row(
            str(one.instrument_token),
            escape(printable(one.tradingsymbol)),
            escape(printable(one.exchange)),
            escape(printable(one.instrument_type or "-")),
            "-" if one.expiry is None else f"{one.expiry:%Y-%m-%d}",
            f"{one.strike.normalize():f}" if one.strike else "-",
            "-" if one.lot_size is None else str(one.lot_size),
            escape(printable(one.name)),
        )
    return table


_FIGURES = frozenset({"token", "strike", "lot"})


def _print_refusals(screening: Screening) -> None:
    console = screen(to_stderr=True)
    for one in screening.refusals:
        console.print(f"{screening.name} line {one.line}: {one.reason}", markup=False, soft_wrap=True)
    if more := screening.refused - len(screening.refusals):
        console.print(f"{screening.name}: {more} more lines are no valid rows", markup=False, soft_wrap=True)


class _Bar:
    """Progress on standard error, and only on a terminal: of the bytes that are read, then of the rows merged."""

    def __init__(self, source: Source) -> None:
        console = screen(to_stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        self._shown = console.is_terminal
        self._progress = Progress(*columns, console=console, disable=not self._shown, transient=True)
        self._reading = self._progress.add_task("reading", total=source.size)
        self._merging = self._progress.add_task("merging", total=None, visible=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take it off the screen."""
        self._progress.stop()

    def read(self, position: int) -> None:
        """So many bytes are read."""
        if self._shown:
            self._progress.update(self._reading, completed=position)

    def merged(self, done: int, total: int) -> None:
        """So many rows of so many are merged."""
        if self._shown:
            self._progress.update(self._merging, completed=done, total=total, visible=True)
