"""What commands print with for people: a console, plain tables, and short forms of figures."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from rich.console import Console
from rich.markup import escape
from rich.table import Table

WIDE = 110

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))
_GOOD = {"running", "ready", "up", "trading", "active"}
_WAITING = {"starting", "restarting", "opening", "standby", "stopping", "degraded", "expired", "away"}


def screen(*, to_stderr: bool = False) -> Console:
    """A console for people, on standard error for what is no result; plain where it is not a terminal."""
    return Console(stderr=to_stderr, highlight=False)


def plain_table(*columns: str, right: frozenset[str] = frozenset(), gap: int = 2) -> Table:
    """A table without rules: dim heads, and `right` names the columns of figures."""
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=True)
    return table


def printable(text: str, kept: str = "") -> str:
    """The text with what could steer a terminal spelled out; `kept` characters stay."""
    return "".join(one if one.isprintable() or one in kept else _spelled(one) for one in text)


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode()


def coloured(state: str, text: str | None = None) -> str:
    """Markup of a state, green where it is good, yellow while it may become so, red else."""
    colour = "green" if state in _GOOD else "yellow" if state in _WAITING else "red"
    return f"[{colour}]{escape(text or state)}[/]"


def duration(seconds: float) -> str:
    """A span of time in at most two units, as in `3h 12m`, `4.2s` or `12ms`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.1f}s" if seconds < 10 else f"{seconds:.0f}s"
    for size, unit in _UNITS:
        if seconds >= size:
            whole, rest = divmod(int(seconds), size)
            smaller = next(((step, name) for step, name in _UNITS if step < size), (1, "s"))
            part = rest // smaller[0]
            return f"{whole}{unit} {part}{smaller[1]}" if part else f"{whole}{unit}"
    raise AssertionError("unreachable: 60 s is at least a minute")


def counted(count: int, noun: str) -> str:
    """The count with its noun, as in `1 key` or `2 keys`; the plural is the noun with an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def short(count: int) -> str:
    """A count in at most five characters, as in `950`, `12k` or `1.2M`."""
    if count < 10_000:
        return str(count)
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if count >= size:
            value = count / size
            return f"{value:.1f}{unit}" if value < 10 else f"{value:.0f}{unit}"
    return str(count)


def money(amount: object) -> str:
    """An amount to two places, with separators of thousands."""
    try:
        return f"{Decimal(str(amount)):,.2f}"
    except InvalidOperation:
        return "?"
