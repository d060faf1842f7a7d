"""Dead letters for an operator to look at, read through the pool; what changes them is left to the writer."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from actors.errors import DeadLetterNotFound, DomainError, ReplayRefused, TryAgain
from actors.messages import ReplayDeadLetter
from actors.redaction import Shown, harmless_of, shown, shown_headers
from persistence.database import Database
from persistence.errors import Conflict, Poison, Unavailable
from persistence.records import DeadLetterRecord
from persistence.unit_of_work import UnitOfWork
from settings import program
from settings.brokers import known_brokers

MIN_PREFIX = 4

Result = TypeVar("Result")


class Letters:
    """From any thread, by a pooled connection of its own for each call.

    Args:
        database: where they are.
        subjects: those that the streams of this service take; a tick's is left out, as its price is of the past.
    """

    def __init__(self, database: Database, subjects: frozenset[str]) -> None:
        self._database = database
        self._subjects = subjects

    def list(self, limit: int, reason: str | None) -> dict[str, Any]:
        """The newest ones as JSON types; `reason` is a text in their reason or error class.

        Raises:
            TryAgain: the database is away.
        """
        found = self._read(lambda work: work.dead_letters.summaries(limit, reason))
        return {
            "dead_letters": [
                {
                    "id": one.id,
                    "time": _wire(one.created_at),
                    "subject": one.subject,
                    "reason": one.reason,
                    "error_class": one.error_class,
                    "bytes": one.size,
                    "replays": one.replays,
                    "replayed_at": _wire(one.replayed_at),
                }
                for one in found
            ]
        }

    def show(self, prefix: str) -> dict[str, Any]:
        """The one whose id begins so, whole, as JSON types and without secrets.

        Raises:
            DeadLetterNotFound: there is none.
            DomainError: the prefix is none, or fits several.
            TryAgain: the database is away.
        """
        letter = self._one(prefix)
        harmless = harmless_of(letter.subject)
        payload = (
            shown(letter.payload, harmless) if letter.payload or not letter.size else Shown(None, None, masked=True)
        )
        return {
            "id": letter.id,
            "time": _wire(letter.created_at),
            "subject": letter.subject,
            "reason": letter.reason,
            "error_class": letter.error_class,
            "broker": letter.broker,
            "consumer": letter.consumer,
            "message_id": letter.message_id,
            "stream": letter.stream,
            "stream_seq": letter.stream_seq,
            "stored_at": _wire(letter.stored_at),
            "replays": letter.replays,
            "replayed_at": _wire(letter.replayed_at),
            "headers": shown_headers(letter.headers, harmless),
            "bytes": letter.size,
            "masked": payload.masked or letter.payload_lost is not None,
            "payload_lost": letter.payload_lost,
            "payload": payload.text,
            "payload_hex": payload.hex,
        }

    def to_replay(self, prefix: str, *, again: bool) -> ReplayDeadLetter:
        """The order to replay the one whose id begins so.

        Raises:
            ReplayRefused: it was replayed before and `again` is false, no stream takes it, or it was not kept.
            DeadLetterNotFound, DomainError, TryAgain: as in `show`.
        """
        letter = self._one(prefix)
        if letter.subject not in self._subjects:
            raise ReplayRefused(f"{letter.id}: {_why_not(letter.subject)}")
        if letter.payload_lost:
            raise ReplayRefused(f"{letter.id} cannot be replayed: {letter.payload_lost}; send the message anew")
        if letter.replays and not again:
            raise ReplayRefused(f"{letter.id} was replayed at {_wire(letter.replayed_at)}; give --again to repeat that")
        return ReplayDeadLetter(letter.id, again)

    def older_than(self, age_s: float) -> dict[str, Any]:
        """The time so many seconds ago, by the database's clock, and how many were stored before it.

        Raises:
            TryAgain: the database is away.
        """
        before, count = self._read(lambda work: work.dead_letters.older_than(age_s))
        return {"before": _wire(before), "count": count}

    def _one(self, prefix: str) -> DeadLetterRecord:
        first, last = id_range(prefix)
        found = self._read(lambda work: work.dead_letters.find(first, last, 2))
        if not found:
            raise DeadLetterNotFound(f"no dead letter has the id {prefix}; see `{program()} dlq list`")
        if len(found) > 1:
            raise DomainError(f"several dead letters have an id that begins with {prefix}; give more of it")
        return found[0]

    def _read(self, query: Callable[[UnitOfWork], Result]) -> Result:
        try:
            with self._database.read_unit() as work:
                return query(work)
        except (Unavailable, Conflict) as error:
            raise TryAgain(str(error)) from error
        except Poison as error:
            raise DomainError(str(error)) from error


def id_range(prefix: str) -> tuple[str, str]:
    """The first and the last id that begin so.

    Raises:
        DomainError: it is not the beginning of an id, or too little of one.
    """
    digits = prefix.replace("-", "").lower()
    if not MIN_PREFIX <= len(digits) <= 32 or not set(digits) <= set("0123456789abcdef"):
        raise DomainError(f"{prefix[:64]!r} is no id of a dead letter, nor its first {MIN_PREFIX} characters or more")
    return str(uuid.UUID(digits.ljust(32, "0"))), str(uuid.UUID(digits.ljust(32, "f")))


def _why_not(subject: str) -> str:
    if subject == "market.ticks":
        return "a tick is a price of the past and would be taken for the newest; inject a new one"
    broker, known = subject.partition(".")[0], known_brokers()
    install = "install it and name it in ACTIVE_BROKERS, or purge what it left"
    cure = f"no adapter is named {broker}, only {', '.join(known)}; {install}"
    if broker in known:
        cure = f"put {broker} into ACTIVE_BROKERS and set TRADING__{broker.upper()}__ENABLED=true"
    return f"no stream of this daemon takes {subject}: {cure}"


def _wire(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
