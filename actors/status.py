"""The status document, put together from what every actor has published; nobody is asked, so it never waits."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from actors.runtime.clock import Clock
from actors.runtime.dead_letters import DeadLetters
from actors.runtime.directory import Directory, Handle
from actors.runtime.tree import Child, Next, Phase, Status
from actors.runtime.zombies import Zombies
from settings import program

LATE_S = 5.0
"""An actor or a server that needs longer than this is shown as the reason why not all is well."""

RATE_OVER_S = 10
"""Of a rate in the status."""

_SHOWN = {Status.WAITING: "starting", Status.STOPPING: "running"}
_COMES_BACK = {Next.RENEW, Next.REJOIN}
_BROKER_SHOWN = {Status.PARKED: "failed"}


@dataclass(frozen=True, slots=True)
class StatusReport:
    """Builds the document of one process; from any thread.

    Args:
        directory: the tree and the handles.
        dead_letters: for their total.
        zombies: for their count.
        clock: for ages.
        version: of the program.
        brokers: the brokers this process runs.
        node: its id.
        started_at: when it began.
        host: its name, asked for once: a question to the kernel lets all other threads compute first.
    """

    directory: Directory
    dead_letters: DeadLetters
    zombies: Zombies
    clock: Clock
    version: str
    brokers: tuple[str, ...]
    node: str
    started_at: datetime
    host: str = field(default_factory=socket.gethostname)

    def build(self) -> dict[str, Any]:
        """The document of the contract, as JSON types."""
        now, monotonic = self.clock.now(), self.clock.monotonic()
        parts = {name: _part(handle, monotonic) for name, handle in self.directory.handles.items()}
        children = [shown for child in self.directory.children().values() if (shown := self.child(child, monotonic))]
        brokers = {name: self._broker(name, parts) for name in self.brokers}
        database, nats = {**_NO_DATABASE, **parts.get("database", {})}, {**_NO_NATS, **parts.get("gateway", {})}
        checks = parts.get("health", {}).get("checks", [])
        writer = next((child for child in children if child["name"] == "database"), None)
        if writer and writer["handling"] and writer["handling"]["for_s"] > LATE_S and database["state"] == "up":
            database |= {"state": "away", "error": f"no answer for {writer['handling']['for_s']:.0f} s"}
        why = _why_not_ready(children, brokers, database, nats, checks)
        return {
            "node": self.node,
            "host": self.host,
            "pid": os.getpid(),
            "version": self.version,
            "state": self._state(why),
            "since": wire_time(self.started_at),
            "as_of": wire_time(now),
            "why_not_ready": why,
            "children": children,
            "brokers": brokers,
            "database": database,
            "nats": nats,
            "checks": checks,
            "dead_letters": database.get("dead_letters", 0),
            "undelivered": self.dead_letters.total(),
            "zombies": self.zombies.count(),
        }

    def _state(self, why: list[str]) -> str:
        tree = self.directory.tree
        if tree is None or tree.phase is Phase.STARTING:
            return "starting"
        if tree.phase in {Phase.STOPPING, Phase.STOPPED}:
            return str(tree.phase.value)
        return "degraded" if why else "ready"

    def child(self, child: Child, now: float) -> dict[str, Any] | None:
        """One child's part of the document; None if it was forgotten by now."""
        try:
            return self._child(child, self.directory.handles[child.spec.name], now)
        except KeyError:
            return None

    def _child(self, child: Child, handle: Handle, now: float) -> dict[str, Any]:
        telemetry, mailbox = handle.telemetry, handle.mailbox
        handling, since = telemetry.doing, telemetry.handling_since
        busy_s = round(now - since, 3) if handling else 0.0
        rate = handle.rates.per_second(now, telemetry.handled, RATE_OVER_S)
        stuck = child.status is Status.RUNNING and busy_s > child.spec.handler_budget_s / 2
        return {
            "name": child.spec.name,
            "state": "stuck" if stuck else _state(child),
            "since": self._wall(child.since or None, now),
            "restarts": child.total_restarts,
            "last_error": child.last_error,
            "last_error_at": self._wall(child.last_error_at, now),
            "mailbox": {
                "depth": mailbox.depth(),
                "high_water": mailbox.high_water,
                "capacity": mailbox.capacity,
                "oldest_age_s": round(mailbox.oldest_age_s(), 3),
            },
            "handled": telemetry.handled,
            "per_s": None if rate is None else round(rate, 3),
            "failed": telemetry.failed,
            "dead_letters": handle.dead_letters,
            "handling": {"message": handling, "for_s": busy_s} if handling else None,
            "depends_on": self._depends_on(child),
            "supervisor": self.directory.supervisors[child.spec.name].name,
        }

    def _wall(self, at: float | None, now: float) -> str | None:
        """A monotonic time as it stands in JSON."""
        return None if at is None else wire_time(self.clock.now() - timedelta(seconds=now - at))

    def _depends_on(self, child: Child) -> list[str]:
        """Those of the supervisors above it are its own too."""
        needed = list(child.spec.depends_on)
        above = self.directory.supervisors.get(child.spec.name)
        while above is not None and above.name in self.directory.supervisors:
            outer = self.directory.supervisors[above.name]
            needed = [*self.directory.trees[outer.name].children[above.name].spec.depends_on, *needed]
            above = outer
        return needed

    def _broker(self, name: str, parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        child = self.directory.children().get(f"trading.{name}")
        own = dict(parts.get(f"trading.{name}", {}))
        events = parts.get("database", {}).get("events", {}).get(name, {})
        placed, failed = events.get("order_placed", 0), events.get("order_failed", 0)
        if child is not None and child.status is not Status.RUNNING:
            own["state"] = _BROKER_SHOWN.get(child.status) or _state(child)
        if child is not None and child.status is Status.PARKED:
            own |= _NO_BOOKS
        return {
            "state": own.get("state", "starting"),
            "lease": own.get("lease", _NO_LEASE),
            "session": parts.get("auth", {}).get("sessions", {}).get(name, _NO_SESSION),
            "signals": placed + failed,
            "orders": placed,
            "fills": events.get("order_filled", 0),
            "failed": failed,
            "pending": own.get("pending", 0),
            "realized_pnl": own.get("realized_pnl"),
            "unrealized_pnl": own.get("unrealized_pnl"),
            "last_signal_age_s": own.get("last_signal_age_s"),
        }


_NO_SESSION = {"user_id": None, "expires_at": None, "state": "none"}
_NO_BOOKS = {"realized_pnl": None, "unrealized_pnl": None}
_NO_LEASE = {"owner": None, "epoch": None, "mine": False}
_NO_DATABASE: dict[str, Any] = {
    "state": "starting",
    "url": None,
    "embedded": None,
    "schema": None,
    "last_commit_age_s": None,
    "commits": 0,
    "rows": 0,
    "error": None,
    "instruments": {"active": 0, "total": 0, "loaded_at": None, "source_file": None},
}
_NO_NATS: dict[str, Any] = {"state": "starting", "url": None, "embedded": None, "streams": {}, "error": None}


def _state(child: Child) -> str:
    """The contract's word for where the child stands."""
    if child.status is Status.STOPPING and child.then in _COMES_BACK:
        return Status.RESTARTING.value
    return _SHOWN.get(child.status, child.status.value)


def _part(handle: Handle, now: float) -> dict[str, Any]:
    snapshot = handle.telemetry.snapshot
    return {} if snapshot is None else snapshot.as_status(now)


def _why_not_ready(
    children: list[dict[str, Any]],
    brokers: Mapping[str, Mapping[str, Any]],
    database: Mapping[str, Any],
    nats: Mapping[str, Any],
    checks: list[dict[str, Any]],
) -> list[str]:
    why = []
    down = {child["name"] for child in children if child["state"] != "running"}
    for child in children:
        if child["name"] in down:
            error = f": {child['last_error']}" if child["last_error"] else ""
            why.append(f"{child['name']} is {child['state']}{error}")
    for name, broker in brokers.items():
        if broker["state"] in {"starting", "opening", "standby"} and f"trading.{name}" not in down:
            why.append(f"broker {name} is {broker['state']}")
    if database["state"] != "up":
        why.append(f"database is {database['state']}: {database['error'] or 'not asked yet'}")
    if nats["state"] != "up":
        why.append(f"NATS is {nats['state']}: {nats['error'] or 'not connected'}")
    if (intake := nats.get("intake", "open")) != "open":
        how = {"draining": f"finishing {nats['in_flight']} in hand"}.get(intake, "nothing is in hand")
        why.append(f"{intake}: takes no messages in, {how}; `{program()} drain --resume` lets them in again")
    if nats.get("unpublished_age_s", 0.0) > LATE_S:
        waiting = "1 commit is" if nats["unpublished"] == 1 else f"{nats['unpublished']} commits are"
        late = f"{waiting} not published for {nats['unpublished_age_s']:.0f} s"
        why.append(f"{late}: {nats['error'] or 'no acknowledgement'}")
    seen = set() if database["state"] == "up" else {"PostgreSQL"}
    for check in checks:
        if not check["passed"] and check["component"] not in {"NATS", *seen}:
            cure = check.get("cure") or ""
            cure = f"; {cure}" if cure not in check["message"] else ""
            why.append(f"{check['component']}: {check['message']}{cure}")
    return why


def wire_time(moment: datetime) -> str:
    """An aware time as it stands in JSON: UTC, with `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
