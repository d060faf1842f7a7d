"""`replay`: price bars or recorded messages through NATS, with a progress bar on a terminal."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from actors.gateway.injection import Ack, InjectionError, publish
from actors.gateway.subjects import TICKS, validated_signals
from actors.rows import OutboundMessage
from console.failure import USAGE, Failure
from console.nats_servers import nats_servers
from console.output import counted, screen
from console.recording import bar_messages, read_bars, recorded_messages
from console.subjects import failure_of
from settings import Settings

MESSAGES_PER_BAR = 2


def run(settings: Settings, file: Path, broker: str, *, speed: float | None, run_id: str | None) -> int:
    """Publish the file: `speed` is in bars, or recorded messages, per second."""
    try:
        text = file.read_bytes()
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}; give a CSV file of bars, or JSON lines", USAGE) from None
    messages: Iterable[OutboundMessage]
    if text.lstrip()[:1] in {b"{", b"["}:
        messages = recorded_messages(text, str(file))
        total, per_item, noun = len(messages), 1, "message"
        subjects = sorted({message.subject for message in messages})
    else:
        bars = read_bars(_decoded(text, file), str(file))
        messages = bar_messages(bars, broker, file.name, run_id or uuid.uuid4().hex)
        total, per_item, noun = len(bars), MESSAGES_PER_BAR, "bar"
        subjects = [TICKS, validated_signals(broker)]
    servers = nats_servers(settings)
    started = time.monotonic()
    bar = ReplayBar(total, per_item, noun)
    try:
        with bar.progress:
            rate = None if speed is None else speed * per_item
            published = publish(settings.nats, servers, messages, rate=rate, on_ack=bar.add, subjects=subjects)
    except InjectionError as error:
        raise failure_of(error, settings.brokers) from None
    seconds = time.monotonic() - started
    again = f" ({bar.duplicates} of them known already)" if bar.duplicates else ""
    screen().print(f"{counted(total, noun)} replayed: {counted(published, 'message')}{again} in {seconds:.2f} s")
    return 0


class ReplayBar:
    """The progress of a replay, drawn on standard error, and only on a terminal."""

    def __init__(self, total: int, per_item: int, noun: str) -> None:
        console = screen(to_stderr=True)
        columns = (TextColumn(f"replaying {noun}s"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.progress = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self.duplicates = 0
        self._step = 1 / per_item
        self._task = self.progress.add_task("", total=total)

    def add(self, ack: Ack) -> None:
        """Count an acknowledged message."""
        self.duplicates += ack.duplicate
        self.progress.advance(self._task, self._step)


def _decoded(text: bytes, file: Path) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Failure(f"{file} is not a text in UTF-8; give a CSV file of bars, or JSON lines", USAGE) from None
