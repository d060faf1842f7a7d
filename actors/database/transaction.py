"""One group commit: many units of work in one transaction, the lease fence first."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from actors.database.commit import Books, Plan, coalesce, encode_outbox, plan
from actors.messages import CommitUnit, OutboxBatch, StoredSession
from actors.rows import TradingEventRow
from actors.sessions import as_saved, as_stored
from persistence.database import Database
from persistence.errors import Poison
from persistence.unit_of_work import UnitOfWork

UNIQUE_VIOLATION = "23505"


@dataclass(frozen=True, slots=True)
class Written:
    """One committed transaction: what became of its units, the batch to publish, the sessions as they stand."""

    plan: Plan
    outbox: OutboxBatch | None
    sessions: dict[str, StoredSession]
    rows: int


class Transactions:
    """Writes group commits; for the writer's thread alone.

    Beside it runs a thread that compresses what goes to the outbox while PostgreSQL takes the other rows.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._beside = ThreadPoolExecutor(1, "outbox")

    def close(self) -> None:
        """End the thread beside."""
        self._beside.shutdown(wait=False)

    def write(
        self, units: Sequence[CommitUnit], open_books: Mapping[str, Books], published: Sequence[str] = ()
    ) -> Written:
        """Write the units in one transaction, and drop the outbox rows that are `published`.

        At first all of them are taken for new, which saves asking; if one is not, all is done again with more care.
        Units whose books turn out to differ half way are left out.

        Raises:
            Unavailable, Conflict: try the same units again; after `Unavailable` the outcome is unknown.
            Poison: one of the units, at least, cannot be written.
        """
        if not published and _are_saves_alike(units):
            return self._save(units)
        try:
            return self._write_new(units, open_books, published)
        except _HandledBefore:
            return self._write_any(units, open_books, published)
        except Poison as error:
            if error.sqlstate != UNIQUE_VIOLATION:
                raise
            return self._write_any(units, open_books, published)

    def _save(self, units: Sequence[CommitUnit]) -> Written:
        """Saves alone are one statement, which is a transaction of its own, and one round trip."""
        rows = [unit.session for unit in units if unit.session is not None]
        with self._database.writer_statement() as work:
            saved = work.sessions.save(units)
            sessions = {rows[one.place].user_id: as_saved(rows[one.place], one) for one in saved}
            for user_id in {row.user_id for row in rows} - sessions.keys():
                record = work.sessions.get(user_id)
                if record is not None:
                    sessions[user_id] = as_stored(record)
        settled = tuple(units)
        return Written(Plan(settled, settled, (), frozenset()), None, sessions, len(units) + len(saved))

    def _write_new(
        self, units: Sequence[CommitUnit], open_books: Mapping[str, Books], published: Sequence[str]
    ) -> Written:
        with self._database.writer_unit() as work:
            done = plan(units, _fenced(work, units, open_books), None)
            keys = {(unit.consumer, unit.message_id): unit for unit in done.accepted}
            if work.inbox.note(keys.values()) < len(keys):
                raise _HandledBefore
            outbox, sessions, rows = self._effects(work, done, work.events.copy)
            work.outbox.delete(published)
            work.commit()
        return Written(done, outbox, sessions, rows)

    def _write_any(
        self, units: Sequence[CommitUnit], open_books: Mapping[str, Books], published: Sequence[str]
    ) -> Written:
        with self._database.writer_unit() as work:
            books = _fenced(work, units, open_books)
            admitted = plan(units, books, None)
            new = work.inbox.add(admitted.accepted)
            done = plan(units, books, new)
            if len(done.accepted) == len(admitted.accepted):
                outbox, sessions, rows = self._effects(work, done, work.events.add)
                work.outbox.delete(published)
                work.commit()
                return Written(done, outbox, sessions, rows)
        refused = {id(unit) for unit in done.refused}
        written = self._write_any([unit for unit in units if id(unit) not in refused], open_books, published)
        again = written.plan
        both = Plan(again.accepted, again.fresh, (*again.refused, *done.refused), done.diverged | again.diverged)
        return replace(written, plan=both)

    def _effects(
        self, work: UnitOfWork, done: Plan, append: Callable[[Sequence[TradingEventRow]], object]
    ) -> tuple[OutboxBatch | None, dict[str, StoredSession], int]:
        effects = coalesce(done.fresh)
        records = []
        if effects.outbound:
            messages = self._beside.submit(encode_outbox, effects.outbound)
        if effects.events:
            append(effects.events)
        if effects.portfolios:
            work.portfolios.upsert(effects.portfolios)
        if effects.sessions:
            records += work.sessions.upsert(effects.sessions)
        if effects.invalidations:
            records += work.sessions.invalidate(effects.invalidations)
        if effects.dead_letters:
            work.dead_letters.add(effects.dead_letters)
        outbox = OutboxBatch(str(uuid.uuid4()), effects.outbound) if effects.outbound else None
        if outbox is not None:
            work.outbox.add(outbox.id, messages.result())
        sessions = {record.user_id: as_stored(record) for record in records}
        for user_id in {unit.session_user for unit in done.accepted if unit.reply} - sessions.keys() - {None}:
            record = work.sessions.get(str(user_id))
            if record is not None:
                sessions[record.user_id] = as_stored(record)
        return outbox, sessions, effects.rows + len(done.fresh) + (outbox is not None)


def _are_saves_alike(units: Sequence[CommitUnit]) -> bool:
    """Whether all do nothing but save a session, which all of them were asked for directly, or none."""
    first = units[0].session if units else None
    return first is not None and all(
        unit.only_saves and unit.session is not None and unit.session.direct == first.direct for unit in units
    )


class _HandledBefore(Exception):
    """Some of the units' inbox keys are there already."""


def _fenced(work: UnitOfWork, units: Sequence[CommitUnit], open_books: Mapping[str, Books]) -> dict[str, Books]:
    """The books among those the units touch whose lease is still ours; no takeover can happen until the commit."""
    wanted = {unit.broker for unit in units if unit.broker and unit.books_token is not None}
    held = [(broker, open_books[broker].epoch) for broker in sorted(wanted) if broker in open_books]
    valid = work.leases.fence(held) if held else set()
    return {broker: open_books[broker] for broker in valid}
