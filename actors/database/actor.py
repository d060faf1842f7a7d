"""DatabaseActor: the only writer. Many units of work become one transaction, announced only after its COMMIT."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Any, ClassVar

from actors.database.batch import take_units
from actors.database.commit import Plan, poisoned
from actors.database.leases import Leases
from actors.database.outbox import STRAY_AFTER_S, Outbox
from actors.database.replay import purge, replay
from actors.database.snapshot import DatabaseSnapshot
from actors.database.transaction import Transactions, Written
from actors.errors import StartRefused, TryAgain
from actors.messages import (
    BooksHeld,
    BooksInvalidated,
    BooksOpened,
    Committed,
    CommitUnit,
    GetOutbox,
    OpenBooks,
    OutboxPublished,
    PruneInbox,
    PurgeDeadLetters,
    RenewLeases,
    ReplayDeadLetter,
    RetryCommit,
    SessionsStored,
    TidyUp,
    UnitsCommitted,
)
from actors.rows import OutboundMessage
from actors.runtime.actor import ServiceActor
from actors.runtime.cell import Context
from actors.runtime.mailbox import Letter
from actors.runtime.tree import Phase
from actors.sessions import answer
from persistence.database import Database
from persistence.errors import Conflict, Misconfigured, NotMigrated, Poison, Unavailable
from persistence.migration import heads

RENEW_EVERY_S = 3.0
RENEW_AWAY_S = 0.25
"""While the server is away: how soon after its return the leases are renewed, as nothing is pulled before."""
TIDY_EVERY_S = 10.0
INBOX_KEPT_S = 2 * 86_400.0
"""A key is kept twice as long as a stream keeps the message that it stands for."""
PRUNED_AT_ONCE = 2_000
PRUNE_AGAIN_S = 0.5
"""Between two prunings while there is more: up to 4,000 keys a second, more than come in the long run."""
RETRY_MIN_S = 0.05
RETRY_MAX_S = 1.0
TOO_SLOW = "57014"
"""SQLSTATE query_canceled: the statement timeout; fewer units may be quick enough."""


class DatabaseActor(ServiceActor):
    """The writer.

    Owns: the one writing connection, the tokens of open books, the leases of this process.
    Receives: `CommitUnit`, `OpenBooks`, `GetOutbox`, `OutboxPublished`, `ReplayDeadLetter`, `PurgeDeadLetters`.
    Sends: `Committed` to the gateway, `UnitsCommitted` and `BooksInvalidated` to the brokers, `SessionsStored` to auth.
    On failure: restarted; every broker is told to open its books again. While the server is away it parks: the batch
    in hand is kept, the mailbox is suspended, and the same batch is tried again, so the inbox settles what an
    ambiguous COMMIT did.
    """

    take_limit: ClassVar[int] = 1000

    def __init__(
        self,
        context: Context,
        database: Database,
        *,
        embedded: bool,
        node: str,
        incarnation: str,
        migrate: Callable[[], None] | None,
    ) -> None:
        super().__init__(context)
        self._database = database
        self._embedded = embedded
        self._migrate = migrate
        self._leases = Leases(database, node, incarnation, context.generation * 1_000_000, context.clock.monotonic)
        self._transactions = Transactions(database)
        self._parked: list[CommitUnit] = []
        self._outbox = Outbox(database, context.clock)
        self._retry_s = RETRY_MIN_S
        self._commits = 0
        self._dead_letters = 0
        self._rows = 0
        self._committed_at: float | None = None
        self._events: dict[str, Counter[str]] = {}
        self._away: str | None = None
        self._schema = ""
        self.handles(
            {
                OpenBooks: self._parking(self._open_books),
                GetOutbox: self._parking(self._get_outbox),
                OutboxPublished: lambda message: self._outbox.note_published(message.ids),
                ReplayDeadLetter: self._or_again(self._replay),
                PurgeDeadLetters: self._or_again(self._purge),
                RetryCommit: self._retry,
                RenewLeases: self._renew,
                TidyUp: self._tidy_up,
                PruneInbox: self._prune_more,
            }
        )

    def on_start(self) -> None:
        try:
            if self._migrate is not None:
                self._migrate()
            self._database.check_schema()
            self._schema = heads()
            with self._database.read_unit() as work:
                self._dead_letters = work.dead_letters.count()
        except Unavailable as error:
            raise StartRefused(str(error), exit_code=69, retryable=True) from error
        except (NotMigrated, Misconfigured) as error:
            raise StartRefused(str(error), exit_code=78) from error
        if self.context.generation > 1:
            for handle in self.context.directory.named("trading."):
                broker = handle.name.removeprefix("trading.")
                handle.tell_control(BooksInvalidated(broker, 0, "the writer was restarted"))
        self.context.after(RENEW_EVERY_S, RenewLeases())
        self.context.after(TIDY_EVERY_S, TidyUp())
        self._publish()

    def on_stop(self) -> None:
        left = [letter.message for letter in self._leftovers()]
        units = [message for message in left if isinstance(message, CommitUnit)]
        if units and not self._parked:
            self._commit(units)
        self._outbox.note_published(
            [one for message in left if isinstance(message, OutboxPublished) for one in message.ids]
        )
        try:
            with self._database.writer_unit() as work:
                work.outbox.delete(self._outbox.published)
                work.commit()
            self._leases.give_back()
        except (Unavailable, Conflict) as error:
            self.log.warning("leases not given back, they will expire", reason=str(error))

    def on_exit(self) -> None:
        self._transactions.close()
        tree = self.context.directory.tree
        if self._parked and tree is not None and tree.phase is Phase.RUNNING:
            self._give_back(self._parked)

    def _leftovers(self) -> list[Letter]:
        left: list[Letter] = []
        while more := self.context.mailbox.take(self.take_limit, self.context.generation, timeout_s=0):
            left += more
        return left

    # Taking

    def on_letters(self, letters: deque[Letter]) -> bool:
        while letters:
            units, published = take_units(letters)
            if published:
                self._outbox.note_published(published)
            if units:
                self._measured(units)
            elif letters and not self.serve(letters.popleft()):
                return False
            if self.context.mailbox.interrupts:
                return True
        if self._outbox.published and not self.context.mailbox.depth():
            self._drop_published()
        if self._outbox.goes_on and self._away is None:
            self._read_on()
        return True

    def _measured(self, units: list[CommitUnit]) -> None:
        telemetry = self.context.telemetry
        telemetry.handling_since = self.context.clock.monotonic()
        telemetry.handling = "CommitUnit"
        try:
            self._commit(units)
        except BaseException:
            self._give_back(units)
            raise
        telemetry.handled += len(units)
        self._publish()

    def _give_back(self, units: list[CommitUnit]) -> None:
        """Have the units' messages delivered again; the inbox absorbs those that were committed after all."""
        for unit in units:
            self.context.handle.bury(unit, "crashed")
            if unit.reply is not None:
                unit.reply.fail(TryAgain("the writer crashed; try again"))

    def _parking(self, handler: Callable[[Any], None]) -> Callable[[Any], None]:
        """A handler that, with the server away, leaves its message in the mailbox and parks."""

        def handle(message: Any) -> None:
            try:
                handler(message)
            except (Unavailable, Conflict) as error:
                self.context.push_back(message)
                self._park([], error)

        return handle

    def _or_again(self, handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A handler for somebody who waits: with the server away, it is theirs to ask again. What an answer that was
        lost leaves to publish is found in the outbox once the server is back.
        """

        def handle(message: Any) -> Any:
            try:
                return handler(message)
            except (Unavailable, Conflict) as error:
                self._park([], error)
                raise TryAgain(f"{error}; try again") from error

        return handle

    def _replay(self, message: ReplayDeadLetter) -> OutboundMessage:
        batch = replay(self._database, message)
        self._outbox.hand_over(batch.id)
        self.context.directory["gateway"].tell_control(Committed((), (), batch))
        return batch.messages[0]

    def _purge(self, message: PurgeDeadLetters) -> int:
        gone = purge(self._database, message)
        self._dead_letters = max(0, self._dead_letters - gone)
        self._publish()
        return gone

    # Committing

    def _commit(self, units: list[CommitUnit]) -> None:
        try:
            written = self._transactions.write(units, self._leases.books, self._outbox.published)
        except (Unavailable, Conflict) as error:
            if error.sqlstate == TOO_SLOW and len(units) > 1:
                self._halve(units)
            else:
                self._park(units, error)
        except Poison as error:
            self._isolate(units, error)
        else:
            self._outbox.dropped()
            self._announce(written)

    def _announce(self, written: Written) -> None:
        done, outbox, directory = written.plan, written.outbox, self.context.directory
        self._commits += 1
        self._rows += written.rows
        self._committed_at = self.context.clock.monotonic()
        for unit in done.fresh:
            self._dead_letters += unit.dead_letter is not None
            for event in unit.events:
                self._events.setdefault(event.broker_namespace, Counter())[event.event_type] += 1
        acknowledged = tuple(unit.delivery for unit in done.accepted if unit.delivery and not unit.terminate)
        terminated = tuple(unit.delivery for unit in done.accepted if unit.delivery and unit.terminate)
        if outbox is not None:
            self._outbox.hand_over(outbox.id)
        if acknowledged or terminated or outbox:
            directory["gateway"].tell_control(Committed(acknowledged, terminated, outbox))
        for (broker, token), ids in done.by_books().items():
            directory[f"trading.{broker}"].tell_control(UnitsCommitted(token, ids))
        self._invalidate(done)
        if written.sessions:
            directory["auth"].tell_control(SessionsStored(tuple(written.sessions.values())))
        for unit in done.accepted:
            if unit.reply is not None:
                answer(unit.reply, written.sessions.get(unit.session_user or ""))

    def _invalidate(self, done: Plan) -> None:
        outdated = {(unit.broker, unit.books_token) for unit in done.refused}
        outdated |= {(broker, self._leases.close(broker)) for broker in done.diverged}
        for name, token in outdated:
            if token is not None:
                message = BooksInvalidated(str(name), token, "memory and books differ, or the lease is lost")
                self.context.directory[f"trading.{name}"].tell_control(message)

    def _isolate(self, units: list[CommitUnit], error: Poison) -> None:
        """Halve the batch until the poison stands alone; it becomes a dead letter, everything else is written."""
        if len(units) > 1:
            self._halve(units)
            return
        unit = units[0]
        if unit.dead_letter is not None:
            raise error
        self.log.error("poison", consumer=unit.consumer, message_id=unit.message_id, reason=str(error))
        self._commit([poisoned(unit, str(error), type(error).__name__)])
        if self._parked:
            self._parked = list(units)
        elif unit.broker is not None and unit.books_token is not None:
            settled = UnitsCommitted(unit.books_token, (unit.message_id,))
            self.context.directory[f"trading.{unit.broker}"].tell_control(settled)
            self._invalidate(Plan((), (), (), frozenset({unit.broker})))

    def _halve(self, units: list[CommitUnit]) -> None:
        half = len(units) // 2
        self._commit(units[:half])
        if self._parked:
            self._parked += units[half:]
        else:
            self._commit(units[half:])

    # Parking

    def _park(self, units: list[CommitUnit], error: Exception) -> None:
        if self._away is None:
            self.log.warning("parked", reason=str(error))
        self._away = str(error)
        self._parked += units
        self.context.suspend()
        self.context.after(self._retry_s, RetryCommit())
        self._retry_s = min(RETRY_MAX_S, self._retry_s * 2)
        self._publish()

    def _retry(self, _: RetryCommit) -> None:
        """Try what was in hand again.

        A COMMIT whose answer was lost may have been done: then the inbox settles the units, and what they had to
        publish is found in the outbox.
        """
        units, self._parked = self._parked, []
        try:
            with self._database.writer_statement() as work:
                work.ping()
        except (Unavailable, Conflict) as error:
            self._park(units, error)
            return
        try:
            if units:
                self._commit(units)
            if not self._parked:
                self._outbox.restart()
                self._load_outbox()
        except (Unavailable, Conflict) as error:
            self._park([], error)
            return
        if self._parked:
            return
        self.log.info("resumed", units=len(units))
        self._away = None
        self._retry_s = RETRY_MIN_S
        self.context.resume()
        self._publish()

    # Books, leases, outbox

    def _open_books(self, message: OpenBooks) -> None:
        broker = message.broker
        opened = self._leases.open(broker)
        if isinstance(opened, BooksHeld):
            self._events.pop(broker, None)
        elif broker not in self._events:
            with self._database.read_unit() as work:
                self._events[broker] = Counter(work.events.count_by_type(broker))
        self._publish()
        self.context.directory[message.reply_to].tell_control(opened)
        if isinstance(opened, BooksOpened):
            self._outbox.restart()
            self._load_outbox()

    def _renew(self, _: RenewLeases) -> None:
        self.context.after(RENEW_EVERY_S if self._away is None else RENEW_AWAY_S, RenewLeases())
        if self._away is not None:
            return
        try:
            lost = self._leases.renew()
        except (Unavailable, Conflict) as error:
            self._park([], error)
            return
        self._publish()
        if lost:
            self.log.error("lease lost", brokers=lost)
            self._invalidate(Plan((), (), (), frozenset(lost)))

    def _get_outbox(self, _: GetOutbox) -> None:
        self._outbox.forget()
        loaded = self._outbox.load(self._leases.books)
        self._outbox.told_more = loaded.more
        self.context.directory["gateway"].tell_control(loaded)

    def _load_outbox(self, min_age_s: float = 0.0) -> None:
        """Have the gateway publish what nobody else does."""
        loaded = self._outbox.load(self._leases.books, min_age_s)
        if loaded.batches or self._outbox.told_more:
            self._outbox.told_more = loaded.more
            self.context.directory["gateway"].tell_control(loaded)

    def _read_on(self) -> None:
        try:
            self._load_outbox()
        except (Unavailable, Conflict) as error:
            self._park([], error)

    def _drop_published(self) -> None:
        """Drop the rows at once, as there is no commit to do it with."""
        try:
            with self._database.writer_unit() as work:
                work.outbox.delete(self._outbox.published)
                work.commit()
        except (Unavailable, Conflict) as error:
            self._park([], error)
        else:
            self._outbox.dropped()

    def _tidy_up(self, _: TidyUp) -> None:
        """Look for rows of the outbox that a process left behind, and forget the oldest keys of the inbox."""
        self.context.after(TIDY_EVERY_S, TidyUp())
        if self._away is not None:
            return
        try:
            if not self._outbox.goes_on:
                self._load_outbox(STRAY_AFTER_S)
            self._prune()
        except (Unavailable, Conflict) as error:
            self._park([], error)

    def _prune_more(self, _: PruneInbox) -> None:
        if self._away is None:
            try:
                self._prune()
            except (Unavailable, Conflict) as error:
                self._park([], error)

    def _prune(self) -> None:
        """A few at a time, so that no commit has to wait for it."""
        with self._database.writer_unit() as work:
            gone = work.inbox.prune(INBOX_KEPT_S, PRUNED_AT_ONCE)
            work.commit()
        if gone == PRUNED_AT_ONCE:
            self.context.after(PRUNE_AGAIN_S, PruneInbox())

    def _publish(self) -> None:
        self.context.publish(
            DatabaseSnapshot(
                "up" if self._away is None else "away",
                self._database.safe_url,
                self._embedded,
                self._schema,
                self._commits,
                self._rows,
                self._committed_at,
                self._away,
                {broker: dict(counts) for broker, counts in self._events.items()},
                self._dead_letters,
                self._leases.tenures,
            )
        )
