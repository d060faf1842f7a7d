"""The health checks of this service: what each asks, and the cure it names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from actors.database_checks import Database, database_checks
from actors.diagnosis import Check, CheckFailed, Health
from actors.host_checks import host_checks
from actors.runtime.directory import Directory
from settings import Settings, program

LAG_MESSAGES = 100_000
UNHANDLED_S = 30.0
EXPIRES_SOON = timedelta(minutes=10)


def checks(settings: Settings, database: Database, directory: Directory) -> list[Check]:
    """Every check, the essential ones first."""
    live = [broker for broker in settings.brokers if broker != "paper"]
    return [
        *database_checks(database),
        *host_checks(settings.state_dir),
        Check("NATS", lambda: _nats(_part(directory, "gateway"))),
        Check("Streams", lambda: _streams(_part(directory, "gateway"))),
        Check("Consumer lag", lambda: _lag(_part(directory, "gateway"))),
        Check("Mailboxes", lambda: _mailboxes(directory)),
        *(Check(f"{broker} session", _session(directory, broker)) for broker in live),
    ]


def _part(directory: Directory, name: str) -> dict[str, Any] | None:
    """What the actor has published of itself; None before it did."""
    handle = directory.handles.get(name)
    snapshot = None if handle is None else handle.telemetry.snapshot
    return None if snapshot is None else snapshot.as_status(0.0)


def _nats(gateway: dict[str, Any] | None) -> str | None:
    if gateway is None:
        return None
    if gateway["state"] != "up":
        why = str(gateway["error"] or "not connected")
        raise CheckFailed(f"away: {why}", _nats_cure(why, embedded=gateway["embedded"]))
    return f"connected to {gateway['url']}"


def _nats_cure(why: str, *, embedded: bool) -> str:
    if embedded:
        return "see nats/nats.log in the state directory"
    if "authorization" in why.lower():
        return "see NATS__CREDENTIALS_FILE (of a service the file nats-credentials), or the password in NATS__URL"
    if "certificate" in why:
        return "NATS__TLS_CA_FILE has to hold the certificate of the authority that signed the server's"
    return "see that the server runs and that NATS__URL is right"


def _streams(gateway: dict[str, Any] | None) -> str | None:
    if gateway is None or gateway["state"] != "up" or not (gateway["streams"] or gateway["missing"]):
        return None
    if gateway["missing"]:
        missing = ", ".join(gateway["missing"])
        raise CheckFailed(f"missing: {missing}", f"they are made again by `{program()} restart gateway`")
    return f"all {len(gateway['streams'])} there, with their consumers"


def _lag(gateway: dict[str, Any] | None) -> str | None:
    if gateway is None or gateway["state"] != "up" or not gateway["streams"]:
        return None
    stream, figures = max(gateway["streams"].items(), key=lambda one: one[1]["pending"])
    if figures["pending"] > LAG_MESSAGES:
        found = f"{figures['pending']} messages wait in {stream}"
        raise CheckFailed(found, "see what is slow: `status` shows mailboxes and the database", Health.DEGRADED)
    waiting = sum(one["pending"] for one in gateway["streams"].values())
    return f"{waiting} messages wait"


def _mailboxes(directory: Directory) -> str:
    ages = {name: handle.mailbox.oldest_age_s() for name, handle in directory.handles.items()}
    name = max(ages, key=lambda one: ages[one])
    if ages[name] > UNHANDLED_S:
        found = f"a message waits for {name} for {ages[name]:.0f} s"
        raise CheckFailed(found, f"see what it does: `{program()} inspect {name}`", Health.DEGRADED)
    return f"the oldest message waits {ages[name]:.1f} s"


def _session(directory: Directory, broker: str) -> Callable[[], str]:
    def check() -> str:
        session = (_part(directory, "auth") or {}).get("sessions", {}).get(broker)
        cure = f"log in to {broker} and run `{program()} sessions save`"
        if session is None or session["state"] != "active":
            raise CheckFailed("no active session", cure, Health.DEGRADED)
        until = session["expires_at"]
        if until is not None and (left := datetime.fromisoformat(until) - datetime.now(UTC)) < EXPIRES_SOON:
            minutes = max(0, int(left.total_seconds() // 60))
            raise CheckFailed(f"{session['user_id']}'s session ends in {minutes} min", cure, Health.DEGRADED)
        return f"{session['user_id']} until {until or 'further notice'}"

    return check
