"""What the repositories hand out, and the one row type they ask for: frozen data without SQLAlchemy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A stored session. The token is kept out of `session_data` and of the repr."""

    session_id: str
    user_id: str
    start_time: datetime
    end_time: datetime | None
    is_active: bool
    session_data: dict[str, Any] = field(repr=False)
    created_at: datetime | None
    updated_at: datetime
    access_token: str | None = field(default=None, repr=False)
    """In clear; None where the session has none, or where `token_readable` is false."""
    token_readable: bool = True
    """False when the token was sealed with a key that is not configured: the user must log in again."""


class SavedSession(NamedTuple):
    """Which login of the batch, counted from 0, was saved, and what its saver did not know: the id and start are those
    of the user's first, and the time is later than asked for where a direct one was to follow what was stored.
    """

    place: int
    session_id: str
    start_time: datetime | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Invalidation:
    """The order to end a user's session, unless a later save has replaced it; a direct one ends it in any case."""

    user_id: str
    reason: str
    updated_at: datetime
    direct: bool = False


@dataclass(frozen=True, slots=True)
class PortfolioRecord:
    """The books of one strategy at one broker."""

    portfolio_id: str
    broker_namespace: str
    strategy_id: str
    positions: Any
    total_realized_pnl: Decimal
    total_unrealized_pnl: Decimal
    total_pnl: Decimal
    cash: Decimal
    snapshot_time: datetime | None
    row_id: int = 0
    """The `id` of the row."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Snapshots that do not count, as another is the books of their strategy."""

    count: int
    names: tuple[str, ...]
    """The `portfolio_id` of some of them."""


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """Who may act for a broker account. A higher `epoch` has taken over from all lower ones."""

    broker: str
    owner: str
    epoch: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OutboxRecord:
    """The messages of one commit that are still to be published."""

    id: str
    messages: bytes = field(repr=False)
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DeadLetterSummary:
    """A message that could not be handled, without its bytes."""

    id: str
    subject: str
    reason: str
    error_class: str | None
    size: int
    created_at: datetime
    replays: int
    replayed_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeadLetterRecord:
    """A message that could not be handled, with its original bytes, or what is kept of them if they are lost."""

    id: str
    subject: str
    reason: str
    error_class: str | None
    broker: str | None
    consumer: str
    message_id: str | None
    stream: str | None
    stream_seq: int | None
    payload: bytes = field(repr=False)
    headers: Mapping[str, Any] | None = field(repr=False)
    created_at: datetime
    stored_at: datetime | None = None
    """When its stream took it; None for letters of before this was noted."""
    replays: int = 0
    replayed_at: datetime | None = None
    size: int = 0
    """Of the original, bytes."""
    payload_lost: str | None = None
    """Why the original bytes cannot be had."""


@dataclass(frozen=True, slots=True)
class Resealed:
    """What became of a portion of stored secrets; `last` is the key to go on after, None at the end."""

    last: str | None
    resealed: int
    """Those that another key had sealed."""
    current: int
    in_clear: int
    """Those that were stored in clear, and are sealed now."""
    unreadable: tuple[str, ...]
    """The keys of those that no configured key opens; they are left as they are."""


@dataclass(frozen=True, slots=True)
class InstrumentRecord:
    """What the catalogue holds of an instrument. `expiry` is of the exchanges' calendar, and has no zone."""

    instrument_token: int
    exchange_token: int
    tradingsymbol: str
    name: str
    exchange: str
    segment: str | None
    instrument_type: str | None
    last_price: Decimal | None
    tick_size: Decimal | None
    lot_size: int | None
    expiry: datetime | None
    strike: Decimal | None
    is_active: bool


@dataclass(frozen=True, slots=True)
class InstrumentCounts:
    """How many instruments there are, and how many of them are active."""

    active: int
    total: int


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """One load of the catalogue, and how many instruments there were after it; `id` grows with every load."""

    id: int
    loaded_at: datetime
    source_file: str
    listed: int
    inserted: int
    changed: int
    deactivated: int
    active: int
    total: int


@dataclass(frozen=True, slots=True)
class SubscriptionRecord:
    """An instrument in the registry; those with a lower priority come first."""

    instrument_token: int
    tradingsymbol: str
    exchange: str
    is_subscribed: bool
    priority: int
    added_at: datetime | None
    added_by: str | None
    notes: str | None
