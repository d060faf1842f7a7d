"""What the server is, and what it lets this user do with our tables."""

from __future__ import annotations

from sqlalchemy import Engine, text

from persistence.embedded import OLDEST_MAJOR
from persistence.models import metadata
from persistence.translation import translated

NEEDED = ("SELECT", "INSERT", "UPDATE", "DELETE")
_HELD = text(
    "SELECT name, privilege FROM unnest(CAST(:names AS text[])) AS name, unnest(CAST(:needed AS text[])) AS privilege"
    " WHERE to_regclass(quote_ident(name)) IS NOT NULL AND NOT has_table_privilege(quote_ident(name), privilege)"
    " ORDER BY name, privilege"
)


def server_version(engine: Engine) -> tuple[str, bool]:
    """Its version, and whether that is new enough.

    Raises:
        PersistenceError: it could not be asked.
    """
    with translated(), engine.connect() as connection:
        shown = str(connection.execute(text("SHOW server_version")).scalar_one())
        number = int(connection.execute(text("SHOW server_version_num")).scalar_one())
    return shown.split(maxsplit=1)[0], number // 10_000 >= OLDEST_MAJOR


def missing_rights(engine: Engine) -> list[str]:
    """The rights that we need and have not on those of our tables that exist, each as in `INSERT on users`.

    Raises:
        PersistenceError: it could not be asked.
    """
    parameters = {"names": sorted(metadata.tables), "needed": list(NEEDED)}
    with translated(), engine.connect() as connection:
        return [f"{privilege} on {name}" for name, privilege in connection.execute(_HELD, parameters)]
