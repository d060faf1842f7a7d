"""`inject`: JSON to JetStream, each message with its id as `Nats-Msg-Id`, so that a repetition is dropped there.

As a tool for load it publishes copies at a rate, waits for the fills of signals, and prints how long they took.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from actors.gateway.injection import InjectionError, publish
from actors.gateway.loading import Outcome, publish_signals
from actors.gateway.subjects import validated_signals
from console.envelope import broker_of, outbound, templates
from console.failure import FAILED, OK, USAGE, Failure
from console.inject_screen import LoadBar, Tally, summary
from console.nats_servers import nats_servers
from console.operator_socket import OperatorSocket
from console.output import counted, screen
from console.subjects import failure_of, refuse_outbound
from settings import Settings, program

PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True)
class Load:
    """How the messages go out: `count` times over, `rate` a second at the most, and whether their fills are waited
    for, until none has come for `timeout_s` seconds; None waits for those of copies.
    """

    count: int = 1
    rate: float | None = None
    wait: bool | None = None
    timeout_s: float = 30.0


def run(settings: Settings, subject: str, file: Path | None, load: Load) -> int:
    """Publish the file, or standard input, `count` times; prints acknowledgements and a summary."""
    check_subject(subject)
    refuse_outbound(subject, settings.brokers)
    waits = _waits(subject, load)
    given = templates(_read(file), str(file or "standard input"))
    total = len(given) * load.count
    servers = nats_servers(settings)
    tally = Tally(total)
    messages = tally.timed(outbound(given, subject, load.count))
    if not waits:
        with _failures(tally, settings), LoadBar(total, fills=False) as bar:
            publish(settings.nats, servers, messages, rate=load.rate, on_ack=lambda ack: tally.add(ack, bar))
        tally.print_summary()
        return OK
    with _failures(tally, settings), LoadBar(total, fills=True) as bar:
        outcome = publish_signals(
            settings.nats,
            servers,
            messages,
            broker_of(subject),
            rate=load.rate,
            patience_s=load.timeout_s,
            on_ack=lambda ack: tally.add(ack, bar),
            on_answer=bar.answered,
            on_sent=lambda _: tally.end(),
        )
    tally.print_summary()
    screen().print(summary(outcome), soft_wrap=True)
    return _judged(outcome, load.timeout_s, lambda: _drained(settings))


def check_subject(subject: str) -> None:
    """Refuse what is no subject to publish to, before anything is sent.

    Raises:
        Failure: it is empty, has empty tokens, spaces or wildcards.
    """
    tokens = subject.split(".")
    if not subject.isascii() or not subject.isprintable() or not all(tokens) or {"*", ">", " "} & set(subject):
        raise Failure(f"{subject!r} is not a subject; write one like paper.signals.validated", USAGE)


def _waits(subject: str, load: Load) -> bool:
    trades = subject == validated_signals(broker_of(subject))
    if load.wait and not trades:
        raise Failure(f"{subject} has no fills to wait for; leave --wait out, or publish validated signals", USAGE)
    return trades and (load.count > 1 if load.wait is None else load.wait)


def _judged(outcome: Outcome, timeout_s: float, drained: Callable[[], bool]) -> int:
    """OK if every signal was answered by its broker.

    Raises:
        Failure: some were not.
    """
    if outcome.missing:
        total = len(outcome.latencies_s) + outcome.failed + outcome.given_up + outcome.missing
        cure = f"see `{program()} status`"
        if drained():
            cure = f"the daemon is drained and takes nothing in until `{program()} drain --resume`"
        have = "has" if total == 1 else "have"
        silent = f"{outcome.missing} of {counted(total, 'signal')} {have} no answer, and none came for {timeout_s:g} s"
        raise Failure(f"{silent}; {cure}", FAILED)
    if outcome.given_up:
        become = "became a dead letter" if outcome.given_up == 1 else "became dead letters"
        raise Failure(f"{counted(outcome.given_up, 'signal')} {become}; see `{program()} dlq list`", FAILED)
    return OK


def _drained(settings: Settings) -> bool:
    """Whether the daemon here says that it takes nothing in; false also if none answers."""
    try:
        return str(OperatorSocket(settings.socket_path, PATIENCE_S).get("status")["nats"]["intake"]) != "open"
    except (Failure, KeyError, TypeError):
        return False


@contextmanager
def _failures(tally: Tally, settings: Settings) -> Iterator[None]:
    """Who repeats the command publishes new messages: those that are in the stream already are worth a word."""
    try:
        yield
    except InjectionError as error:
        stored = f" (at least {tally.count} were published before that and count)" if tally.count else ""
        raise failure_of(error, settings.brokers, stored) from None


def _read(file: Path | None) -> bytes:
    if file is None:
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}; give a file of JSON, or none for standard input", USAGE) from None
