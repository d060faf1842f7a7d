"""The supervisor: which actors there are, in which order they start, and how the process begins and ends.

Children
    Below, in `children`: each row names a child, what it depends on, and what follows if it cannot start. Children
    start level by level, those of one level at once, each confirmed by an init ack within its start timeout. The
    brokers stand under a supervisor of their own.

Strategy
    One for one: a child that crashes is restarted alone, at once the first time, then after a growing backoff; its
    mailbox waits for it.

Restart policy
    Every broker has an intensity of its own: one that exceeds it is parked and shown, the others trade on. All other
    children together have one: more restarts than that end the process, and the service manager starts it anew.

Start and stop order
    Stop is the exact reverse of start: the gateway, which lets messages in, stops first and waits for what is in
    flight to be committed. SIGTERM and SIGINT stop cleanly, a second one at once. SIGUSR1 logs
    where every thread is. SIGHUP, unless a terminal hangs up, reads the settings again: see `actors.reload`.

Exit codes
    0 stopped, 69 a needed server is unavailable, 70 restart intensity or zombie limit exceeded, 75 the state
    directory is in use, 78 configuration or schema mismatch.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib.metadata
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import orjson
import structlog

from actors.auth import AuthActor
from actors.brokers.protocol import ReadsInstruments
from actors.brokers.registry import find_broker
from actors.catalogue import Catalogue
from actors.checks import checks
from actors.control import ControlActor
from actors.database.actor import DatabaseActor
from actors.database.letters import Letters
from actors.dlq import DlqRoutes
from actors.drain import DrainRoutes
from actors.gateway.actor import GatewayActor
from actors.gateway.codec import decode_session_request
from actors.gateway.embedded import EmbeddedNats
from actors.gateway.subjects import TICKS, streams
from actors.health import HealthActor
from actors.inspection import Inspection
from actors.masking import masked
from actors.messages import BrokerClosed, Delivery, Released, Routed, StopTree
from actors.metrics.actor import MetricsActor
from actors.metrics.collector import Metrics
from actors.metrics.routes import MetricsRoutes
from actors.reload import LiveSettings
from actors.runtime import log
from actors.runtime.cell import Context, Surroundings
from actors.runtime.child import ChildSpec, GiveUp
from actors.runtime.clock import SystemClock, Timers
from actors.runtime.dead_letters import DeadLetters
from actors.runtime.directory import Directory, Handle
from actors.runtime.flags import Flags
from actors.runtime.mailbox import Mailbox
from actors.runtime.supervisor import Supervisor, nested
from actors.runtime.systemd import Notifier
from actors.runtime.telemetry import Telemetry
from actors.runtime.watchdog import Pulse, Watchdog, pulses
from actors.session_keys import KeyRoutes
from actors.status import StatusReport
from actors.status_line import StatusLine
from actors.thread_dump import ThreadDump
from actors.trading.actor import TradingActor
from persistence.database import Database, open_database
from persistence.embedded import EmbeddedPostgres
from persistence.errors import PersistenceError
from persistence.kept_servers import KeptServers
from persistence.migration import upgrade
from persistence.server_process import EmbeddedServerError
from persistence.state_directory import StateDirectory, StateDirectoryError, StateDirectoryInUse
from persistence.token_cipher import TokenCipher, TokenKeyError, configured_keys
from settings import Settings, load

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


def children(settings: Settings, servers: Servers, database: Database, report: StatusReport) -> list[ChildSpec]:
    """The child table, in start order."""
    status, inspect = report.build, Inspection(report).build
    metrics = Metrics(status, report.directory, report.dead_letters)

    def control(context: Context) -> ControlActor:
        connection = {"nats": list(servers.nats_servers)}
        taken = frozenset(subject for spec in streams(settings.brokers) for subject in spec.subjects) - {TICKS}
        more = (
            *DlqRoutes(Letters(database, taken), report.directory).routes(),
            *KeyRoutes(settings.auth, database, report.directory).routes(),
            *MetricsRoutes(metrics.text).routes(),
            *DrainRoutes(report.directory).routes(),
        )
        return ControlActor(
            context, settings.socket_path, status, inspect, lambda: connection, decode_session_request, more
        )

    def writer(context: Context) -> DatabaseActor:
        migrate = (lambda: upgrade(servers.postgres_url)) if settings.database.migrates_at_start else None
        embedded = settings.database.embedded
        incarnation = str(os.getpid())
        return DatabaseActor(
            context,
            database,
            embedded=embedded,
            node=servers.node,
            incarnation=incarnation,
            migrate=migrate,
            housekeeping=settings.housekeeping,
        )

    def trading(context: Context, name: str) -> TradingActor:
        broker, catalogue = find_broker(name)(settings), Catalogue(database)
        if isinstance(broker, ReadsInstruments):
            broker.use_instruments(catalogue)
        return TradingActor(context, broker, settings.paper_trading.starting_cash, catalogue.forget)

    def trader(broker: str) -> ChildSpec:
        return ChildSpec(
            f"trading.{broker}",
            lambda context: trading(context, broker),
            intensity=5,
            give_up=GiveUp.PARK,
            start_failure=GiveUp.PARK,
        )

    def close(trader: str) -> None:
        report.directory["gateway"].tell_control(BrokerClosed(trader.removeprefix("trading.")))

    def gateway(context: Context) -> GatewayActor:
        return GatewayActor(context, settings.nats, lambda: list(servers.nats_servers), settings.brokers, status)

    port = settings.metrics.port
    measured = [ChildSpec("metrics", lambda context: MetricsActor(context, metrics.registry, port))] if port else []
    return [
        ChildSpec("control", control),
        *measured,
        ChildSpec("database", writer, start_timeout_s=600, start_retry_s=60, shutdown_s=10, mailbox_capacity=50_000),
        ChildSpec("auth", lambda context: AuthActor(context, database), depends_on=("database",), start_retry_s=60),
        ChildSpec(
            "health",
            lambda context: HealthActor(context, checks(settings, database, PersistenceError, context.directory)),
            depends_on=("database", "auth"),
            start_retry_s=60,
        ),
        nested(
            "brokers",
            [trader(broker) for broker in settings.brokers],
            on_parked=close,
            depends_on=("database", "auth", "health"),
        ),
        ChildSpec("gateway", gateway, depends_on=("control", "health", "brokers"), shutdown_s=20),
    ]


class SupervisorActor(Supervisor):
    """The root of the tree; besides supervising, it routes messages by its table.

    Owns: the children and the routing table, published as an immutable snapshot that senders read without a hop.
    Receives: besides a supervisor's messages, `Routed`.
    Sends: what it routes; `Released` to the gateway for messages of a child that is down.
    On failure: the process ends.
    """

    def __init__(
        self,
        context: Context,
        specs: Sequence[ChildSpec],
        brokers: Sequence[str],
        on_up: Callable[[], None],
        on_down: Callable[[str, int], None],
    ) -> None:
        super().__init__(context, specs, Flags(intensity=10, period_s=30), on_down=on_down)
        self._on_up = on_up
        directory = context.directory
        directory.routes = {
            ("sessions", None): "auth",
            ("units", None): "database",
            **{("signals", broker): f"trading.{broker}" for broker in brokers},
        }
        context.surroundings.dead_letters.on_delivery = self._release
        self.also_handles({Routed: self._route})

    def on_tree_up(self) -> None:
        self.log.info("up", children=len(self.tree.children))
        self._on_up()

    def _release(self, delivery: Delivery) -> None:
        self.context.directory["gateway"].tell_control(Released((delivery,), 1.0))

    def _route(self, message: Routed) -> None:
        target = self.context.directory.route(message.kind, message.broker)
        if target is None:
            self.context.handle.bury(message.message, "no route")
        else:
            target.tell(message.message)


def run(settings: Settings, reread: Callable[[], Settings] = load) -> int:
    """Run the service in the foreground until it is told to stop; returns the exit code.

    Must be called in the main thread, which then only waits for signals. `reread` loads the settings again, for a
    reload.
    """
    faulthandler.enable()
    log.configure(settings.log.level, settings.log.format)
    log.take_what_nobody_catches()
    notifier = Notifier.from_environment()
    try:
        with ExitStack() as stack:
            state = stack.enter_context(StateDirectory(settings.state_dir))
            process = Process(settings, notifier, reread)
            stack.enter_context(process)
            return process.run(state.node)
    except StateDirectoryInUse as error:
        return _refuse(str(error), 75)
    except (StateDirectoryError, TokenKeyError) as error:
        return _refuse(str(error), 78)
    except EmbeddedServerError as error:
        return _refuse(str(error), 69)
    except PersistenceError as error:
        return _refuse(str(error), 78)


def _refuse(problem: str, exit_code: int) -> int:
    sys.stderr.write(f"alpha-panda: {masked(problem)}\n")
    return exit_code


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
    """One life of the service: its embedded servers, its tree, and the main thread's loop over signals."""

    def __init__(self, settings: Settings, notifier: Notifier, reread: Callable[[], Settings]) -> None:
        self._settings = settings
        self._notifier = notifier
        self._live = LiveSettings(settings, reread)
        self._is_up = False
        self._alive_at = 0.0
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

    def run(self, node: str) -> int:
        """Start everything, wait, stop everything; returns the exit code."""
        clock, directory = SystemClock(), Directory()
        dead_letters, timers = DeadLetters(clock), Timers(clock)
        surroundings = Surroundings(directory, dead_letters, timers, clock)
        handle = Handle("supervisor", Mailbox(None, clock), Telemetry(), dead_letters, clock)
        dump = ThreadDump(handle, directory, surroundings.zombies, clock)
        watchdog = Watchdog(
            self._notifier, lambda: self._pulses(handle, directory), clock, lambda names: self._frozen(names, dump)
        )
        watchdog.start()
        self._stack.callback(watchdog.stop)
        servers = self._start_servers(node)
        cipher = TokenCipher(configured_keys(self._settings.auth))
        if not cipher.seals:
            self._log.warning("session tokens are stored unencrypted; set AUTH__TOKEN_KEYS")
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
        supervisor = SupervisorActor(
            context,
            children(self._settings, servers, database, report),
            self._settings.brokers,
            on_up=self._up,
            on_down=lambda why, exit_code: self._events.put(("down", (why, exit_code))),
        )
        thread = supervisor.launch()
        why, exit_code = self._wait(handle, report, thread, database, dump)
        if exit_code:
            _refuse(why, exit_code)
        return exit_code

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
            if value in asides:
                asides[value]()
            elif value == signal.SIGCHLD:
                if not stopping:
                    self._embedded.revive()
            elif stopping:
                self._leave(128 + value)
            else:
                self._is_up = False
                stopping, leave_at = True, now() + STOP_DEADLINE_S
                self._notifier.stopping(STOP_DEADLINE_S + SERVERS_STOP_S)
                handle.tell_control(StopTree(f"{signal.Signals(value).name} received"))

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
        sys.stderr.flush()
        os._exit(exit_code)


if __name__ == "__main__":
    from console.app import main

    main()
