"""Every way in which the database can fail, by what the caller should do about it.

Messages are one line without secrets, fit to be shown to an operator.
"""

from __future__ import annotations

from settings import program


def how_to_upgrade() -> str:
    """The cure of a schema that is not at head."""
    return f"run `{program()} db upgrade`"


class PersistenceError(Exception):
    """Root of this package's errors. `sqlstate` is the server's code, where it gave one."""

    def __init__(self, message: str, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class Unavailable(PersistenceError):
    """The database cannot serve now: try the same again later. After a COMMIT the outcome is unknown; the
    inbox tells.
    """


class Conflict(PersistenceError):
    """Another transaction was in the way: repeat the whole transaction now."""


class Poison(PersistenceError):
    """The data itself cannot be stored, however often it is tried."""


class NotMigrated(PersistenceError):
    """The schema is not the one this version needs."""


class Misconfigured(PersistenceError):
    """The settings cannot work: wrong URL, password, database name or rights."""


class TokenKeyError(PersistenceError):
    """A token key is malformed, or the key that sealed a token is not among the given ones."""
