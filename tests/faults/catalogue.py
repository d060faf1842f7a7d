"""Every fault of a storm: what it does to the world, until it is over, and what it proves."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.faults import lease
from tests.faults.points import POINTS, Point
from tests.faults.servers import standing_still
from tests.faults.world import World
from tests.system.daemon import eventually

FREEZE_S = 30.0
CHILDREN = ("trading.paper", "database", "gateway", "auth", "health", "control")


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind.

    Args:
        name: of the kind.
        row: of the crash table, or what else it proves.
        inflict: does it, and returns when it is over; what is left to chance it draws from the numbers it is given.
        only_an_outage: no child of the daemon may be restarted for it.
    """

    name: str
    row: str
    inflict: Callable[[World, Random], None]
    only_an_outage: bool = True


def catalogue() -> tuple[Fault, ...]:
    """All of them, in the order of the table."""
    servers = [fault for name in ("postgres", "nats") for fault in _of_server(name)]
    return (
        *(Fault(f"kill at {point.name}", point.row, _killing_at(point), False) for point in POINTS),
        Fault("kill the daemon", "any", _kill_daemon, False),
        Fault("stop the daemon by SIGTERM", "none: nothing is cut short", _stop_daemon, False),
        Fault("freeze the daemon", "the lease is over", _freeze_daemon),
        *(Fault(f"crash {child}", "an actor crashes", _crashing(child), False) for child in CHILDREN),
        *servers,
        Fault("lose a commit's answer", "COMMIT sent, connection lost", _lose_commits),
        Fault("take the lease away", "lease lost in mid batch", _take_lease),
        Fault("fill the disk", "inside the transaction", _fill_disk),
        Fault("send copies in disorder", "redelivered, inbox hit", _send_copies),
    )


def _of_server(name: str) -> list[Fault]:
    title = "PostgreSQL" if name == "postgres" else "NATS"
    inside = "inside the transaction" if name == "postgres" else "ack sent, server lost it"
    return [
        Fault(f"kill {title}", inside, _killing_server(name)),
        Fault(f"freeze {title}", "no answer for long", _freezing(name)),
        Fault(f"cut off {title}", "connection lost", _cutting(name, reset=False)),
        Fault(f"reset connections to {title}", "connection lost", _cutting(name, reset=True)),
        Fault(f"delay {title}", "answers late", _delaying(name)),
        Fault(f"swallow what goes to {title}", "half-open connections", _swallowing(name)),
        Fault(f"refuse connections to {title}", "connection refused", _refusing(name)),
    ]


# The daemon


def _killing_at(point: Point) -> Callable[[World, Random], None]:
    def inflict(world: World, random: Random) -> None:
        world.faults.arm(point.name, "kill", random.choice((1, 1, 2, 3)))
        with world.trader.sending(world.nats_url, point.load, 20):
            eventually(lambda: world.daemon.running.poll() == -signal.SIGKILL)
        world.restart_daemon()

    return inflict


def _kill_daemon(world: World, random: Random) -> None:
    world.wait(random.uniform(0, 1))
    world.daemon.kill()
    world.wait(random.uniform(0, 1))
    world.restart_daemon()


def _stop_daemon(world: World, random: Random) -> None:
    world.wait(random.uniform(0, 1))
    exit_code = world.daemon.stop()
    assert exit_code == 0, f"SIGTERM ended the daemon with {exit_code}"
    world.restart_daemon()


def _freeze_daemon(world: World, random: Random) -> None:
    with standing_still(world.daemon.running.pid, random.choice((2.0, 12.0, FREEZE_S))):
        pass


def _crashing(child: str) -> Callable[[World, Random], None]:
    def inflict(world: World, random: Random) -> None:
        world.wait(random.uniform(0, 1))
        before = world.daemon.child(child)["restarts"]
        world.daemon.crash(child)
        eventually(lambda: world.daemon.child(child)["restarts"] > before)

    return inflict


# The servers, and the way to them


def _killing_server(name: str) -> Callable[[World, Random], None]:
    def inflict(world: World, random: Random) -> None:
        world.wait(random.uniform(0, 1))
        world.servers.kill(name)
        world.wait(random.uniform(0, 4))
        world.servers.server(name).restart()

    return inflict


def _freezing(name: str) -> Callable[[World, Random], None]:
    def inflict(world: World, random: Random) -> None:
        pid = world.servers.server(name).pid
        assert pid is not None
        with standing_still(pid, random.choice((1.0, 5.0, FREEZE_S))):
            pass

    return inflict


def _cutting(name: str, *, reset: bool) -> Callable[[World, Random], None]:
    def inflict(world: World, random: Random) -> None:
        for _ in range(random.randint(1, 4)):
            world.servers.proxy(name).cut(reset=reset)
            world.wait(random.uniform(0, 1))

    return inflict


def _delaying(name: str) -> Callable[[World, Random], None]:
    def inflict(world: World, random: Random) -> None:
        world.servers.proxy(name).delay_s = random.uniform(0.02, 0.3)
        world.wait(random.uniform(2, 6))
        world.servers.proxy(name).heal()

    return inflict


def _swallowing(name: str) -> Callable[[World, Random], None]:
    def inflict(world: World, random: Random) -> None:
        world.servers.proxy(name).silent = True
        world.wait(random.uniform(1, 6))
        world.servers.proxy(name).heal()

    return inflict


def _refusing(name: str) -> Callable[[World, Random], None]:
    def inflict(world: World, random: Random) -> None:
        proxy = world.servers.proxy(name)
        proxy.refusing = True
        proxy.cut(reset=random.random() < 0.5)
        world.wait(random.uniform(0.5, 5))
        proxy.heal()

    return inflict


# What is between and behind them


def _lose_commits(world: World, random: Random) -> None:
    proxy, writing = world.servers.postgres_proxy, []
    wanted = proxy.cuts + random.randint(1, 3)

    def is_commit_of_signals(data: bytes) -> bool:
        writing.extend([True] * (b"outbox" in data))
        if writing and b"COMMIT" in data and proxy.cuts < wanted:
            writing.clear()
            return True
        return False

    proxy.cut_after = is_commit_of_signals
    eventually(lambda: proxy.cuts >= wanted)
    proxy.heal()


def _take_lease(world: World, random: Random) -> None:
    lease.take_away(world.database_url)
    world.daemon.wait_until_broker("standby")
    world.wait(random.uniform(0, 2))
    lease.expire(world.database_url)


def _fill_disk(world: World, random: Random) -> None:
    world.disk.fill(world.database_url)
    world.wait(random.uniform(1, 8))
    world.disk.free(world.database_url)
    world.servers.mend()


def _send_copies(world: World, random: Random) -> None:
    world.trader.repeat(world.nats_url, random.randint(10, 60))
