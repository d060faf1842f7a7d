"""The status document as a screen: pure, from JSON types to something that Rich can print.

Everything fits 80 columns; from 110 columns on there is more room and more detail.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from console.output import WIDE, coloured, counted, duration, money, plain_table, printable, short
from console.wire import between_s
from settings import program


def status_screen(document: Mapping[str, Any], width: int) -> RenderableType:
    """The whole screen for a terminal of `width` columns."""
    wide = width >= WIDE
    parts: list[RenderableType] = [_head(document, wide)]
    if document.get("state") not in {"stopping", "stopped"}:
        parts += [Text.assemble(("  ! ", "yellow"), why) for why in document.get("why_not_ready", ())]
    parts += [Text(), children_table(document.get("children", ()), str(document["as_of"]), wide)]
    parts += _last_errors(document.get("children", ()), str(document["as_of"]))
    parts += [Text(), brokers_table(document.get("brokers", {}), wide)]
    parts += [Text(), _servers(document.get("database") or {}, document.get("nats") or {})]
    parts += [Text(), _checks(document.get("checks", ()), str(document["as_of"])), _tail(document)]
    return Group(*parts)


def _head(document: Mapping[str, Any], wide: bool) -> Text:
    state = str(document.get("state", "?"))
    facts = [
        f"node {str(document.get('node', '?'))[:8]}",
        f"pid {document.get('pid', '?')}",
        f"version {document.get('version', '?')}",
    ]
    if since := document.get("since"):
        since_then = f", since {since[:19].replace('T', ' ')} UTC" if wide else ""
        facts.append(f"up {duration(between_s(since, document['as_of']))}{since_then}")
    return Text.from_markup(f"[bold]Alpha Panda[/] [bold]{coloured(state)}[/]  {escape('  '.join(facts))}")


def children_table(children: Iterable[Mapping[str, Any]], as_of: str, wide: bool) -> Table:
    """The tree in start order, with ages as of that time."""
    right = frozenset({"restarts", "mailbox", "high", "handled", "failed", "per s", "up"})
    extra = ("per s", "up") if wide else ()
    heads = ("actor", "state", "restarts", "mailbox", "", "high", "handled", "failed", "busy", *extra)
    table = plain_table(*heads, right=right, gap=2 if wide else 1)
    for child in children:
        mailbox = child["mailbox"]
        row: list[RenderableType] = [
            escape(child["name"]),
            coloured(child["state"]),
            _marked(child["restarts"], "yellow"),
            f"{short(mailbox['depth'])}/{short(mailbox['capacity'] or 0)}",
            ProgressBar(total=mailbox["capacity"] or 1, completed=mailbox["depth"], width=6),
            short(mailbox["high_water"]),
            short(child["handled"]),
            _marked(child["failed"], "red"),
            _busy(child, wide),
        ]
        if wide:
            rate = child.get("per_s")
            row.append("-" if rate is None else short(round(rate)) if rate >= 10 else f"{rate:.1f}")
            row.append(duration(between_s(child["since"], as_of)) if child["since"] else "-")
        table.add_row(*row)
    return table


def brokers_table(brokers: Mapping[str, Mapping[str, Any]], wide: bool) -> RenderableType:
    """One row for each broker, and its money in a line below, where there is room for any amount."""
    figures = ("signals", "orders", "fills", "failed", "last")
    table = plain_table("broker", "state", "lease", "session", *figures, right=frozenset(figures))
    lines: list[RenderableType] = []
    for name, broker in brokers.items():
        last = broker.get("last_signal_age_s")
        table.add_row(
            escape(name),
            coloured(broker["state"]),
            _lease(broker.get("lease"), wide),
            _session(broker.get("session") or {}, wide),
            *(short(broker[figure]) for figure in figures[:3]),
            _marked(broker.get("failed", 0), "red"),
            "-" if last is None else duration(last).partition(" ")[0],
        )
        realised, unrealised = broker["realized_pnl"], broker["unrealized_pnl"]
        known = f"realised {money(realised)}, unrealised {money(unrealised)}"
        lines.append(Text(f"{name}: {'books not open here' if realised is None else known}"))
    return Group(table, *lines)


def _lease(lease: Mapping[str, Any] | None, wide: bool) -> str:
    if not lease or lease.get("epoch") is None:
        return "-"
    if not wide:
        return "mine" if lease["mine"] else "other"
    owner = "mine" if lease["mine"] else f"{lease['owner'][:8]}.."
    return escape(f"{owner}, epoch {lease['epoch']}")


def _session(session: Mapping[str, Any], wide: bool) -> str:
    if not session.get("user_id"):
        return "-"
    user, limit = str(session["user_id"]), 24 if wide else 10
    shown = user if len(user) <= limit else f"{user[: limit - 1]}~"
    return coloured(str(session.get("state", "none")), shown)


def _busy(child: Mapping[str, Any], wide: bool) -> str:
    handling, oldest_s = child["handling"], child["mailbox"]["oldest_age_s"]
    if handling:
        busy = duration(handling["for_s"])
        return f"{escape(handling['message'])} {busy}" if wide else busy
    return f"+{duration(oldest_s)}" if oldest_s else "-"


def _marked(count: int, colour: str) -> str:
    return f"[{colour}]{short(count)}[/]" if count else "0"


def _servers(database: Mapping[str, Any], nats: Mapping[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("PostgreSQL", coloured(str(database.get("state", "starting"))), escape(_database(database)))
    if instruments := database.get("instruments"):
        table.add_row("instruments", str(instruments["active"]), escape(_catalogue(instruments)))
    table.add_row("NATS", coloured(str(nats.get("state", "starting"))), escape(_nats(nats)))
    return table


def _database(database: Mapping[str, Any]) -> str:
    if not database:
        return "not asked yet"
    last = database.get("last_commit_age_s")
    facts = [
        _place(database),
        f"schema {database.get('schema') or '?'}",
        counted(database.get("commits", 0), "commit") + ("" if last is None else f", the last {duration(last)} ago"),
        counted(database.get("rows", 0), "row"),
    ]
    return "; ".join([*facts, *_reason(database)])


def _catalogue(instruments: Mapping[str, Any]) -> str:
    whole = f"active of {instruments['total']}"
    if not instruments["loaded_at"]:
        return whole if instruments["total"] else f"{whole}; load them with `{program()} instruments load FILE`"
    loaded_at = instruments["loaded_at"][:16].replace("T", " ")
    return f"{whole}; loaded {loaded_at}Z from {printable(str(instruments['source_file']))}"


def _nats(nats: Mapping[str, Any]) -> str:
    if not nats:
        return "not asked yet"
    facts = [_place(nats), *_waiting(nats.get("streams"))]
    if "published" in nats:
        facts.append(f"{nats['published']} published, {nats.get('unpublished', 0)} to publish")
    return "; ".join([*facts, *_reason(nats)])


def _waiting(streams: object) -> list[str]:
    if not isinstance(streams, Mapping):
        return []
    waiting = sum(stream["pending"] for stream in streams.values())
    handed = sum(stream["ack_pending"] for stream in streams.values())
    return [f"{waiting} waiting, {handed} in hand"]


def _place(server: Mapping[str, Any]) -> str:
    return "embedded" if server.get("embedded") else str(server.get("url"))


def _reason(server: Mapping[str, Any]) -> list[str]:
    return [str(server["error"])] if server.get("error") else []


_MARKS = {"healthy": "[green]ok[/]  ", "degraded": "[yellow]weak[/]", "unhealthy": "[red]FAIL[/]"}
OLD_S = 15.0
"""A result that is older than this is shown with its age: the checks run every ten seconds."""


def _checks(checks: Iterable[Mapping[str, Any]], as_of: str) -> Text:
    lines = []
    for check in checks:
        status = check.get("status") or ("healthy" if check["passed"] else "unhealthy")
        cure = check.get("cure") or ""
        text = check["message"] if cure in check["message"] else f"{check['message']}; {cure}"
        old_s = between_s(check["as_of"], as_of)
        age = f" [dim]({duration(old_s)} ago)[/]" if old_s > OLD_S else ""
        lines.append(f"{_MARKS.get(status, _MARKS['unhealthy'])}  {escape(check['component'])}: {escape(text)}{age}")
    return Text.from_markup("\n".join(lines) if lines else "[dim]no checks have run yet[/]")


def _last_errors(children: Iterable[Mapping[str, Any]], as_of: str) -> list[RenderableType]:
    """What those failed with that run again; of the others it is said why they do not."""
    lines: list[RenderableType] = []
    for child in children:
        if child["state"] == "running" and child.get("last_error"):
            at = child.get("last_error_at")
            when = f", {duration(between_s(at, as_of))} ago" if at else ""
            lines.append(Text(f"last error of {child['name']}{when}: {child['last_error']}", style="dim"))
    return lines


def _tail(document: Mapping[str, Any]) -> Text:
    counts = [f"dead letters {_marked(document.get('dead_letters', 0), 'red')}"]
    for name, title in (("undelivered", "undelivered messages"), ("zombies", "abandoned threads")):
        if document.get(name):
            counts.append(f"{title} {_marked(document[name], 'red')}")
    return Text.from_markup("\n" + "  ".join(counts))
