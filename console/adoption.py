"""`db adopt`: show what would be done to a database of Alpha Panda's, ask, and do it."""

from __future__ import annotations

import sys
import time
from itertools import groupby
from operator import attrgetter
from types import TracebackType
from typing import Self

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from console.books import problem_of, read_all
from console.database import database_url, failures
from console.failure import FAILED, MISCONFIGURED, OK, USAGE, Failure
from console.output import duration, printable, screen
from persistence.adoption.adoption import Progress as Report
from persistence.adoption.adoption import adopt as take_over
from persistence.adoption.adoption import side_tables
from persistence.adoption.connection import Patience
from persistence.adoption.foresight import BegunAnew
from persistence.adoption.kinds import Kind
from persistence.adoption.pending import Pending
from persistence.adoption.plan import Action, Plan, Step, Waits
from persistence.adoption.survey import Count, Foreign, Survey, survey
from persistence.adoption.undo import undo as give_back
from persistence.books import Unreadable
from persistence.database import open_database
from persistence.errors import Unavailable
from persistence.migration import heads
from persistence.urls import safe_url
from settings import Settings, program

COPIED_MB_PER_S = 8
"""Copied, indexed and compared: what two cores with writers at work beside it come to."""
READING_S = 600.0
"""The books of a million strategies are read in a part of it."""
NOTHING_CHANGED = "nothing was changed"


def adopt(settings: Settings, *, yes: bool, dry_run: bool, patience_s: float) -> int:
    """Print the plan, and follow it once that is confirmed."""
    with failures(), database_url(settings) as url:
        found = _surveyed(settings, url)
        patience = Patience(total_s=patience_s)
        if not found.plan.steps:
            screen().print(f"nothing to adopt: the schema is at head, {heads()}")
            return OK
        _print_plan(found, url, patience)
        if dry_run:
            screen().print(f"a dry run: {NOTHING_CHANGED}")
            return OK
        _confirm(yes=yes)
        started = time.monotonic()
        with Bars(found) as bars:
            plan = _taken_over(settings, url, bars, patience)
        _print_end(settings, url, plan, time.monotonic() - started)
    return OK


def undo(settings: Settings) -> int:
    """Take back an unfinished adoption, as far as it has not replaced any table."""
    with failures(), database_url(settings) as url:
        undone = give_back(url, settings.database)
    console = screen()
    for line in undone.missing:
        console.print(escape(line), soft_wrap=True)
    for name in undone.left:
        console.print(f"{name} was left alone: nothing shows that an unfinished adoption has made it", soft_wrap=True)
    copies = ", ".join(undone.dropped)
    console.print(f"dropped the unfinished copies of {copies}" if copies else "there were no unfinished copies")
    if undone.replaced:
        console.print("some tables are in their new shape already and stay so: adopt again, or restore the backup")
    return OK


