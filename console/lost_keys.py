"""`sessions forget`: sessions whose key is lost, ended in the database itself, as no daemon starts with them."""

from __future__ import annotations

import getpass
import os
from datetime import UTC, datetime

import structlog

from actors.runtime import log
from console.database import failures, opened
from console.failure import MISCONFIGURED, OK, TRY_AGAIN, USAGE, Failure
from console.output import counted, screen
from persistence.records import SessionRecord
from persistence.token_keys import configured_cipher
from persistence.unit_of_work import UnitOfWork
from settings import Settings, program

REASON = "token_key_lost"


def forget(settings: Settings, *, unreadable: bool) -> int:
    """End the active sessions whose token none of the keys opens; each is told in the log. Not while a daemon trades.

    Raises:
        Failure: `unreadable` is false, no key is configured, a daemon trades on the database, or it cannot be used.
    """
    if not unreadable:
        raise Failure("say which: --unreadable, all those whose token no key opens", USAGE)
    with failures():
        cipher = configured_cipher(settings.auth)
    if not cipher.seals:
        raise Failure(
            "no key is configured here, so none can be told to be lost: set AUTH__TOKEN_KEYS_FILE to the keys in use,"
            f" or to a new one of `{program()} sessions new-key`",
            MISCONFIGURED,
        )
    caller = _caller()
    with opened(settings, cipher) as database, database.writer_unit() as work:
        if work.leases.any_in_force():
            raise Failure(
                f"a daemon trades on this database: stop it, or end them by `{program()} sessions invalidate USER`",
                TRY_AGAIN,
            )
        ended = _end(work)
        work.commit()
    log.configure("info", settings.log.format)
    for one in ended:
        structlog.get_logger("audit").info("session forgotten", user=one.user_id, reason=REASON, by=caller)
    told = (
        f"{counted(len(ended), 'session')} forgotten; these users log in again" if ended else "no session is unreadable"
    )
    screen().print(told)
    return OK


def _caller() -> str:
    """Who calls; by number where the system has no name for the user, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _end(work: UnitOfWork) -> list[SessionRecord]:
    now = datetime.now(UTC)
    unreadable = work.sessions.unreadable(now)
    orders = [{"user_id": one.user_id, "reason": REASON, "updated_at": max(now, one.updated_at)} for one in unreadable]
    work.sessions.invalidate(orders)
    return unreadable
