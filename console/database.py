"""`db`: the schema of the database that the settings name, or of the embedded one, running or not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.markup import escape

from console.failure import MISCONFIGURED, OK, TRY_AGAIN, UNAVAILABLE, Failure
from console.operator_socket import OperatorSocket
from console.output import screen
from persistence.database import Database, open_database
from persistence.embedded import EmbeddedPostgres
from persistence.errors import Conflict, NotMigrated, PersistenceError, Unavailable
from persistence.migration import current, differences, heads, verify
from persistence.migration import upgrade as migrate
from persistence.retry import Budget, retried
from persistence.server_process import EmbeddedServerError
from persistence.state_directory import StateDirectory, StateDirectoryError, StateDirectoryFull, StateDirectoryInUse
from persistence.token_cipher import TokenCipher
from settings import DatabaseSettings, Settings, how_to_start

SHOWN = 20


def upgrade(settings: Settings, wait_s: float = 0.0) -> int:
    """Bring the schema to head; a server that does not answer is tried again for `wait_s`."""
    with failures(), database_url(settings) as url:
        _migrate_within(url, wait_s)
    screen().print(f"the schema is at head: {heads()}")
    return OK


def check(settings: Settings) -> int:
    """Print where the schema is, where it should be, and how it differs; exit code 78 when it is not at head."""
    return on_database(settings, lambda url: _check(url, settings.database))


def on_database(settings: Settings, act: Callable[[str], int]) -> int:
    """What `act` makes of the database's URL; an embedded one is started for it where no daemon runs it.

    Raises:
        Failure: there is no database, or `act` failed in it.
    """
    data = settings.state_dir / "postgres" / "data"
    if settings.database.embedded and not data.exists():
        raise Failure(f"there is no embedded database in {data} yet; `{how_to_start()}` makes it", MISCONFIGURED)
    with failures():
        try:
            with database_url(settings) as url:
                return act(url)
        except StateDirectoryInUse:
            return act(_daemons_url(settings))


def running_url(state_dir: Path, shown_url: str) -> str:
    """The URL of a running daemon's embedded database, from the one that its status shows without the password.

    Raises:
        OSError: the password cannot be read.
    """
    password = (state_dir / "postgres" / "password").read_text(encoding="ascii").strip()
    return shown_url.replace(":***@", f":{password}@", 1)


@contextmanager
def opened(settings: Settings, cipher: TokenCipher | None = None) -> Iterator[Database]:
    """The database at head, for a command that works on it directly, beside a running daemon or without one.

    An embedded database is that of the running daemon; without one its server is started, and brought to head.
    Tokens are sealed and opened with `cipher`.

    Raises:
        Failure: for what goes wrong here and in the block.
    """
    with failures(), ExitStack() as stack:
        try:
            url = stack.enter_context(database_url(settings))
            if settings.database.embedded and settings.database.migrates_at_start:
                migrate(url)
        except StateDirectoryInUse:
            url = _daemons_url(settings)
        database = open_database(url, settings.database, "console", cipher)
        stack.callback(database.close)
        database.check_schema()
        yield database


def _migrate_within(url: str, wait_s: float) -> None:
    """Migrate; a server that does not answer is tried again for so long, which is told once."""
    patience = Budget(attempts=sys.maxsize, within_s=wait_s, first_pause_s=0.2, of=(Unavailable,))
    told = wait_s == 0

    def attempt() -> None:
        nonlocal told
        try:
            migrate(url)
        except Unavailable as error:
            if not told:
                sys.stderr.write(f"waiting for PostgreSQL: {error}, up to {wait_s:g} s\n")
                sys.stderr.flush()
            told = True
            raise

    retried(attempt, patience)


def _check(url: str, settings: DatabaseSettings) -> int:
    database = open_database(url, settings, "console")
    console = screen()
    try:
        console.print(f"current  {current(database.engine) or 'none'}\nhead     {heads()}")
        verify(database.engine)
        found = differences(database.engine)
    finally:
        database.close()
    for line in found[:SHOWN]:
        console.print(f"differs  {escape(line)}", soft_wrap=True)
    if len(found) > SHOWN:
        console.print(f"differs  in {len(found) - SHOWN} more places")
    console.print("at head" if found else "at head, and as this version makes it")
    return OK


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """The database's URL while the block runs; an embedded server is started for it."""
    if not settings.database.embedded:
        yield settings.database.postgres_url.get_secret_value()
        return
    with StateDirectory(settings.state_dir), EmbeddedPostgres(settings.state_dir / "postgres") as server:
        yield server.url


def _daemons_url(settings: Settings) -> str:
    shown = OperatorSocket(settings.socket_path).get("status")["database"]["url"]
    if shown is None:
        raise Failure("the daemon is still starting its database; try again", TRY_AGAIN)
    return running_url(settings.state_dir, shown)


@contextmanager
def failures() -> Iterator[None]:
    """What goes wrong below, as failures of the command."""
    try:
        yield
    except StateDirectoryInUse as error:
        raise Failure(
            f"{error}; a daemon brings its embedded database to head by itself when it starts", TRY_AGAIN
        ) from None
    except StateDirectoryFull as error:
        raise Failure(str(error), TRY_AGAIN) from None
    except (StateDirectoryError, NotMigrated) as error:
        raise Failure(str(error), MISCONFIGURED) from None
    except (EmbeddedServerError, Unavailable) as error:
        raise Failure(str(error), UNAVAILABLE) from None
    except Conflict as error:
        raise Failure(f"{error}; try again", TRY_AGAIN) from None
    except PersistenceError as error:
        raise Failure(str(error), MISCONFIGURED) from None
