"""What the demo does, from the first line it prints to its exit code."""

from __future__ import annotations

import shutil
import signal
import sys
import sysconfig
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from actors.gateway.injection import Ack, InjectionError, publish
from actors.gateway.subjects import validated_signals
from actors.rows import OutboundMessage
from console.demo.daemon import BROKER, ORDERS, STARTING_CASH, DemoDaemon
from console.demo.evidence import Evidence, gather
from console.demo.proofs import Proof, prove
from console.demo.view import books_table, proofs_table
from console.failure import FAILED, MISCONFIGURED, OK, UNAVAILABLE, Failure
from console.output import screen
from console.recording import Bar, bar_messages, read_bars
from console.replay import MESSAGES_PER_BAR, ReplayBar
from console.status_screen import status_screen
from settings import CHECKOUT, NatsSettings

BARS = Path("examples", "daily_bars.csv")
INSTALLED = Path("share", "alpha-panda", BARS)
VICTIM = f"trading.{BROKER}"
SETTLED_S = 60.0


def tell(*, keep: bool) -> int:
    """Run the demo; returns 0 when every proof holds, else 1."""
    console = screen()
    source = _bars_file()
    bars = read_bars(source.read_text(encoding="utf-8"), source.name)
    with _directory(keep) as directory, _ends_on_sigterm():
        with DemoDaemon(directory) as daemon:
            console.print(f"a daemon of its own starts, with PostgreSQL and NATS, in {directory}", soft_wrap=True)
            daemon.wait_until("the daemon is ready", lambda status: bool(status["state"] == "ready"))
            evidence, status = _trade(console, daemon, bars)
            console.print()
            console.print(status_screen(status, console.width))
            console.print()
            console.print(books_table(evidence.portfolios, {bar.token: bar.symbol for bar in bars}))
            proofs = [*prove(evidence, STARTING_CASH), _stopped(daemon)]
            console.print()
            console.print(proofs_table(proofs))
        if keep:
            console.print(f"kept: {directory}", soft_wrap=True)
    if failed := [proof for proof in proofs if not proof.holds]:
        claims = "; ".join(f"{proof.claim} ({proof.found})" for proof in failed)
        raise Failure(f"not proven: {claims}; run it with --keep and look at what it left", FAILED)
    return OK


def _trade(console: Console, daemon: DemoDaemon, bars: Sequence[Bar]) -> tuple[Evidence, dict[str, Any]]:
    """Replay the bars, crash an actor half way, and wait until everything is settled."""
    messages = list(bar_messages(bars, BROKER, BARS.name, uuid.uuid4().hex))
    signals = tuple(one.message_id for one in messages if one.subject == validated_signals(BROKER))
    console.print(f"{len(bars)} price bars go through NATS as ticks and signals; half way {VICTIM} crashes")
    started = time.monotonic()
    _publish(daemon, messages, len(bars))
    status = daemon.wait_until("every signal is settled", lambda status: _is_settled(status, len(signals)), SETTLED_S)
    seconds = time.monotonic() - started
    console.print(f"{len(signals)} signals are booked and published after {seconds:.1f} s")
    return gather(daemon, signals, status), status


def _publish(daemon: DemoDaemon, messages: Sequence[OutboundMessage], bars: int) -> None:
    progress = ReplayBar(bars, MESSAGES_PER_BAR, "bars")
    acknowledged = 0

    def count(ack: Ack) -> None:
        nonlocal acknowledged
        acknowledged += 1
        progress.add(ack)
        if acknowledged == len(messages) // 2:
            daemon.socket.post("children", VICTIM, "crash")

    try:
        with progress.progress:
            publish(NatsSettings(), daemon.socket.get("connection")["nats"], messages, on_ack=count)
    except InjectionError as error:
        raise Failure(str(error), UNAVAILABLE) from None


def _is_settled(status: dict[str, Any], signals: int) -> bool:
    booked = sum(status["database"]["events"].get(BROKER, {}).values())
    kept = (status["nats"].get("streams") or {}).get(ORDERS, {}).get("messages", 0)
    return bool(status["state"] == "ready" and status["brokers"][BROKER]["signals"] >= signals and kept >= booked)


def _stopped(daemon: DemoDaemon) -> Proof:
    code = daemon.stop()
    return Proof("the daemon stopped when told to", f"exit code {code}", code == 0)


def _bars_file() -> Path:
    places = (CHECKOUT / BARS, Path(sysconfig.get_path("data")) / INSTALLED, Path(sys.prefix) / INSTALLED)
    for place in places:
        if place.is_file():
            return place
    raise Failure(f"{places[1]} is missing; install the program again", MISCONFIGURED)


@contextmanager
def _directory(keep: bool) -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="alpha-panda-demo-"))
    try:
        yield directory
    finally:
        if not keep:
            shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _ends_on_sigterm() -> Iterator[None]:
    """Make SIGTERM end the block in order, as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
