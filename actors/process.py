"""The process around the tree: how it begins, what its main thread minds meanwhile, and how it ends."""

from __future__ import annotations

import gc
import importlib.metadata
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, Self

import orjson
import structlog

from actors.gateway.embedded import EmbeddedNats
from actors.messages import StopTree
from actors.reload import LiveSettings
from actors.runtime import log
from actors.runtime.breakable import Breakable
from actors.runtime.cell import Context, Surroundings
from actors.runtime.clock import SystemClock, Timers
from actors.runtime.dead_letters import DeadLetters
from actors.runtime.directory import Directory, Handle
from actors.runtime.mailbox import Mailbox
from actors.runtime.supervisor import Supervisor
from actors.runtime.systemd import Notifier
from actors.runtime.telemetry import Telemetry
from actors.runtime.watchdog import Pulse, Watchdog, pulses
from actors.status import StatusReport
from actors.status_line import StatusLine
from actors.thread_dump import ThreadDump
from persistence.database import Database, open_database
from persistence.embedded import EmbeddedPostgres
from persistence.kept_servers import KeptServers
from persistence.token_keys import configured_cipher, exposed_keys
from settings import Settings, misspelt
from settings.names import told

STOP_DEADLINE_S = 45.0
SERVERS_STOP_S = 15.0
"""How long the embedded servers may take after that, by what the service manager is told."""
REVIVAL_S = 180.0
"""How long the main thread may be busy with starting the embedded servers again."""
STATUS_EVERY_S = 10.0
LAST_STATUS = "last_status.json"
SWITCH_INTERVAL_S = 0.001
COLLECT_AFTER = (50_000, 20, 20)
"""Objects made beyond those freed, and younger collections, before a generation is collected."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the two servers of this process are."""

    postgres_url: str
    nats_servers: tuple[str, ...]
    node: str


class Grow(Protocol):
    """Makes the root of the tree, which is not launched yet."""

    def __call__(
        self,
        context: Context,
        servers: Servers,
        database: Database,
        report: StatusReport,
        on_up: Callable[[], None],
        on_stopping: Callable[[str], None],
        on_down: Callable[[str, int], None],
        /,
    ) -> Supervisor: ...


def version() -> str:
    """The installed version."""
    try:
        return importlib.metadata.version("alpha-panda")
    except importlib.metadata.PackageNotFoundError:
        return "0+checkout"


