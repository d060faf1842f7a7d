"""Every message that crosses a mailbox: frozen, slotted, typed.

Commands are imperative (`ExecuteSignal`), events past tense (`UnitsCommitted`), queries start with `Get`. Rows carry
the column names of their table, so that a batch of them becomes one statement.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol

from actors.rows import (
    DeadLetterRow,
    OutboundMessage,
    PortfolioState,
    SessionInvalidationRow,
    SessionRow,
    TradingEventRow,
)


class Reply(Protocol):
    """Where an answer goes, from any thread, once: the future of an ask or a NATS reply subject."""

    def complete(self, value: Any) -> None: ...

    def fail(self, error: BaseException) -> None: ...


# Runtime


@dataclass(frozen=True, slots=True)
class Ping:
    """Answered with the actor's name by any actor; a barrier for tests and a liveness probe."""


@dataclass(frozen=True, slots=True)
class Crash:
    """Make the actor fail as an unexpected exception would; the operator's proof that supervision works."""

    reason: str = "crash requested by the operator"


@dataclass(frozen=True, slots=True)
class ChildEvent:
    """A fact about one incarnation of a child, told to its supervisor; `event` is one of `supervision`'s events."""

    event: Any


@dataclass(frozen=True, slots=True)
class StartChild:
    """Add a child to a supervisor and start it; `spec` is a `ChildSpec`.

    Replies, once it runs, with a `NewChild`; fails with `ChildRefused`.
    """

    spec: Any


@dataclass(frozen=True, slots=True)
class NewChild:
    """A child that was started: its handle, None if it had nothing to do, and what its `on_start` returned."""

    handle: Any
    info: Any = None


@dataclass(frozen=True, slots=True)
class TerminateChild:
    """Stop a child and leave it so. Replies, once it is down, with its name; fails with `ChildRefused`."""

    name: str


@dataclass(frozen=True, slots=True)
class RestartChild:
    """Start a child that is down, also a parked one. Replies, once it runs, as `StartChild` does.

    With `even_running`, the operator's form, one that runs is replaced by a fresh incarnation, and the reply, its
    name, comes at once.
    """

    name: str
    even_running: bool = False


@dataclass(frozen=True, slots=True)
class DeleteChild:
    """Forget a child that is down. Replies with its name; fails with `ChildRefused`."""

    name: str


@dataclass(frozen=True, slots=True)
class WhichChildren:
    """Replies with a supervisor's children, tuples of name, status and generation, the newest first."""


@dataclass(frozen=True, slots=True)
class CountChildren:
    """Replies with a supervisor's `ChildCount`."""


@dataclass(frozen=True, slots=True)
class StopTree:
    """Stop every child in reverse order, then end the process with the exit code."""

    why: str
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class InspectChildren:
    """Time for the supervisor to look for stuck handlers."""


@dataclass(frozen=True, slots=True)
class Routed:
    """A message for whichever child serves `kind` for `broker`; told to the supervisor, forwarded by its table."""

    kind: str
    broker: str | None
    message: Any


# The edge


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as JetStream handed it over; `reply` is the subject that takes its acknowledgement, `on_credit` says
    whether it takes of its puller's credit until then.
    """

    consumer: str
    stream: str
    stream_seq: int
    subject: str
    reply: str
    num_delivered: int
    stored_at: datetime
    data: bytes = field(default=b"", repr=False)
    headers: dict[str, str] | None = field(default=None, repr=False)
    on_credit: bool = True


@dataclass(frozen=True, slots=True)
class Tick:
    """The last price of one instrument."""

    instrument_token: int
    last_price: Decimal
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class Ticks:
    """The newest tick of each instrument since the last such message."""

    ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Signal:
    """A validated signal: what to trade. `quantity` is positive, `price` positive or None (at the market)."""

    signal_id: str
    correlation_id: str
    trace_id: str | None
    broker: str
    strategy_id: str
    instrument_token: int
    side: Literal["BUY", "SELL", "HOLD"]
    quantity: int
    price: Decimal | None
    order_type: str
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class ExecuteSignal:
    """Execute the signal through the broker and record what came of it; `crashes` counts the actors that it crashed."""

    delivery: Delivery
    signal: Signal
    crashes: int = 0


@dataclass(frozen=True, slots=True)
class SaveSession:
    """Store a login. Serialised per user by AuthActor; the reply, a `StoredSession`, comes after the commit."""

    message_id: str
    user_id: str
    access_token: str = field(repr=False)
    saved_at: datetime
    correlation_id: str
    expires_at: datetime | None = None
    login_method: str | None = None
    user_name: str | None = None
    user_shortname: str | None = None
    broker: str | None = None
    email: str | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    delivery: Delivery | None = None


@dataclass(frozen=True, slots=True)
class InvalidateSession:
    """End the stored session of a user, with the reason."""

    message_id: str
    user_id: str
    reason: str
    invalidated_at: datetime
    delivery: Delivery | None = None


@dataclass(frozen=True, slots=True)
class GetSession:
    """Ask AuthActor for one user's session; replies with a `StoredSession` or `SessionNotFound`."""

    user_id: str


