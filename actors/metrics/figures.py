"""The figures that follow from the status document: pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from actors.runtime.metric import Metric, Sample, counter, gauge

STATES = ("starting", "ready", "degraded", "stopping", "stopped")
ACTOR_STATES = ("starting", "running", "restarting", "parked", "stuck", "stopped")
BROKER_STATES = ("starting", "opening", "trading", "standby", "restarting", "failed", "stopped")
SHARED = "shared"
"""Alpha Panda's word for what belongs to no broker."""
TRADER = "trading."

Document = Mapping[str, Any]


def of_status(document: Document) -> Iterator[Metric]:
    """The figures of the whole, its children, brokers, servers and checks."""
    yield from _process(document)
    yield from _children(document["children"])
    yield from _brokers(document["brokers"], datetime.fromisoformat(document["as_of"]).timestamp())
    yield from _servers(document["database"], document["nats"])
    yield from _checks(document["checks"])


def _process(document: Document) -> Iterator[Metric]:
    identity = {"version": document["version"], "node": document["node"]}
    yield gauge("alpha_panda_info", "The version that runs, and where.", (identity, 1))
    yield gauge("alpha_panda_ready", "Whether all is well.", ({}, document["state"] == "ready"))
    yield gauge("alpha_panda_state", "1 for the state it is in.", *_one_of("state", document["state"], STATES))
    yield gauge("alpha_panda_zombies", "Abandoned threads that still run.", ({}, document["zombies"]))


def _children(children: Iterable[Document]) -> Iterator[Metric]:
    actors = [({"actor": child["name"]}, child) for child in children]
    boxes = [(labels, child["mailbox"]) for labels, child in actors]
    name = "alpha_panda_actor"
    yield gauge(
        f"{name}_state",
        "1 for the state the actor is in.",
        *(sample for labels, child in actors for sample in _one_of("state", child["state"], ACTOR_STATES, labels)),
    )
    yield gauge(f"{name}_mailbox_depth", "Messages that wait.", *_each(boxes, "depth"))
    yield gauge(f"{name}_mailbox_capacity", "Messages that find room.", *_each(boxes, "capacity"))
    yield gauge(f"{name}_mailbox_high_water", "The most that ever waited.", *_each(boxes, "high_water"))
    yield gauge(f"{name}_mailbox_oldest_age_seconds", "How long the oldest waits.", *_each(boxes, "oldest_age_s"))
    yield counter(f"{name}_handled_total", "Messages handled.", *_each(actors, "handled"))
    yield counter(f"{name}_failed_total", "Messages whose handling failed.", *_each(actors, "failed"))
    yield counter(
        f"{name}_dead_letters_total", "Messages to the actor that were not handled.", *_each(actors, "dead_letters")
    )
    yield counter(f"{name}_restarts_total", "Restarts of the actor.", *_each(actors, "restarts"))
    yield gauge(
        f"{name}_handling_seconds",
        "How long the message in hand has been handled; 0 without one.",
        *((labels, child["handling"]["for_s"] if child["handling"] else 0) for labels, child in actors),
    )
    yield gauge(
        "trading_pipeline_stage_healthy",
        "1 when the actor runs.",
        *(({"stage": child["name"], "broker": _broker_of(child)}, child["state"] == "running") for _, child in actors),
    )
    errors = {"component": "", "error_type": "handler", "broker": ""}
    yield counter(
        "trading_errors_total",
        "Messages whose handling failed.",
        *((errors | {"component": child["name"], "broker": _broker_of(child)}, child["failed"]) for _, child in actors),
    )


