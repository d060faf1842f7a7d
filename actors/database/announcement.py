"""Who is told what once a commit is done: the gateway, the brokers, auth, and whoever waits for an answer."""

from __future__ import annotations

from collections.abc import Iterable

from actors.database.commit import Plan
from actors.database.leases import Leases
from actors.database.outbox import Outbox
from actors.database.transaction import Written
from actors.messages import BooksInvalidated, Committed, CommitUnit, SessionsStored, UnitsCommitted
from actors.runtime.directory import Directory
from actors.sessions import answer


class Announcer:
    """For the writer's thread alone."""

    def __init__(self, directory: Directory, leases: Leases, outbox: Outbox) -> None:
        self._directory = directory
        self._leases = leases
        self._outbox = outbox

    def announce(self, written: Written) -> None:
        """Tell of a transaction that is committed."""
        done, outbox, directory = written.plan, written.outbox, self._directory
        acknowledged = tuple(unit.delivery for unit in done.accepted if unit.delivery and not unit.terminate)
        terminated = tuple(unit.delivery for unit in done.accepted if unit.delivery and unit.terminate)
        if outbox is not None:
            self._outbox.hand_over(outbox.id)
        if acknowledged or terminated or outbox:
            directory["gateway"].tell_control(Committed(acknowledged, terminated, outbox))
        for (broker, token), ids in done.by_books().items():
            directory[f"trading.{broker}"].tell_control(UnitsCommitted(token, ids))
        self._invalidate_refused(done)
        if written.sessions:
            directory["auth"].tell_control(SessionsStored(tuple(written.sessions.values())))
        for unit in done.accepted:
            if unit.reply is not None:
                answer(unit.reply, written.sessions.get(unit.session_user or ""))

    def settle(self, unit: CommitUnit) -> None:
        """Tell the broker that its unit left a dead letter instead of what it decided, so that it reads its books."""
        if unit.broker is not None and unit.books_token is not None:
            settled = UnitsCommitted(unit.books_token, (unit.message_id,))
            self._directory[f"trading.{unit.broker}"].tell_control(settled)
            self.close_books({unit.broker})

    def close_books(self, brokers: Iterable[str]) -> None:
        """Have these brokers open their books again."""
        self._invalidate({(broker, self._leases.close(broker)) for broker in brokers})

    def _invalidate_refused(self, done: Plan) -> None:
        outdated = {(unit.broker, unit.books_token) for unit in done.refused}
        self._invalidate(outdated | {(broker, self._leases.close(broker)) for broker in done.diverged})

    def _invalidate(self, outdated: Iterable[tuple[str | None, int | None]]) -> None:
        for name, token in outdated:
            if token is not None:
                message = BooksInvalidated(str(name), token, "memory and books differ, or the lease is lost")
                self._directory[f"trading.{name}"].tell_control(message)
