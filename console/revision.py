"""`db revision`: the next step of the schema, written into a checkout."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.markup import escape

from console.database import failures, on_database
from console.failure import FAILED, OK, USAGE, Failure
from console.output import screen
from persistence.database import open_database
from persistence.embedded import EmbeddedPostgres
from persistence.migration import heads, upgrade
from persistence.revision import new_revision
from settings import CHECKOUT, Settings

UNFIT = '\\"'


def run(settings: Settings, message: str, *, autogenerate: bool) -> int:
    """Write it, and say where it is and what is left to do."""
    text = message.strip().rstrip(".")
    if not text or not text.isprintable() or any(sign in text for sign in UNFIT):
        raise Failure("-m: give one line of text, without quotation marks and backslashes", USAGE)
    if not (CHECKOUT / "panda").is_file():
        raise Failure("revisions are part of the source: run `./panda db revision` in a checkout of it", FAILED)
    if not autogenerate:
        with failures():
            return _say(new_revision(text))
    return _on_some_database(settings, lambda url: _compare(url, settings, text))


def _on_some_database(settings: Settings, act: Callable[[str], int]) -> int:
    """The database of the settings; where an embedded one was never made, one for the moment."""
    if not settings.database.embedded or (settings.state_dir / "postgres" / "data").exists():
        return on_database(settings, act)
    with (
        failures(),
        tempfile.TemporaryDirectory(prefix="alpha-panda-") as scratch,
        EmbeddedPostgres(Path(scratch) / "postgres") as server,
    ):
        upgrade(server.url)
        return act(server.url)


def _compare(url: str, settings: Settings, message: str) -> int:
    database = open_database(url, settings.database, "console")
    try:
        database.check_schema()
    finally:
        database.close()
    return _say(new_revision(message, url))


def _say(written: Path | None) -> int:
    if written is None:
        screen().print(f"nothing to write: the database at {heads()} is as the models say; --empty writes one anyway")
        return OK
    console = screen()
    console.print(f"written to {escape(str(written))}", soft_wrap=True)
    console.print("read it; say in it the reason, the lock and the way back; then ./panda test tests/migrations")
    return OK
