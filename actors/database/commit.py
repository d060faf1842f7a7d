"""What a group commit does with each unit of work: pure decisions on the units, the books and the inbox."""

from __future__ import annotations

import zlib
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import orjson

from actors.dead_letter import dead_letter_unit
from actors.messages import CommitUnit
from actors.rows import (
    DeadLetterRow,
    OutboundMessage,
    PortfolioRow,
    PortfolioState,
    SessionInvalidationRow,
    SessionRow,
    TradingEventRow,
)

COMPRESSION = 1
"""The quickest level: envelopes are so alike that it leaves an eighth of them."""


@dataclass(frozen=True, slots=True)
class Books:
    """A broker's open books: the token its units must carry and the epoch of its lease."""

    token: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Plan:
    """`accepted` units are settled by this commit (`fresh` ones have effects, the others were handled before);
    `refused` ones leave no trace; `diverged` brokers must open their books again."""

    accepted: tuple[CommitUnit, ...]
    fresh: tuple[CommitUnit, ...]
    refused: tuple[CommitUnit, ...]
    diverged: frozenset[str]

    def by_books(self) -> dict[tuple[str, int], tuple[str, ...]]:
        """Ids of the accepted units of each broker's books."""
        ids: dict[tuple[str, int], list[str]] = {}
        for unit in self.accepted:
            if unit.broker is not None and unit.books_token is not None:
                ids.setdefault((unit.broker, unit.books_token), []).append(unit.message_id)
        return {key: tuple(several) for key, several in ids.items()}


@dataclass(frozen=True, slots=True)
class Effects:
    """The rows of a group commit, one sequence per table, each key once."""

    events: tuple[TradingEventRow, ...]
    portfolios: tuple[PortfolioRow, ...]
    sessions: tuple[SessionRow, ...]
    invalidations: tuple[SessionInvalidationRow, ...]
    dead_letters: tuple[DeadLetterRow, ...]
    outbound: tuple[OutboundMessage, ...]

    @property
    def rows(self) -> int:
        tables = (self.events, self.portfolios, self.sessions, self.invalidations, self.dead_letters)
        return sum(len(rows) for rows in tables)


def plan(units: Sequence[CommitUnit], books: Mapping[str, Books], new: set[tuple[str, str]] | None) -> Plan:
    """Sort out the units in order.

    A unit that carries a token is refused unless its broker's books are open under that token. A unit whose inbox key
    is not `new` was handled before: it is settled without effects, and since its actor counted it twice, its broker's
    later units are refused. With `new` None every key counts as new.
    """
    accepted: list[CommitUnit] = []
    fresh: list[CommitUnit] = []
    refused: list[CommitUnit] = []
    diverged: set[str] = set()
    seen: set[tuple[str, str]] = set()
    for unit in units:
        if unit.broker is not None and unit.books_token is not None:
            known = books.get(unit.broker)
            if known is None or known.token != unit.books_token or _late(unit, diverged, new, seen):
                refused.append(unit)
                continue
        key = (unit.consumer, unit.message_id)
        accepted.append(unit)
        if key not in seen and (new is None or key in new):
            fresh.append(unit)
        elif unit.broker is not None and unit.books_token is not None:
            diverged.add(unit.broker)
        seen.add(key)
    return Plan(tuple(accepted), tuple(fresh), tuple(refused), frozenset(diverged))


def _late(unit: CommitUnit, diverged: set[str], new: set[tuple[str, str]] | None, seen: set[tuple[str, str]]) -> bool:
    """Whether a new unit was decided on books that had already diverged; one handled before is settled all the same."""
    key = (unit.consumer, unit.message_id)
    return unit.broker in diverged and key not in seen and (new is None or key in new)


def coalesce(units: Sequence[CommitUnit]) -> Effects:
    """The rows of the units: events and outbound messages all, in order; upserts once per key, the last one, sorted."""
    events: list[TradingEventRow] = []
    outbound: list[OutboundMessage] = []
    portfolios: dict[str, PortfolioState] = {}
    sessions: dict[str, SessionRow] = {}
    invalidations: list[SessionInvalidationRow] = []
    for unit in units:
        events += unit.events
        outbound += unit.outbound
        if unit.portfolio is not None:
            portfolios[unit.portfolio.portfolio_id] = unit.portfolio
        if unit.session is not None:
            _follow(sessions, invalidations, unit.session)
        if unit.invalidation is not None:
            invalidations.append(unit.invalidation)
    return Effects(
        events=tuple(events),
        portfolios=tuple(portfolios[key].as_row() for key in sorted(portfolios)),
        sessions=tuple(sessions[key] for key in sorted(sessions)),
        invalidations=tuple(invalidations),
        dead_letters=tuple(unit.dead_letter for unit in units if unit.dead_letter),
        outbound=tuple(outbound),
    )


def _follow(sessions: dict[str, SessionRow], invalidations: list[SessionInvalidationRow], row: SessionRow) -> None:
    """Have the login take the place of what it follows: an older one, or all that came before it if it is direct.

    Direct invalidations end whatever is stored, so those that it follows are taken out.
    """
    known = sessions.get(row.user_id)
    if known is not None and row.direct:
        row = replace(row, updated_at=max(row.updated_at, known.updated_at))
    if known is None or known.updated_at <= row.updated_at:
        sessions[row.user_id] = row
    invalidations[:] = [
        end
        for end in invalidations
        if not (end.direct and end.user_id == row.user_id and (row.direct or end.updated_at <= row.updated_at))
    ]


def poisoned(unit: CommitUnit, reason: str, error_class: str) -> CommitUnit:
    """The unit that takes the place of one the database refuses: its dead letter, nothing else."""
    if unit.delivery is None:
        return CommitUnit(unit.consumer, unit.message_id, reply=unit.reply)
    return dead_letter_unit(unit.delivery, reason, error_class, message_id=unit.message_id, broker=unit.broker)


def encode_outbox(messages: Sequence[OutboundMessage]) -> bytes:
    """The messages of one commit as the outbox row keeps them: a line of JSON that tells subject, id and length of
    each, then all payloads, as they are; compressed, which costs less than having PostgreSQL do it.
    """
    heads = orjson.dumps([(subject, message_id, len(payload)) for subject, message_id, payload in messages])
    return zlib.compress(b"".join((heads, b"\n", *[payload for _, _, payload in messages])), COMPRESSION)


def decode_outbox(data: bytes) -> tuple[OutboundMessage, ...]:
    """The reverse of `encode_outbox`; what earlier versions kept, JSON alone, is read too."""
    if data.startswith(b"["):
        return tuple(
            OutboundMessage(subject, message_id, b64decode(text) if base else text.encode())
            for subject, message_id, text, *base in orjson.loads(data)
        )
    heads, _, payloads = zlib.decompress(data).partition(b"\n")
    messages, at = [], 0
    for subject, message_id, length in orjson.loads(heads):
        messages.append(OutboundMessage(subject, message_id, payloads[at : at + length]))
        at += length
    return tuple(messages)
