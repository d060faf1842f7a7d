"""Bringing a database to this version's schema, and telling how far it is from there.

The revisions are found as the installed package `migrations`, wherever that is; `alembic.ini` is not read.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine, create_engine, inspect
from sqlalchemy.pool import NullPool

from persistence.errors import Conflict, NotMigrated, PersistenceError, how_to_upgrade
from persistence.models import compared, metadata
from persistence.retry import Budget, retried
from persistence.translation import translated
from persistence.urls import normalise_url
from settings import program

OLDEST = "0001"
"""Where the way back leads: the form of L0, whose tables are rewritten on the way to head."""
_LOCKS = Budget(attempts=20, within_s=120.0, first_pause_s=1.0, of=(Conflict,))
"""An attempt waits up to 5 s for a lock, see `migrations.env`."""


def upgrade(url: str, *, lock_timeout_ms: int = 5_000) -> None:
    """Bring the database to head, waiting for a migration that is under way. Each revision is one
    transaction.

    A revision that cannot get its locks in that time, as traders hold them, steps back and is tried again.

    Raises:
        NotMigrated: it holds tables or a revision that this program did not make; the message says what
            to do.
        PersistenceError: it could not be done; what was committed stays, and a repeat goes on from there.
    """
    _refuse_foreign(url)
    config = configuration(url)
    config.attributes["lock_timeout_ms"] = lock_timeout_ms
    try:
        retried(lambda: command.upgrade(config, "head"), _LOCKS)
    except CommandError as error:
        raise PersistenceError(f"the migration did not run: {error}") from error


def configuration(url: str = "") -> Config:
    """What Alembic needs to know to run our revisions against that database."""
    config = Config()
    config.set_main_option("script_location", str(_location()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["raises"] = True
    if url:
        config.attributes["url"] = url
    return config


@cache
def heads() -> str:
    """The revision that this version of the program needs."""
    head = ScriptDirectory.from_config(configuration()).get_current_head()
    if head is None:
        raise PersistenceError("the package `migrations` has no revisions: install the program again")
    return head


def ahead_of(revision: str) -> tuple[str, ...]:
    """The revisions that lead from there to head, in order."""
    scripts = ScriptDirectory.from_config(configuration())
    return tuple(script.revision for script in scripts.iterate_revisions("head", revision))[::-1]


def current(engine: Engine) -> str | None:
    """The revision that the database is at, None where it has none."""
    with translated(), engine.connect() as connection:
        once = connection.execution_options(compiled_cache=None)  # the statement is about a table made for this call
        return MigrationContext.configure(once).get_current_revision()


def verify(engine: Engine) -> None:
    """Make sure that the database is at head.

    Raises:
        NotMigrated: it is not; the message names both revisions and the command to run.
        PersistenceError: it could not be asked.
    """
    at, needed = current(engine), heads()
    if at == needed:
        return
    _refuse(engine, at)
    if at is None:
        raise NotMigrated(f"the database has no schema yet, this version needs {needed}: {how_to_upgrade()}")
    cure = _adopt() if at == OLDEST else how_to_upgrade()
    raise NotMigrated(f"the database schema is at {at}, this version needs {needed}: {cure}")


def differences(engine: Engine) -> list[str]:
    """How the live schema differs from the models, one line each; empty when they are equal."""
    options = {"include_name": compared, "compare_type": True, "compare_server_default": True}
    with translated(), engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    return [_line(one) for entry in found for one in (entry if isinstance(entry, list) else [entry])]


def _location() -> Path:
    spec = importlib.util.find_spec("migrations")
    if spec is None or not spec.submodule_search_locations:
        raise PersistenceError("the package `migrations` is missing: install the program again")
    return Path(spec.submodule_search_locations[0])


def _refuse_foreign(url: str) -> None:
    engine = create_engine(normalise_url(url), poolclass=NullPool, hide_parameters=True)
    _refuse(engine, current(engine))


def _refuse(engine: Engine, at: str | None) -> None:
    """Stop at a revision that is not ours, and at tables of ours where nothing says how old they are."""
    if at is None:
        with translated():
            tables = set(inspect(engine).get_table_names()) & set(metadata.tables)
        # Another upgrade may have made them since `at` was read, in the transaction that also wrote its revision.
        if tables and current(engine) is None:
            found = _some(tables)
            raise NotMigrated(f"the database has tables of unknown age ({found}): {_adopt()}")
    elif at == "cc6a84f0b6f1":
        raise NotMigrated(f"the database is Alpha Panda's own, at its revision {at}: {_adopt()}")
    else:
        refuse_unknown(at)


def refuse_unknown(revision: str) -> None:
    """Stop at a revision that is none of this version's.

    Raises:
        NotMigrated: the message says what to install.
    """
    scripts = ScriptDirectory.from_config(configuration())
    if revision not in {script.revision for script in scripts.walk_revisions()}:
        raise NotMigrated(
            f"the database schema is at {revision}, which this version does not know (it needs {heads()}): "
            "install the version that migrated it, or a newer one"
        )


def _adopt() -> str:
    return f"run `{program()} db adopt --dry-run`, which says how it would be taken over"


def _some(names: set[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:3]) + (", .." if len(listed) > 3 else "")


def _line(difference: Sequence[Any]) -> str:
    kind, *parts = difference
    if kind.startswith("modify_"):
        _schema, table, column, _existing, live, model = parts
        return f"{kind.replace('_', ' ')} of {table}.{column}: {live} in the database, {model} in the models"
    if kind in {"add_column", "remove_column"}:
        return f"{kind.replace('_', ' ')} {parts[1]}.{parts[2].name}"
    subject = parts[0]
    table = getattr(getattr(subject, "table", None), "name", "")
    return f"{kind.replace('_', ' ')} {subject.name}{f' on {table}' if table else ''}"
