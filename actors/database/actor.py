"""DatabaseActor: the only writer. Many units of work become one transaction, announced only after its COMMIT."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import ClassVar

from actors.database.announcement import Announcer
from actors.database.batch import take_units
from actors.database.catalogue import CatalogueWatch
from actors.database.committing import Committing
from actors.database.housekeeping import Housekeeping
from actors.database.leases import Leases
from actors.database.measures import Measures
from actors.database.outbox import Outbox
from actors.database.parking import Parking
from actors.database.publication import Publication
from actors.database.replay import purge, replay
from actors.database.session_upkeep import EXPIRED_AT_ONCE, end_expired, note_use, reseal
from actors.database.snapshot import DatabaseSnapshot
from actors.database.tally import Tally
from actors.database.transaction import Transactions, Written
from actors.errors import StartRefused, TryAgain
from actors.messages import (
    BooksHeld,
    BooksInvalidated,
    BooksOpened,
    CatalogueLoaded,
    Committed,
    CommitUnit,
    EndExpired,
    GetOutbox,
    NoteUse,
    OpenBooks,
    OutboxPublished,
    PurgeDeadLetters,
    RenewLeases,
    ReplayDeadLetter,
    Reseal,
    RetryCommit,
    SessionsStored,
)
from actors.rows import OutboundMessage
from actors.runtime.actor import ServiceActor
from actors.runtime.cell import Context
from actors.runtime.mailbox import Letter
from actors.runtime.tree import Phase
from persistence.database import Database
from persistence.errors import Conflict, Misconfigured, NotMigrated, Unavailable
from persistence.migration import heads
from settings import HousekeepingSettings

KEPT_BY_DEFAULT = HousekeepingSettings()
RENEW_EVERY_S = 3.0
RENEW_AWAY_S = 0.25
"""While the server is away: how soon after its return the leases are renewed, as nothing is pulled before."""


class DatabaseActor(ServiceActor):
    """The writer.

    Owns: the one writing connection, the tokens of open books, the leases of this process.
    Receives: `CommitUnit`, `OpenBooks`, `GetOutbox`, `OutboxPublished`, `ReplayDeadLetter`, `PurgeDeadLetters`,
    `Reseal`, `EndExpired`, `NoteUse`.
    Sends: `Committed` to the gateway, `UnitsCommitted`, `BooksInvalidated` and `CatalogueLoaded` to the brokers,
    `SessionsStored` to auth.
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
        housekeeping: HousekeepingSettings = KEPT_BY_DEFAULT,
    ) -> None:
        super().__init__(context)
        self._database = database
        self._embedded = embedded
        self._migrate = migrate
        self._schema = ""
        self._tally = Tally()
        self._measures = Measures()
        self._leases = Leases(database, node, incarnation, context.generation * 1_000_000, context.clock.monotonic)
        self._outbox = Outbox(database, context.clock)
        self._catalogue = CatalogueWatch(database)
        self._publication = Publication(database, context.directory, self._outbox, self._leases)
        self._parking = parking = Parking(context, self.log, self._publish)
        self._announcer = Announcer(context.directory, self._leases, self._outbox)
        self._transactions = Transactions(database)
        self._committing = Committing(
            self._transactions,
            self._leases,
            self._outbox,
            parking,
            self._announcer,
            self._count,
            self.log,
            context.clock.monotonic,
        )
        self._housekeeping = Housekeeping(context, database, self._publication, parking, housekeeping, self._tally)
        self.handles(
            {
                OpenBooks: parking.later(self._open_books),
                GetOutbox: parking.later(lambda _: self._publication.begin()),
                OutboxPublished: lambda message: self._outbox.note_published(message.ids),
                ReplayDeadLetter: parking.or_again(self._replay),
                PurgeDeadLetters: parking.or_again(self._purge),
                Reseal: parking.or_again(lambda message: reseal(database, message)),
                EndExpired: parking.later(self._end_expired),
                NoteUse: parking.later(lambda message: note_use(database, message)),
                RetryCommit: self._retry,
                RenewLeases: self._renew,
                **self._housekeeping.handlers(),
            }
        )

    def on_start(self) -> None:
        try:
            if self._migrate is not None:
                self._migrate()
            self._database.check_schema()
            self._schema = heads()
            with self._database.read_unit() as work:
                self._tally.dead_letters = work.dead_letters.count()
            self._catalogue.begin()
        except Unavailable as error:
            raise StartRefused(str(error), exit_code=69, retryable=True) from error
        except (NotMigrated, Misconfigured) as error:
            raise StartRefused(str(error), exit_code=78) from error
        if self.context.generation > 1:
            for handle in self.context.directory.named("trading."):
                broker = handle.name.removeprefix("trading.")
                handle.tell_control(BooksInvalidated(broker, 0, "the writer was restarted"))
        self.context.after(RENEW_EVERY_S, RenewLeases())
        self._housekeeping.begin()
        self._publish()

    def on_stop(self) -> None:
        left = [letter.message for letter in self._leftovers()]
        units = [message for message in left if isinstance(message, CommitUnit)]
        if units and not self._parking.units:
            self._committing.commit(units)
        self._outbox.note_published(
            [one for message in left if isinstance(message, OutboxPublished) for one in message.ids]
        )
        try:
            self._publication.drop_published()
            self._leases.give_back()
        except (Unavailable, Conflict) as error:
            self.log.warning("leases not given back, they will expire", reason=str(error))

    def on_exit(self) -> None:
        self._transactions.close()
        tree = self.context.directory.tree
        if self._parking.units and tree is not None and tree.phase is Phase.RUNNING:
            self._give_back(self._parking.units)

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
            self._parking.attempt(self._publication.drop_published)
        if self._outbox.goes_on and self._parking.away is None:
            self._parking.attempt(self._publication.go_on)
        return True

    def _measured(self, units: list[CommitUnit]) -> None:
        telemetry = self.context.telemetry
        telemetry.handling_since = self.context.clock.monotonic()
        telemetry.handling = "CommitUnit"
        try:
            self._committing.commit(units)
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

    def _count(self, written: Written, seconds: float) -> None:
        self._tally.committed(written, self.context.clock.monotonic())
        self._measures.committed(written.plan, seconds, self.context.clock.now())

    def _retry(self, _: RetryCommit) -> None:
        """Try what was in hand again.

        A COMMIT whose answer was lost may have been done: then the inbox settles the units, and what they had to
        publish is found in the outbox.
        """
        units = self._parking.take()
        try:
            with self._database.writer_statement() as work:
                work.ping()
        except (Unavailable, Conflict) as error:
            self._parking.park(units, error)
            return
        try:
            if units:
                self._committing.commit(units)
            if not self._parking.units:
                self._publication.restart()
        except (Unavailable, Conflict) as error:
            self._parking.park([], error)
            return
        if not self._parking.units:
            self._parking.leave(len(units))

    # Dead letters

    def _replay(self, message: ReplayDeadLetter) -> OutboundMessage:
        batch = replay(self._database, message)
        self._outbox.hand_over(batch.id)
        self.context.directory["gateway"].tell_control(Committed((), (), batch))
        return batch.messages[0]

    def _purge(self, message: PurgeDeadLetters) -> int:
        gone = purge(self._database, message)
        self._tally.purged(gone)
        self._publish()
        return gone

    # Sessions

    def _end_expired(self, message: EndExpired) -> None:
        ended = end_expired(self._database, message)
        if ended:
            self.context.directory["auth"].tell_control(SessionsStored(ended))
        if len(ended) == EXPIRED_AT_ONCE:
            self.context.handle.tell(message)

    # Books and leases

    def _open_books(self, message: OpenBooks) -> None:
        broker = message.broker
        opened = self._leases.open(broker)
        if isinstance(opened, BooksHeld):
            self._tally.forget(broker)
        elif not self._tally.knows(broker):
            with self._database.read_unit() as work:
                self._tally.begin(broker, work.events.count_by_type(broker))
        self._publish()
        self.context.directory[message.reply_to].tell_control(opened)
        if isinstance(opened, BooksOpened):
            self._publication.restart()

    def _renew(self, _: RenewLeases) -> None:
        self.context.after(RENEW_EVERY_S if self._parking.away is None else RENEW_AWAY_S, RenewLeases())
        if self._parking.away is not None:
            return
        try:
            lost = self._leases.renew()
        except (Unavailable, Conflict) as error:
            self._parking.park([], error)
            return
        self._publish()
        if lost:
            self.log.error("lease lost", brokers=lost)
            self._announcer.close_books(lost)
        self._look_at_catalogue()

    def _look_at_catalogue(self) -> None:
        try:
            loaded = self._catalogue.look()
        except (Unavailable, Conflict) as error:
            self._parking.park([], error)
            return
        if loaded:
            self.log.info("instruments loaded", **self._catalogue.state.as_status())
            self._publish()
            for handle in self.context.directory.named("trading."):
                handle.tell_control(CatalogueLoaded())

    def _publish(self) -> None:
        self.context.publish(
            DatabaseSnapshot(
                "up" if self._parking.away is None else "away",
                self._database.safe_url,
                self._embedded,
                self._schema,
                self._tally.commits,
                self._tally.rows,
                self._tally.committed_at,
                self._parking.away,
                self._tally.events,
                self._tally.dead_letters,
                self._leases.tenures,
                self._catalogue.state,
                self._housekeeping.as_status(),
                self._measures.figures(),
            )
        )