def tune_interpreter() -> None:
    """Leave what the start has made out of later garbage collections and have them come less often, and let no thread
    that computes keep the others from the interpreter for long.

    Messages make no cycles, so under load a collection finds nothing: they took a third of the processor's time. And
    the writer, back from each statement, waited the five milliseconds that a thread may keep the interpreter by
    default; a fifth of that costs the others nothing, less than that does.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    sys.setswitchinterval(SWITCH_INTERVAL_S)


class Process:
    """One life of the service: its embedded servers, its tree, and the main thread's loop over signals.

    Args:
        settings: of the service.
        notifier: to the service manager.
        reread: loads the settings again, for a reload.
        grow: makes the root of the tree.
    """

    def __init__(self, settings: Settings, notifier: Notifier, reread: Callable[[], Settings], grow: Grow) -> None:
        self._settings = settings
        self._notifier = notifier
        self._grow = grow
        self._live = LiveSettings(settings, reread)
        self._clock = SystemClock()
        self._is_up = False
        self._alive_at = 0.0
        self._stopping_since: float | None = None
        self._line, self._line_at = StatusLine(), 0.0
        self._events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._stack = ExitStack()
        self._embedded = KeptServers()
        self._log = structlog.get_logger("process")

    def __enter__(self) -> Self:
        minded = [signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGUSR1]
        if not any(os.isatty(descriptor) for descriptor in range(3)):
            minded.append(signal.SIGHUP)
        for number in minded:
            previous = signal.signal(number, lambda signum, _frame: self._events.put(("signal", signum)))
            self._stack.callback(signal.signal, number, previous)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        if self._stopping_since is not None:
            self._log.info("stopped", took_s=round(self._clock.monotonic() - self._stopping_since, 3))

    def run(self, node: str) -> tuple[str, int]:
        """Start everything, wait, stop everything; returns why it ended, and the exit code."""
        clock, directory = self._clock, Directory()
        dead_letters, timers = DeadLetters(clock), Timers(clock)
        surroundings = Surroundings(directory, dead_letters, timers, clock)
        handle = Handle("supervisor", Mailbox(None, clock), Telemetry(), dead_letters, clock)
        dump = ThreadDump(handle, directory, surroundings.zombies, clock)
        watchdog = Watchdog(
            self._notifier, lambda: self._pulses(handle, directory), clock, lambda names: self._frozen(names, dump)
        )
        watchdog.start()
        self._stack.callback(watchdog.stop)
        cipher = configured_cipher(self._settings.auth)
        self._warn(cipher.seals)
        servers = self._start_servers(node)
        database = open_database(servers.postgres_url, self._settings.database, "daemon", cipher)
        self._stack.callback(database.close)
        timers.start()
        self._stack.callback(timers.stop)
        report = StatusReport(
            directory,
            dead_letters,
            surroundings.zombies,
            clock,
            version(),
            self._settings.brokers,
            node,
            datetime.now(UTC),
        )
        context = Context("supervisor", 0, handle, surroundings, None)
        root = self._grow(
            context,
            servers,
            database,
            report,
            self._up,
            lambda cause: self._events.put(("stopping", cause)),
            lambda why, exit_code: self._events.put(("down", (why, exit_code))),
        )
        return self._wait(handle, report, root.launch(), database, dump)

    def _warn(self, seals: bool) -> None:
        """Log what is allowed, and likely not meant."""
        if not seals:
            self._log.warning("session tokens are stored unencrypted; set AUTH__TOKEN_KEYS")
        if exposed := exposed_keys(self._settings.auth):
            self._log.warning(exposed)
        for name, meant in misspelt(self._settings).items():
            self._log.warning(told(name, meant))
        left = self._settings.state_dir / "postgres" / "data"
        if not self._settings.database.embedded and left.exists():
            self._log.warning("the books of the embedded database are not used", left_in=str(left))
        for name in self._settings.active_brokers:
            if name not in self._settings.brokers:
                self._log.warning(f"{name} is in ACTIVE_BROKERS, and not enabled by TRADING__{name.upper()}__ENABLED")

    def _up(self) -> None:
        tune_interpreter()
        self._is_up = True
        self._notifier.send("READY=1", "STATUS=ready")

    def _pulses(self, root: Handle, directory: Directory) -> list[Pulse]:
        return [*pulses(root, directory, "database", "gateway"), Pulse("main", self._alive_at, REVIVAL_S)]

    def _frozen(self, names: list[str], dump: ThreadDump) -> None:
        self._log.error("frozen; the service manager is no longer told that all is well", threads=names)
        dump.write()

    def _start_servers(self, node: str) -> Servers:
        settings, state_dir = self._settings, self._settings.state_dir
        postgres_url = settings.database.postgres_url.get_secret_value()
        nats_servers = tuple(settings.nats.servers)
        if settings.database.embedded:
            postgres = self._stack.enter_context(EmbeddedPostgres(state_dir / "postgres"))
            self._embedded.add(postgres)
            postgres_url = postgres.url
        if settings.nats.embedded:
            nats = self._stack.enter_context(EmbeddedNats(state_dir / "nats"))
            self._embedded.add(nats)
            nats_servers = (nats.url,)
        return Servers(postgres_url, nats_servers, node)

    def _wait(
        self, handle: Handle, report: StatusReport, thread: threading.Thread, database: Database, dump: ThreadDump
    ) -> tuple[str, int]:
        """Wait for the tree to end, minding signals and the embedded servers; keeps the last status on disk."""
        asides: dict[int, Callable[[], None]] = {
            signal.SIGUSR1: dump.write,
            signal.SIGHUP: lambda: self._reload(database),
        }
        now, stopping, leave_at = report.clock.monotonic, False, 0.0
        while True:
            self._alive_at = now()
            try:
                kind, value = self._events.get(timeout=max(0.0, leave_at - now()) if stopping else 2.0)
            except queue.Empty:
                if stopping:
                    self._log.error("the tree did not stop in time")
                    self._leave(70)
                if not thread.is_alive():
                    return "the supervisor crashed; see the log", 70
                self._keep(report)
                self._embedded.revive()
                log.tell_what_was_left_out()
                if cut := database.cut_overdue():
                    self._log.warning("the database did not answer; connections cut", connections=cut)
                continue
            if kind == "down":
                self._keep(report)
                return str(value[0]), int(value[1])
            if kind == "stopping":
                self._tell_stopping(value)
            elif value in asides:
                asides[value]()
            elif value == signal.SIGCHLD:
                if not stopping:
                    self._embedded.revive()
            elif stopping:
                self._leave(128 + value)
            else:
                cause = signal.Signals(value).name
                self._tell_stopping(cause)
                self._is_up = False
                stopping, leave_at = True, now() + STOP_DEADLINE_S
                self._notifier.stopping(STOP_DEADLINE_S + SERVERS_STOP_S)
                handle.tell_control(StopTree(cause))

    def _tell_stopping(self, cause: str) -> None:
        if self._stopping_since is None:
            self._stopping_since = self._clock.monotonic()
            self._log.info("stopping", cause=cause)

    def _reload(self, database: Database) -> None:
        if self._is_up:
            self._notifier.reloading()
            self._live.reload(database.resize)
            self._notifier.send("READY=1")

    def _keep(self, report: StatusReport) -> None:
        path: Path = self._settings.state_dir / LAST_STATUS
        fresh = path.with_suffix(".new")
        document, now = report.build(), report.clock.monotonic()
        if self._is_up and now - self._line_at >= STATUS_EVERY_S:
            self._line_at = now
            self._notifier.send(f"STATUS={self._line.write(document, now)}")
        try:
            fresh.write_bytes(orjson.dumps(document))
            fresh.replace(path)
        except OSError as error:
            self._log.warning("last status not kept", reason=error.strerror)

    @staticmethod
    def _leave(exit_code: int) -> None:
        """End at once: what is not committed is delivered again, and the embedded servers follow their parent."""
        Breakable(sys.stderr).flush()
        os._exit(exit_code)
