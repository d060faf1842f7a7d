"""One actor as a screen: pure, from the JSON types of its document to something that Rich can print."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from console.output import WIDE, coloured, duration, plain_table, short
from console.wire import between_s

DEAD_LETTERS_SHOWN = 10


def inspection_screen(document: Mapping[str, Any], width: int) -> RenderableType:
    """The whole screen for a terminal of `width` columns."""
    parts: list[RenderableType] = [_head(document)]
    if document["last_error"]:
        parts.append(Text.assemble(("  ! ", "yellow"), document["last_error"]))
    parts += [Text(), _facts(document)]
    if document["tree"] is not None:
        parts += [Text(), *_tree(document["tree"])]
    parts += _now(document)
    for zombie in document["zombies"]:
        parts += [Text(), Text("abandoned, and still at", style="red"), _stack(zombie["stack"])]
    parts += _crashes(document["crashes"])
    parts += _dead_letters(document, wide=width >= WIDE)
    return Group(*parts)


def _head(document: Mapping[str, Any]) -> Text:
    facts = [f"generation {document['generation']}"]
    if document["since"]:
        facts.append(f"for {duration(between_s(document['since'], document['as_of']))}")
    facts.append(f"{document['restart']} {document['kind']} under {document['supervisor']}")
    name = escape(document["name"])
    return Text.from_markup(f"[bold]{name}[/] [bold]{coloured(document['state'])}[/]  {escape('  '.join(facts))}")


def _facts(document: Mapping[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for label, text in (
        ("mailbox", _mailbox(document["mailbox"])),
        ("handled", _handled(document)),
        ("restarts", f"{document['restarts']} in all, {_window(document['restarts_in_window'])}"),
        ("depends on", ", ".join(document["depends_on"]) or "nobody"),
        ("handles", _handling(document)),
    ):
        table.add_row(label, Text(text))
    return table


def _mailbox(mailbox: Mapping[str, Any]) -> str:
    lanes, capacity = mailbox["lanes"], mailbox["capacity"]
    facts = [
        f"{lanes['user']} of {'any number' if capacity is None else capacity} waiting",
        f"{lanes['control']} ahead of them",
        f"{lanes['in_hand']} in hand",
        f"at most {mailbox['high_water']} so far",
    ]
    if mailbox["oldest_age_s"]:
        facts.append(f"the oldest for {duration(mailbox['oldest_age_s'])}")
    facts += [state for state in ("suspended", "closed") if mailbox[state]]
    return ", ".join(facts)


def _handled(document: Mapping[str, Any]) -> str:
    rates = [
        f"{'?' if rate is None else _rate(rate)}/s over {span.removesuffix('s')} s"
        for span, rate in document["handled_per_s"].items()
    ]
    return f"{document['handled']}, {document['failed']} failed; {', '.join(rates)}"


def _rate(rate: float) -> str:
    return short(round(rate)) if rate >= 100 else f"{rate:.1f}"


def _window(window: Mapping[str, Any]) -> str:
    shared = ", counted with its siblings" if window.get("shared") else ""
    used, allowed = window["used"], window["allowed"]
    if used > allowed:
        return f"more than the {allowed} allowed in {window['period_s']:g} s{shared}"
    return f"{used} of {allowed} allowed in {window['period_s']:g} s{shared}"


def _handling(document: Mapping[str, Any]) -> str:
    handling = document["handling"]
    if not handling:
        return "nothing now"
    return f"{handling['message']} for {duration(handling['for_s'])} of {document['handler_budget_s']:g} s allowed"


def _now(document: Mapping[str, Any]) -> list[RenderableType]:
    """Where its thread is, unless it only waits for messages."""
    idle = document["handling"] is None and document["state"] == "running"
    if idle or document["stack"] is None:
        return []
    return [Text(), Text("now at", style="dim"), _stack(document["stack"])]


def _stack(frames: Iterable[Mapping[str, Any]]) -> RenderableType:
    lines = Text()
    for frame in frames:
        lines.append(f"{frame['file']}:{frame['line']} {frame['function']}\n")
        if frame["source"]:
            lines.append(f"    {frame['source']}\n", style="dim")
    lines.rstrip()
    return Padding(lines, (0, 0, 0, 2))


def _crashes(crashes: list[Mapping[str, Any]]) -> list[RenderableType]:
    """One line for each, oldest first, and where the last one happened."""
    parts: list[RenderableType] = [Text(), Text("last crashes", style="dim")] if crashes else []
    for crash in crashes:
        place = f"  {_time(crash['at'])}  generation {crash['generation']}  {crash['message']}  "
        parts.append(Text.assemble(place, (crash["error"], "red")))
    parts += [Text("\n".join(crash["traceback"]), style="dim") for crash in crashes[-1:]]
    return parts


def _dead_letters(document: Mapping[str, Any], *, wide: bool) -> list[RenderableType]:
    reasons = ", ".join(f"{count} {reason}" for reason, count in document["dead_letters_by_reason"].items())
    parts: list[RenderableType] = [Text(), Text(f"dead letters {document['dead_letters']}{reasons and f': {reasons}'}")]
    last = document["last_dead_letters"]
    for letter in last[-DEAD_LETTERS_SHOWN:]:
        at = _time(letter["at"]) if wide else _time(letter["at"])[11:]
        parts.append(Text(f"  {at}  {letter['message']}  {letter['reason']}", style="dim"))
    if len(last) > DEAD_LETTERS_SHOWN:
        parts.append(Text(f"  the last {len(last)} are in --json", style="dim"))
    return parts


def _time(moment: str) -> str:
    return f"{moment[:19].replace('T', ' ')} UTC"


def _tree(tree: Mapping[str, Any]) -> list[RenderableType]:
    """A supervisor's own children."""
    limit = "" if tree["max_children"] is None else f", at most {tree['max_children']} children"
    title = f"{tree['strategy']}{', dynamic' if tree['dynamic'] else ''}{limit}, {_window(tree['restarts_in_window'])}"
    table = plain_table("child", "state", "generation", "restarts", "in window", right=frozenset({"restarts"}))
    for child in tree["children"]:
        table.add_row(
            escape(child["name"]),
            coloured(child["state"]),
            str(child["generation"]),
            short(child["restarts"]),
            _window(child["restarts_in_window"]),
        )
    return [Text.assemble(("supervises ", "dim"), title), table]
