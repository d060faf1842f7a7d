"""`status` as people read it, once or again and again."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from console.nodes_screen import nodes_screen
from console.output import duration, screen
from console.status import WATCH_EVERY_S, Finding
from console.status_screen import status_screen


def show(look: Callable[[], Finding], *, watch: bool) -> int:
    """Print what is found, once or again and again until interrupted; returns the exit code."""
    if watch:
        _watch(look)
    finding = look()
    console = screen()
    console.print(render(finding, console.width))
    return finding.exit_code


def render(finding: Finding, width: int) -> RenderableType:
    """The finding as a person reads it, for a screen of that many columns."""
    document = finding.document
    if finding.silent_because is None:
        return status_screen(document, width) if isinstance(document, dict) else nodes_screen(document, width)
    lines: list[RenderableType] = [Text.assemble(("unreachable", "bold red"), f"  {finding.silent_because}")]
    if isinstance(document, dict) and document["last"] is not None and document["age_s"] is not None:
        lines += [Text(f"The last known state, of {duration(document['age_s'])} ago:", style="dim"), Text()]
        lines.append(status_screen(document["last"], width))
    return Group(*lines)


def _watch(look: Callable[[], Finding]) -> None:
    console = screen()
    if not console.is_terminal:
        while True:
            console.print(render(look(), console.width))
            console.print()
            time.sleep(WATCH_EVERY_S)
    with Live(console=console, auto_refresh=False, screen=True) as live:
        while True:
            live.update(render(look(), console.width), refresh=True)
            time.sleep(WATCH_EVERY_S)