@dataclass(frozen=True, slots=True)
class UseSession:
    """Ask AuthActor for a session to work with: the newest unexpired one of that user, at that broker, of any if None.

    Replies with a `StoredSession` or `SessionNotFound`. Its last activity is noted, at most once a minute.
    """

    user_id: str | None = None
    broker: str | None = None


@dataclass(frozen=True, slots=True)
class ExpireSessions:
    """Time to end the sessions whose time is over."""


@dataclass(frozen=True, slots=True)
class GetSessions:
    """Ask AuthActor for all stored sessions, newest first."""

    limit: int = 1000


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session as it stands in the database; the token never shows in a repr.

    `reason` says why it was ended, `used_at` when somebody last worked with it.
    """

    session_id: str
    user_id: str
    broker: str | None
    login_method: str | None
    user_name: str | None
    is_active: bool
    start_time: datetime | None
    expires_at: datetime | None
    updated_at: datetime | None
    access_token: str | None = field(default=None, repr=False)
    reason: str | None = None
    used_at: datetime | None = None


# Units of work


@dataclass(frozen=True, slots=True)
class CommitUnit:
    """All that one message leaves behind; it is committed as a whole or not at all.

    `consumer` and `message_id` are the inbox key. `books_token` is the token under which the broker's books were
    opened (None for units that touch no books): a unit with an outdated token is refused. `terminate` says that the
    delivery is ended as poison instead of acknowledged.
    """

    consumer: str
    message_id: str
    delivery: Delivery | None = None
    broker: str | None = None
    books_token: int | None = None
    events: tuple[TradingEventRow, ...] = ()
    portfolio: PortfolioState | None = None
    session: SessionRow | None = None
    invalidation: SessionInvalidationRow | None = None
    dead_letter: DeadLetterRow | None = None
    outbound: tuple[OutboundMessage, ...] = ()
    terminate: bool = False
    reply: Reply | None = field(default=None, repr=False)

    @property
    def session_user(self) -> str | None:
        """The user whose session this unit changes, if it does."""
        row = self.session or self.invalidation
        return None if row is None else row.user_id

    @property
    def correlation_id(self) -> str | None:
        """That of its events, if it has any."""
        return self.events[0].correlation_id if self.events else None

    @property
    def only_saves(self) -> bool:
        """Whether it does nothing but save a session."""
        return self.session is not None and not (self.events or self.outbound or self.portfolio)

    @property
    def size(self) -> int:
        """About how many bytes of somebody else's it writes; what is made of a signal is small."""
        letter = self.dead_letter
        return 0 if letter is None else len(letter.payload) + sum(len(message.payload) for message in self.outbound)

    @property
    def stream_seq(self) -> int | None:
        """Its delivery's position in the stream, if it has one."""
        return None if self.delivery is None else self.delivery.stream_seq


# Database


@dataclass(frozen=True, slots=True)
class OpenBooks:
    """Take the broker's lease and read its portfolios; answered by `BooksOpened` or `BooksHeld` to `reply_to`."""

    broker: str
    reply_to: str


@dataclass(frozen=True, slots=True)
class PortfolioData:
    """A stored portfolio, as read."""

    strategy_id: str
    positions: dict[str, Any]
    realized_pnl: Decimal
    cash: Decimal
    portfolio_id: str
    row_id: int


@dataclass(frozen=True, slots=True)
class BooksOpened:
    """The books are ours: units must carry `token`; the lease has `epoch`.

    Since the epoch `reign` nobody else has acted for the broker.
    """

    broker: str
    token: int
    owner: str
    epoch: int
    portfolios: tuple[PortfolioData, ...]
    reign: int = 0
    left_out: int = 0
    """Snapshots of the broker that do not count, as another is the books of their strategy."""
    left_out_names: tuple[str, ...] = ()
    """The `portfolio_id` of some of them."""


@dataclass(frozen=True, slots=True)
class BooksHeld:
    """Another process holds the broker's lease; this one stands by."""

    broker: str
    owner: str
    epoch: int


@dataclass(frozen=True, slots=True)
class BooksInvalidated:
    """Units under `token` are refused from now on: memory and books differ, or the lease is lost. Open them again."""

    broker: str
    token: int
    reason: str


