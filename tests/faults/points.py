"""Where the daemon can be struck: the one table from names to the functions of the daemon that stand for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """A moment of a message's way."""

    name: str
    target: str
    """`module:function` or `module:Class.method`; coroutines too."""
    row: str
    """What it proves: a row of the crash table in `docs/faults.md`."""
    after: bool = False
    """When the call has done its work, instead of before it begins."""
    load: str = "signals"
    """What comes by: `signals`, `saves`, `requests` or `bad` messages."""
    without: tuple[str, ...] = ()
    """Functions that do nothing from when the point is armed, so that the moment is reached by itself."""


POINTS: tuple[Point, ...] = (
    Point("arriving", "actors.gateway.puller:Puller._receive", "before the pull is delivered"),
    Point("handing-over", "actors.gateway.inbound:Inbound._hand_over", "delivered, not in a transaction"),
    Point("deciding", "actors.trading.actor:TradingActor._decide", "delivered, not in a transaction"),
    Point("decided", "actors.trading.actor:TradingActor._decide", "delivered, not in a transaction", after=True),
    Point("saving", "actors.auth:AuthActor._save", "delivered, not in a transaction", load="saves"),
    Point("writing", "actors.database.transaction:Transactions.write", "delivered, not in a transaction"),
    Point("in-transaction", "actors.database.transaction:Transactions._effects", "inside the transaction", after=True),
    Point("committed", "actors.database.announcement:Announcer.announce", "committed, before the ack is sent"),
    Point("settling", "actors.gateway.actor:GatewayActor._committed", "committed, before the ack is sent"),
    Point(
        "acknowledged",
        "actors.gateway.settlement:Settlement._confirmed",
        "after the commit and the ack, before the publication",
        after=True,
        without=("actors.gateway.publisher:Publisher.add",),
    ),
    Point("publishing", "actors.gateway.publisher:Publisher._send", "after the commit, before the publication"),
    Point(
        "published",
        "actors.gateway.publisher:Publisher._answered",
        "published, the acknowledgement not heard",
    ),
    Point("reporting", "actors.gateway.publisher:Publisher._report", "published, before it is marked"),
    Point("marking", "actors.database.publication:Publication.drop_published", "published, before it is marked"),
    Point("marked", "actors.database.publication:Publication.drop_published", "published and marked", after=True),
    Point(
        "giving-up",
        "actors.gateway.publisher:Publisher.add",
        "a dead letter's row committed, before its `.dlq` message",
        load="bad",
    ),
    Point(
        "replying",
        "actors.database.announcement:answer",
        "a session committed, before its requester is answered",
        load="requests",
    ),
)

BY_NAME = {point.name: point for point in POINTS}
