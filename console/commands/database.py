"""The commands of `db`."""
# ruff: noqa: PLC0415 - each command imports its module in its body, as `console.app` says why

from __future__ import annotations

from typing import Annotated

import typer

from console.arguments import Json, help_without_command, settings_of

app = typer.Typer(name="db", add_completion=False, help="The database schema.")


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


@app.command("verify")
def db_verify(
    context: typer.Context,
    as_json: Json = False,
    timeout_s: Annotated[
        float,
        typer.Option("--timeout", min=0.001, max=86_400, metavar="SECONDS", help="For each query that reads the rows."),
    ] = 60.0,
) -> int:
    """Prove columns, keys, indexes and rows against this version; exit code 1 when something is wrong."""
    settings = settings_of(context)
    from console import verification

    return verification.run(settings, timeout_s, as_json=as_json)


@app.command("revision")
def db_revision(
    context: typer.Context,
    message: Annotated[str, typer.Option("--message", "-m", metavar="TEXT", help="What it does, in one line.")],
    autogenerate: Annotated[
        bool,
        typer.Option(
            "--autogenerate/--empty", help="From what the models have and the database lacks; or nothing in it."
        ),
    ] = True,
) -> int:
    """Write a new revision after the newest one; in a checkout only."""
    settings = settings_of(context)
    from console import revision

    return revision.run(settings, message, autogenerate=autogenerate)


@app.command("adopt")
def db_adopt(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and write nothing.")] = False,
    patience_s: Annotated[
        float, typer.Option("--patience", min=1, metavar="SECONDS", help="For a table in use, before giving up.")
    ] = 120.0,
    undo: Annotated[bool, typer.Option("--undo", help="Take back an adoption that was not finished.")] = False,
) -> int:
    """Take over a database of Alpha Panda's, with its data, while it is written to; repeat it if interrupted."""
    settings = settings_of(context)
    from console import adoption

    if undo:
        return adoption.undo(settings)
    return adoption.adopt(settings, yes=yes, dry_run=dry_run, patience_s=patience_s)
