"""Several status documents as a screen, a row for each node: pure, as `console.status_screen` is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from console.output import WIDE, coloured, duration, plain_table
from console.wire import between_s


def nodes_screen(documents: Sequence[Mapping[str, Any]], width: int) -> RenderableType:
    """One row for each node, and below it what keeps a node from being ready."""
    extra = ("version",) if width >= WIDE else ()
    table = plain_table("node", "host", "pid", "state", "up", "acts for", "database", "NATS", "dead", *extra)
    reasons: list[RenderableType] = []
    for document in documents:
        name = str(document.get("node") or "?")[:8]
        since, as_of = document.get("since"), document.get("as_of")
        row = [
            escape(name),
            escape(str(document.get("host") or "?")[:16]),
            str(document.get("pid") or "?"),
            coloured(str(document.get("state") or "?")),
            duration(between_s(since, as_of)) if since and as_of else "-",
            escape(_brokers(document.get("brokers") or {})),
            *(coloured(str((document.get(server) or {}).get("state") or "?")) for server in ("database", "nats")),
            str(document.get("dead_letters", "-")),
        ]
        table.add_row(*row, *(str(document.get(name) or "?") for name in extra))
        reasons += [Text.assemble(("  ! ", "yellow"), f"{name}: {why}") for why in document.get("why_not_ready") or ()]
    return Group(table, *reasons)


def _brokers(brokers: Mapping[str, Mapping[str, Any]]) -> str:
    """Those that the node trades for; in brackets those that it stands by for."""
    acting = [name for name, broker in brokers.items() if broker["state"] == "trading"]
    others = [f"({name})" for name, broker in brokers.items() if broker["state"] != "trading"]
    return ", ".join([*acting, *others]) or "-"
