"""The commands of `instruments`."""
# ruff: noqa: PLC0415 - each command imports its module in its body, as `console.app` says why

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.arguments import Json, help_without_command, settings_of

Which = Annotated[
    str, typer.Argument(metavar="INSTRUMENT", help="Its token, its symbol, or both exchange and symbol: NSE:INFY.")
]
Exchange = Annotated[str | None, typer.Option("--exchange", help="Only of this exchange.", show_default=False)]

app = typer.Typer(
    name="instruments",
    add_completion=False,
    help="The catalogue of instruments, and the registry of those subscribed to.",
)


@app.callback(invoke_without_command=True)
def everything(context: typer.Context) -> None:
    help_without_command(context)


@app.command("load")
def instruments_load(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            help="CSV as Kite's dump, plain or gzip; standard input where it is `-` or not given.", show_default=False
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="The file lists all there is: what it does not list becomes inactive.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a file with any line that is no valid row.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Also where --full would deactivate most of the market.")] = False,
) -> int:
    """Load a file into the catalogue, in one transaction; instruments that are as they were are left alone."""
    settings = settings_of(context)
    from console import instruments

    return instruments.load(settings, file, full=full, strict=strict, agreed=yes)


@app.command("count")
def instruments_count(context: typer.Context, as_json: Json = False) -> int:
    """Count the instruments by exchange."""
    settings = settings_of(context)
    from console import instruments

    return instruments.count(settings, as_json=as_json)


@app.command("search")
def instruments_search(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="In symbol or name, in whatever case.")],
    exchange: Exchange = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 20,
    as_json: Json = False,
) -> int:
    """Find active instruments by symbol and name; those that begin with the text come first."""
    settings = settings_of(context)
    from console import instruments

    return instruments.search(settings, text, exchange, limit, as_json=as_json)


@app.command("subscribe")
def instruments_subscribe(
    context: typer.Context,
    which: Which,
    priority: Annotated[
        int | None, typer.Option("--priority", min=0, max=2**31 - 1, help="Lower comes first; 100 by default.")
    ] = None,
    notes: Annotated[str | None, typer.Option("--notes", metavar="TEXT", help="What it is for.")] = None,
    as_json: Json = False,
) -> int:
    """Add an instrument to the registry, or change its entry."""
    settings = settings_of(context)
    from console import registry

    return registry.subscribe(settings, which, priority, notes, as_json=as_json)


@app.command("unsubscribe")
def instruments_unsubscribe(context: typer.Context, which: Which) -> int:
    """End a subscription; its entry stays, and is shown by `registry --all`."""
    settings = settings_of(context)
    from console import registry

    return registry.unsubscribe(settings, which)


@app.command("registry")
def instruments_registry(
    context: typer.Context,
    ended: Annotated[bool, typer.Option("--all", help="Also subscriptions that have ended.")] = False,
    as_json: Json = False,
) -> int:
    """List the subscriptions by priority, then symbol."""
    settings = settings_of(context)
    from console import registry

    return registry.show_all(settings, ended=ended, as_json=as_json)
