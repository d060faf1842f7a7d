"""What `inject` shows: each acknowledgement while they are few, a progress bar on a terminal, and the figures."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from actors.gateway.injection import Ack
from actors.gateway.loading import Outcome
from actors.rows import OutboundMessage
from console.output import screen

SHOWN = 20
PERCENTILES = (50, 90, 99)


class LoadBar:
    """The progress of many messages, drawn on standard error, and only on a terminal.

    Args:
        total: how many there are.
        fills: whether their answers are waited for.
    """

    def __init__(self, total: int, *, fills: bool) -> None:
        console = screen(to_stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        hidden = not console.is_terminal or total <= SHOWN
        self._progress = Progress(*columns, console=console, disable=hidden, transient=True)
        self._published = self._progress.add_task("published", total=total)
        self._answered = self._progress.add_task("answered", total=total, visible=fills)
        self._hidden = hidden

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def published(self) -> None:
        """Count an acknowledged message."""
        if not self._hidden:
            self._progress.advance(self._published)

    def answered(self) -> None:
        """Count a message that is filled, failed or given up."""
        if not self._hidden:
            self._progress.advance(self._answered)


class Tally:
    """Prints acknowledgements as they come, as long as they are few, and counts them."""

    def __init__(self, total: int) -> None:
        self._shows_each = total <= SHOWN
        self._console = screen()
        self._count = 0
        self._duplicates = 0
        self._started: float | None = None
        self._ended: float | None = None

    @property
    def count(self) -> int:
        """How many were acknowledged so far."""
        return self._count

    def timed(self, messages: Iterable[OutboundMessage]) -> Iterator[OutboundMessage]:
        """The messages; the time runs from the first one on."""
        for message in messages:
            self._started = self._started or time.monotonic()
            yield message

    def add(self, ack: Ack, bar: LoadBar) -> None:
        """Count an acknowledgement."""
        self._count += 1
        self._duplicates += ack.duplicate
        bar.published()
        if self._shows_each:
            again = "  duplicate" if ack.duplicate else ""
            self._console.print(f"{ack.message_id}  {ack.stream}  seq {ack.seq}{again}", markup=False, soft_wrap=True)

    def end(self) -> None:
        """Say that the last one has come."""
        self._ended = time.monotonic()

    def print_summary(self) -> None:
        """Print how many there were, and in which time."""
        ended = self._ended or time.monotonic()
        seconds = ended - (self._started or ended)
        duplicates = f", {self._duplicates} duplicate" if self._duplicates else ""
        rate = f"{self._count / max(seconds, 1e-9):,.0f}/s"
        self._console.print(f"{self._count} published{duplicates} in {seconds:.2f} s ({rate})")


def summary(outcome: Outcome) -> str:
    """The figures in a line: how many were filled, in which time, and how long that took of the fastest share."""
    filled = len(outcome.latencies_s)
    others = ((outcome.failed, "failed"), (outcome.given_up, "given up"), (outcome.missing, "unanswered"))
    told = "".join(f", {number} {word}" for number, word in others if number)
    if outcome.missing and not filled:
        return f"{filled} filled{told} after {outcome.waited_s:.1f} s"
    line = f"{filled} filled{told} in {outcome.seconds:.2f} s ({filled / max(outcome.seconds, 1e-9):,.0f}/s)"
    if not filled:
        return line
    figures = [f"p{percent} {milliseconds(outcome.percentile_s(percent))}" for percent in PERCENTILES]
    return f"{line}: {', '.join(figures)}, max {milliseconds(outcome.latencies_s[-1])}"


def milliseconds(seconds: float) -> str:
    """A latency in milliseconds, to three digits at the least."""
    amount = seconds * 1000
    return f"{amount:.2f} ms" if amount < 10 else f"{amount:.1f} ms" if amount < 100 else f"{amount:,.0f} ms"
