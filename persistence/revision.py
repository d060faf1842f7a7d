"""Writing the next revision, from the template that asks for the reason, the lock and the way back."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path

from alembic import command
from alembic.operations.ops import MigrationScript
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError

from persistence.errors import PersistenceError
from persistence.migration import configuration, heads


def new_revision(message: str, url: str = "") -> Path | None:
    """Write the revision, and return where it is; the message is one plain line.

    With a `url` it holds what the models have and that database, which is at head, has not; where the two are equal
    nothing is written and None returned. Without one it is empty.

    Raises:
        PersistenceError: it could not be written, or the database could not be asked.
    """
    config = configuration(url)
    config.cmd_opts = Namespace(quiet=True, x=None)
    try:
        written = command.revision(
            config,
            message=message,
            autogenerate=bool(url),
            rev_id=f"{int(heads()) + 1:04d}",
            process_revision_directives=_leave_out_empty if url else None,
        )
    except CommandError as error:
        raise PersistenceError(f"no revision was written: {error}") from error
    heads.cache_clear()
    script = next(iter(written), None) if isinstance(written, list) else written
    return None if script is None else Path(script.path)


def _leave_out_empty(
    _context: MigrationContext, _revision: str | Iterable[str | None] | Iterable[str], scripts: list[MigrationScript]
) -> None:
    if scripts[0].upgrade_ops is None or scripts[0].upgrade_ops.is_empty():
        scripts.clear()