def _brokers(brokers: Mapping[str, Document], now: float) -> Iterator[Metric]:
    each = [({"broker": name}, broker) for name, broker in brokers.items()]
    yield gauge(
        "alpha_panda_broker_state",
        "1 for the state the broker is in.",
        *(sample for labels, broker in each for sample in _one_of("state", broker["state"], BROKER_STATES, labels)),
    )
    leases = [(labels, broker["lease"]) for labels, broker in each]
    yield gauge("alpha_panda_broker_lease_held", "Whether this process acts for the broker.", *_each(leases, "mine"))
    yield gauge("alpha_panda_broker_lease_epoch", "The lease's epoch.", *_each(leases, "epoch"))
    yield gauge("alpha_panda_broker_pending", "Signals decided and not yet durable.", *_each(each, "pending"))
    yield gauge(
        "alpha_panda_broker_realized_pnl", "Profit of closed positions, after fees.", *_each(each, "realized_pnl")
    )
    yield gauge(
        "alpha_panda_broker_unrealized_pnl",
        "Profit of open positions at the last prices.",
        *_each(each, "unrealized_pnl"),
    )
    yield gauge(
        "trading_last_activity_timestamp_unix",
        "When the last signal was decided, in seconds since 1970.",
        *(
            ({"service": f"{name}_trading", "stage": "signals", "broker": name}, now - broker["last_signal_age_s"])
            for name, broker in brokers.items()
            if broker["last_signal_age_s"] is not None
        ),
    )
    sessions = [({"broker": name}, broker["session"]) for name, broker in brokers.items()]
    yield gauge(
        "alpha_panda_session_active",
        "Whether there is a session that has not expired.",
        *((labels, session["state"] == "active") for labels, session in sessions),
    )
    yield gauge(
        "alpha_panda_session_expiry_timestamp_seconds",
        "When it expires, in seconds since 1970.",
        *(
            (labels, datetime.fromisoformat(session["expires_at"]).timestamp())
            for labels, session in sessions
            if session["expires_at"]
        ),
    )


def _servers(database: Document, nats: Document) -> Iterator[Metric]:
    yield gauge(
        "trading_connection_status",
        "1 when the server answers.",
        *(
            ({"connection_type": name, "broker": SHARED}, server["state"] == "up")
            for name, server in (("postgres", database), ("nats", nats))
        ),
    )
    yield gauge(
        "alpha_panda_last_commit_age_seconds", "How old the last commit is.", *_one(database["last_commit_age_s"])
    )
    yield gauge("alpha_panda_stored_dead_letters", "Dead letters in the database.", *_one(database.get("dead_letters")))
    yield counter(
        "trading_events_processed_total",
        "Events recorded since the books were begun.",
        *(
            ({"service": f"{broker}_trading", "broker": broker, "event_type": kind}, count)
            for broker, kinds in database.get("events", {}).items()
            for kind, count in kinds.items()
        ),
    )
    streams = [({"stream": name}, stream) for name, stream in nats["streams"].items()]
    yield gauge("alpha_panda_stream_messages", "Messages that the stream keeps.", *_each(streams, "messages"))
    yield gauge("alpha_panda_stream_pending", "Messages that wait for us.", *_each(streams, "pending"))
    yield gauge("alpha_panda_stream_ack_pending", "Messages handed over, not settled.", *_each(streams, "ack_pending"))
    yield gauge("alpha_panda_in_flight", "Messages taken in and not yet settled.", *_one(nats.get("in_flight")))
    yield gauge("alpha_panda_intake_open", "0 while it drains.", ({}, nats.get("intake", "open") == "open"))
    yield counter(
        "alpha_panda_published_total", "Messages that their streams acknowledged.", *_one(nats.get("published"))
    )
    yield gauge(
        "alpha_panda_unpublished_commits", "Commits that are not wholly published.", *_one(nats.get("unpublished"))
    )
    yield gauge(
        "alpha_panda_unpublished_age_seconds", "How old the oldest of these is.", *_one(nats.get("unpublished_age_s"))
    )


def _checks(checks: Iterable[Document]) -> Iterator[Metric]:
    each = [({"component": check["component"]}, check) for check in checks]
    yield gauge("alpha_panda_check_passed", "Whether the check passed.", *_each(each, "passed"))
    yield gauge(
        "alpha_panda_check_duration_seconds",
        "How long the check took.",
        *((labels, check["duration_ms"] / 1000) for labels, check in each),
    )


def _one_of(
    label: str, current: str, states: Iterable[str], labels: Mapping[str, str] | None = None
) -> Iterator[Sample]:
    """1 for the current state, 0 for the others; one that is not listed shows all the same."""
    for state in (*states, *({current} - set(states))):
        yield {**(labels or {}), label: state}, state == current


def _each(labelled: Iterable[tuple[dict[str, str], Document]], key: str) -> Iterator[Sample]:
    return ((labels, float(values[key])) for labels, values in labelled if values.get(key) is not None)


def _one(value: float | None) -> tuple[Sample, ...]:
    return () if value is None else (({}, value),)


def _broker_of(child: Document) -> str:
    name = str(child["name"])
    return name.removeprefix(TRADER) if name.startswith(TRADER) else SHARED
