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
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack

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
from actors.gateway.subjects import TICKS, streams
from actors.health import HealthActor
from actors.inspection import Inspection
from actors.masking import masked
from actors.messages import BrokerClosed, Delivery, Released, Routed, StopTree
from actors.metrics.actor import MetricsActor
from actors.metrics.collector import Metrics
from actors.metrics.routes import MetricsRoutes
from actors.process import Process, Servers
from actors.runtime import log
from actors.runtime.breakable import Breakable
from actors.runtime.cell import Context
from actors.runtime.child import ChildSpec, GiveUp
from actors.runtime.events import StopWanted
from actors.runtime.flags import Flags
from actors.runtime.supervisor import Supervisor, nested
from actors.runtime.systemd import Notifier
from actors.session_keys import KeyRoutes
from actors.status import StatusReport
from actors.trading.actor import TradingActor
from persistence.database import Database
from persistence.errors import PersistenceError
from persistence.migration import upgrade
from persistence.server_process import EmbeddedServerError
from persistence.state_directory import StateDirectory, StateDirectoryError, StateDirectoryFull, StateDirectoryInUse
from persistence.token_cipher import TokenKeyError
from settings import Settings, load


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
    figures = MetricsRoutes(metrics.text).routes()
    measured = [ChildSpec("metrics", lambda context: MetricsActor(context, figures, port))] if port else []
    return [
        ChildSpec("control", control),
        *measured,
        ChildSpec("database", writer, start_timeout_s=600, start_retry_s=60, shutdown_s=10, mailbox_capacity=50_000),
        ChildSpec("auth", lambda context: AuthActor(context, database), depends_on=("database",), start_retry_s=60),
        ChildSpec(
            "health",
            lambda context: HealthActor(context, checks(settings, database, context.directory)),
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
        on_stopping: Callable[[str], None],
        on_down: Callable[[str, int], None],
    ) -> None:
        super().__init__(context, specs, Flags(intensity=10, period_s=30), on_down=on_down)
        self._on_up, self._on_stopping = on_up, on_stopping
        directory = context.directory
        directory.routes = {
            ("sessions", None): "auth",
            ("units", None): "database",
            **{("signals", broker): f"trading.{broker}" for broker in brokers},
        }
        context.surroundings.dead_letters.on_delivery = self._release
        self.also_handles({Routed: self._route, StopTree: self._stop_tree})

    def on_tree_up(self) -> None:
        self.log.info("up", children=len(self.tree.children))
        self._on_up()

    def _stop_tree(self, message: StopTree) -> None:
        self._on_stopping(message.why)
        self._step(StopWanted(message.why, message.exit_code))

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

    def grow(
        context: Context,
        servers: Servers,
        database: Database,
        report: StatusReport,
        on_up: Callable[[], None],
        on_stopping: Callable[[str], None],
        on_down: Callable[[str, int], None],
    ) -> SupervisorActor:
        specs = children(settings, servers, database, report)
        return SupervisorActor(context, specs, settings.brokers, on_up, on_stopping, on_down)

    faulthandler.enable()
    log.configure(settings.log.level, settings.log.format)
    log.take_what_nobody_catches()
    notifier = Notifier.from_environment()
    try:
        with ExitStack() as stack:
            state = stack.enter_context(StateDirectory(settings.state_dir))
            process = stack.enter_context(Process(settings, notifier, reread, grow))
            why, exit_code = process.run(state.node)
    except (StateDirectoryInUse, StateDirectoryFull) as error:
        return _refuse(str(error), 75)
    except (StateDirectoryError, TokenKeyError) as error:
        return _refuse(str(error), 78)
    except EmbeddedServerError as error:
        return _refuse(str(error), 69)
    except PersistenceError as error:
        return _refuse(str(error), 78)
    return _refuse(why, exit_code) if exit_code else 0


def _refuse(problem: str, exit_code: int) -> int:
    Breakable(sys.stderr).write(f"alpha-panda: {masked(problem)}\n")
    return exit_code


if __name__ == "__main__":
    from console.app import main

    main()
