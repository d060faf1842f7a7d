"""The commands of `db`."""
# ruff: noqa: PLC0415 - each command imports its module in its body, as `console.app` says why

from __future__ import annotations

from typing import Annotated

import typer

from console.arguments import help_without_command, settings_of

app = typer.Typer(help="The database schema.")


@app.callback(invoke_without_command=True)
def everything(context: typer.Context) -> None:
    help_without_command(context)


@app.command("upgrade")
def db_upgrade(
    context: typer.Context,
    wait_s: Annotated[
        float, typer.Option("--wait", min=0, metavar="SECONDS", help="For a server that does not answer yet.")
    ] = 0.0,
) -> int:
    """Bring the schema to head."""
    settings = settings_of(context)
    from console import database

    return database.upgrade(settings, wait_s)


@app.command("check")
def db_check(context: typer.Context) -> int:
    """Tell whether the schema is at head; exit code 78 when it is not."""
    settings = settings_of(context)
    from console import database

    return database.check(settings)