class Bars:
    """A bar for each step, on standard error; where that is no terminal, a line for each step that ended, on standard
    output.
    """

    def __init__(self, found: Survey) -> None:
        console = screen(to_stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._counts = found.counts
        self._tasks: dict[Step, TaskID] = {}
        self._lines = not console.is_terminal
        self._began = 0.0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    @property
    def begun(self) -> bool:
        """Whether a step has begun."""
        return bool(self._tasks)

    def show(self, report: Report) -> None:
        """Draw what a step reports."""
        step = report.step
        counts = step.action is Action.COPY
        if step not in self._tasks:
            total = max(1, self._counts[step.table].rows) if counts and step.table in self._counts else 1
            self._began = time.monotonic()
            self._tasks[step] = self._progress.add_task(escape(f"{step.table} {step.name}".strip()), total=total)
        task = self._tasks[step]
        if report.ended:
            done = self._progress.tasks[task].completed
            whole = max(1.0, done) if counts else 1.0
            self._progress.update(task, total=whole, completed=whole)
            if self._lines:
                took = duration(time.monotonic() - self._began)
                screen().print(escape(f"{step.table} {step.name}, {took}".strip()), soft_wrap=True)
        elif counts:
            self._progress.advance(task, report.rows)


def _taken_over(settings: Settings, url: str, bars: Bars, patience: Patience) -> Plan:
    try:
        return take_over(url, settings.database, bars.show, patience)
    except Unavailable as error:
        if not bars.begun:
            raise
        raise Unavailable(f"{error}; adopt again: it goes on from where it had come to") from None


def _surveyed(settings: Settings, url: str) -> Survey:
    try:
        with screen(to_stderr=True).status("reading the rows"):
            return survey(url, settings.database, problem_of)
    except Foreign as error:
        for line in error.lines:
            screen().print(f"differs  {escape(line)}", soft_wrap=True)
        reasons = "the line above says why" if len(error.lines) == 1 else f"the {len(error.lines)} lines above say why"
        raise Failure(f"{error.summary}, {reasons}; {NOTHING_CHANGED}", MISCONFIGURED) from None


def _print_plan(found: Survey, url: str, patience: Patience) -> None:
    console = screen()
    console.print(f"database  {escape(safe_url(url))}", soft_wrap=True)
    console.print(f"found     {escape(found.plan.kind.value)}")
    if found.unfinished:
        console.print("          an adoption that was interrupted goes on from where it had come to")
    for table, steps in groupby(found.plan.steps, key=attrgetter("table")):
        console.print()
        console.print(f"{table}, {_rows(found.counts.get(table))}" if table else "at the end")
        rows = [(step.name, step.action.lock, _waits(step, patience)) for step in steps]
        rows = [_revision(one, patience) for one in found.pending] or rows
        if console.is_terminal:
            console.print(Padding(_table(rows), (0, 0, 0, 2), expand=False))
        else:
            _print_lines(rows)
    lock = duration(patience.insistent_lock_s)
    if found.pending:
        console.print(
            f"\nA revision waits up to {lock} for the lock of each of its tables, and holds them until its work is "
            "done, which is estimated from their rows; who is said to wait, waits for all of that at the most."
        )
    else:
        console.print(
            f"\nA lock is waited for up to {lock} at a time, and then held up to {duration(patience.hold_s)}; who is "
            "said to wait, waits for both at the most. A table in use is tried again for "
            f"{duration(patience.total_s)}."
        )
    if found.copied_bytes:
        megabytes = found.copied_bytes / 1e6
        about = duration(max(1.0, megabytes / COPIED_MB_PER_S))
        console.print(f"{megabytes:,.1f} MB are copied: estimated at {about}, at {COPIED_MB_PER_S} MB a second.")
    _print_rows(found)


def _print_rows(found: Survey) -> None:
    """What becomes of rows and values."""
    console = screen()
    for name, count in found.losses.items():
        words = "without an instrument" if name == "instrument_registry" else "that are older duplicates"
        console.print(f"{name}: {count} rows {words} are set aside")
    for name, count in found.unfit.items():
        console.print(f"{name}: {count} rows whose money is NaN or infinite are set aside")
    _print_begun_anew(found.begun_anew)
    for name, count in found.forgotten.items():
        console.print(f"{name}: {count} values that are NaN or the JSON null become NULL")
    for change in found.changes:
        console.print(f"{change.column}: {change.count:,} {change.words}", soft_wrap=True)
    if found.misnamed:
        console.print(
            f"portfolio_snapshots: {found.misnamed:,} snapshots under another name than broker:strategy: of each "
            "strategy without one of that name the newest counts, the others are left alone",
            soft_wrap=True,
        )
    _print_unreadable(found.unreadable)


def _print_begun_anew(found: BegunAnew) -> None:
    if not found.count:
        return
    console = screen()
    those = f"{found.count:,} strategies have" if found.count > 1 else "1 strategy has"
    console.print(
        f"portfolio_snapshots: {those} no others, and the daemon begins anew there, with the starting cash and without "
        "positions; correct the money before, if it is not to:",
        soft_wrap=True,
    )
    for broker, strategy, portfolio in found.named:
        line = f"  portfolio {portfolio} of the strategy {strategy} at {broker}"
        console.print(escape(printable(line)), soft_wrap=True)
    if found.count > len(found.named):
        console.print(f"  and {found.count - len(found.named):,} more")


def _print_unreadable(books: Unreadable) -> None:
    if not books.count:
        return
    console = screen()
    console.print(
        f"portfolio_snapshots: {books.count:,} of the books cannot be opened; they stay as they are, and the daemon "
        f"parks {', '.join(map(escape, books.brokers))} until they are corrected:",
        soft_wrap=True,
    )
    for problem in books.problems:
        console.print(f"  {escape(problem)}", soft_wrap=True)
    if books.count > len(books.problems):
        console.print(f"  and {books.count - len(books.problems):,} more")


def _rows(count: Count | None) -> str:
    if count is None:
        return "no rows"
    return f"about {count.rows:,} rows" if count.about else f"{count.rows:,} rows"


def _table(rows: list[tuple[str, str, str]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(overflow="fold", ratio=1)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    for name, lock, waits in rows:
        table.add_row(escape(name), lock, waits)
    return table


def _print_lines(rows: list[tuple[str, str, str]]) -> None:
    """The same columns as wide as they are, for files."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        screen().print(escape(f"  {'  '.join(cells)}".rstrip()), soft_wrap=True)


def _waits(step: Step, patience: Patience) -> str:
    if step.action.waits is Waits.NOBODY:
        return "nobody waits"
    return f"{step.action.waits.value} {duration(patience.longest_s)}"


def _revision(one: Pending, patience: Patience) -> tuple[str, str, str]:
    if not one.holds:
        return f"upgrade to {one.revision}", "none", "nobody waits"
    first = one.holds[0]
    waits = f"{first.waits.value} {'' if one.copied else 'about '}{duration(one.longest_s(patience))}"
    return f"upgrade to {one.revision}: {', '.join(hold.table for hold in one.holds)}", first.lock, waits


def _confirm(*, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure(f"nobody is there to confirm it: give --yes; {NOTHING_CHANGED}", USAGE)
    if not typer.confirm("Adopt it now? Have a backup first"):
        raise Failure(NOTHING_CHANGED, FAILED)


def _print_end(settings: Settings, url: str, plan: Plan, took_s: float) -> None:
    console = screen()
    done = "upgraded" if plan.kind in {Kind.EMPTY, Kind.OURS} else "adopted"
    console.print(f"{done} in {duration(took_s)}: the schema is at head, {heads()}")
    sides = side_tables(url, settings.database)
    for name, count in sides.items():
        console.print(f"{count} rows were set aside or mended: see {name}", soft_wrap=True)
    database = open_database(url, settings.database, "console")
    try:
        _print_unreadable(read_all(database, READING_S))
    finally:
        database.close()
    console.print(f"next: `{program()} db verify`")
