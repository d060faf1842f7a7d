"""What Alembic runs for every command that needs the database.

The database is, in this order: `config.attributes["connection"]`, `config.attributes["url"]`, `-x url=..`,
the settings. Each revision is a transaction of its own, and one lock keeps two migrations of one database
apart.
"""

from __future__ import annotations

from logging.config import fileConfig

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from persistence.errors import PersistenceError
from persistence.migration_lock import migration_lock
from persistence.models import compared, metadata
from persistence.translation import translated
from persistence.urls import normalise_url
from settings import SettingsError, load

# Traders queue behind a migration that waits for a lock, so it gives up early; `upgrade` tries again.
SERVER_OPTIONS = "-c statement_timeout=0 -c lock_timeout={} -c timezone=UTC"
LOCK_TIMEOUT_MS = 5_000


def configured_url() -> str:
    """The database's URL.

    Raises:
        CommandError: none is given, or the settings are wrong.
    """
    given = context.config.attributes.get("url") or context.get_x_argument(as_dictionary=True).get("url")
    if given:
        return str(given)
    try:
        url = load().database.postgres_url.get_secret_value()
    except SettingsError as error:
        raise CommandError(str(error)) from None
    if not url:
        raise CommandError("which database? set DATABASE__POSTGRES_URL, or pass -x url=postgresql://user@host/name")
    return url


def migrate(connection: Connection) -> None:
    """Run what was asked for on this connection."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_name=compared,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def migrate_locked() -> None:
    """Connect where nobody has, and migrate under the lock."""
    given: Connection | None = context.config.attributes.get("connection")
    if given is not None:
        with migration_lock(given.engine):
            migrate(given)
        return
    lock_timeout_ms = context.config.attributes.get("lock_timeout_ms", LOCK_TIMEOUT_MS)
    options = {"options": SERVER_OPTIONS.format(lock_timeout_ms), "application_name": "alpha-panda/migrations"}
    engine = create_engine(
        normalise_url(configured_url()), poolclass=NullPool, hide_parameters=True, connect_args=options
    )
    with migration_lock(engine), engine.connect() as connection:
        migrate(connection)


def run() -> None:
    """Do it, and say what is wrong in one line where Alembic's own command line asked."""
    if context.is_offline_mode():
        raise CommandError("the migrations look at the data they change, so they cannot be written out with --sql")
    if context.config.attributes.get("raises"):
        with translated():
            migrate_locked()
        return
    if context.config.config_file_name is not None:
        fileConfig(context.config.config_file_name, disable_existing_loggers=False)
    try:
        with translated():
            migrate_locked()
    except PersistenceError as error:
        raise CommandError(str(error)) from error


run()