@dataclass(frozen=True, slots=True)
class UnitsCommitted:
    """The inbox keys of a broker's units that are now durable, in order."""

    token: int
    message_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SessionsStored:
    """Sessions as they stand after a commit."""

    sessions: tuple[StoredSession, ...]


@dataclass(frozen=True, slots=True)
class CatalogueLoaded:
    """The catalogue of instruments was loaded anew: what is remembered of it may be outdated."""


@dataclass(frozen=True, slots=True)
class EndExpired:
    """End the sessions whose time was over at that moment and forget their tokens; `SessionsStored` follows."""

    moment: datetime


@dataclass(frozen=True, slots=True)
class NoteUse:
    """Note that somebody worked with the user's session."""

    user_id: str
    used_at: datetime


@dataclass(frozen=True, slots=True)
class OutboxBatch:
    """The messages of one commit, kept in one row until all are published."""

    id: str
    messages: tuple[OutboundMessage, ...]


@dataclass(frozen=True, slots=True)
class GetOutbox:
    """Ask for what is committed and not published, by a gateway that has nothing in hand; `OutboxLoaded` follows, one
    piece after the other, the first also when there is nothing.
    """


@dataclass(frozen=True, slots=True)
class OutboxLoaded:
    """Unpublished batches, oldest first; the first was committed `oldest_s` seconds before `read_at`, monotonic.

    With `more`, another such message follows when these are published.
    """

    batches: tuple[OutboxBatch, ...]
    oldest_s: float
    read_at: float
    more: bool = False


@dataclass(frozen=True, slots=True)
class OutboxPublished:
    """Every message of these batches is acknowledged by its stream."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RetryCommit:
    """Time to try the parked batch again."""


@dataclass(frozen=True, slots=True)
class TidyUp:
    """Time to look for what was left in the outbox, and to forget what is too old."""


@dataclass(frozen=True, slots=True)
class PruneMore:
    """Time to forget some more of it."""


@dataclass(frozen=True, slots=True)
class RenewLeases:
    """Time to renew the leases that this process holds."""


# Gateway


@dataclass(frozen=True, slots=True)
class Committed:
    """One commit's deliveries to acknowledge or end, and the batch to publish."""

    acknowledged: tuple[Delivery, ...]
    terminated: tuple[Delivery, ...]
    outbox: OutboxBatch | None


@dataclass(frozen=True, slots=True)
class Released:
    """Deliveries that were not handled: JetStream shall deliver them again after `delay_s`."""

    deliveries: tuple[Delivery, ...]
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CrashedOn:
    """The delivery whose handling crashed an actor, and its successor too: a dead letter."""

    delivery: Delivery
    actor: str
    error: str


@dataclass(frozen=True, slots=True)
class BrokerOpened:
    """The broker's books are open here: its signals may come, from a consumer made for this reign (`BooksOpened`)."""

    broker: str
    reign: int = 0


@dataclass(frozen=True, slots=True)
class BrokerClosed:
    """The broker stands by or is down: its signals stay in the stream."""

    broker: str


@dataclass(frozen=True, slots=True)
class StopIntake:
    """Let no more messages in from the streams, finish those in hand, and stay up; replies with the intake's state."""


@dataclass(frozen=True, slots=True)
class ResumeIntake:
    """Let messages in again; replies with the intake's state."""


@dataclass(frozen=True, slots=True)
class LoopFailed:
    """The gateway's loop met an error that nobody expected: the gateway crashes with it."""

    error: str


@dataclass(frozen=True, slots=True)
class GetTicks:
    """Ask the gateway for the newest tick of every instrument; replies with `Ticks`."""


# Health


@dataclass(frozen=True, slots=True)
class RunChecks:
    """Time to run the health checks."""


@dataclass(frozen=True, slots=True)
class ReopenBooks:
    """Time to try to open the books again."""


# Dead letters


@dataclass(frozen=True, slots=True)
class ReplayDeadLetter:
    """Publish the original of a dead letter again, under a new `Nats-Msg-Id`, after the commit that notes it.

    `id` is the whole one. Replies with the `OutboundMessage`; fails with `ReplayRefused` if it is gone, or was replayed
    before and `again` is false.
    """

    id: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class Reseal:
    """Seal a portion of stored secrets with the first key; `table` is `sessions` or `dead_letters`.

    At most `limit` rows are looked at, those after the key `after`. Replies with the fields of a `Resealed` as JSON
    types; fails with `DomainError` where no key is configured.
    """

    table: str
    after: str | None
    limit: int


@dataclass(frozen=True, slots=True)
class PurgeDeadLetters:
    """Delete at most `limit` dead letters stored before the time, oldest first; replies with how many went."""

    before: datetime
    limit: int
