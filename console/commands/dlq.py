"""The commands of `dlq`."""
# ruff: noqa: PLC0415 - each command imports its module in its body, as `console.app` says why

from __future__ import annotations

from typing import Annotated

import typer

from console.arguments import Json, help_without_command, settings_of

Letter = Annotated[str, typer.Argument(metavar="ID", help="Of a dead letter, or enough of its beginning.")]

app = typer.Typer(
    name="dlq", add_completion=False, help="The dead letters: messages that could not be handled; tokens are masked."
)


@app.callback(invoke_without_command=True)
def everything(context: typer.Context) -> None:
    help_without_command(context)


@app.command("list")
def dlq_list(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many, the newest.")] = 50,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Only those with this text in reason or error class.")
    ] = None,
    as_json: Json = False,
) -> int:
    """List dead letters, newest first."""
    settings = settings_of(context)
    from console import dlq

    return dlq.show_all(settings, limit=limit, reason=reason, as_json=as_json)


@app.command("show")
def dlq_show(context: typer.Context, letter: Letter, as_json: Json = False) -> int:
    """Show one dead letter with its headers, its reason and its bytes."""
    settings = settings_of(context)
    from console import dlq

    return dlq.show(settings, letter, as_json=as_json)


@app.command("replay")
def dlq_replay(
    context: typer.Context,
    letters: Annotated[list[str], typer.Argument(metavar="ID...", help="Of dead letters, or enough of each.")],
    again: Annotated[bool, typer.Option("--again", help="Also those that were replayed before.")] = False,
) -> int:
    """Publish dead letters again, as they were, once their cause is mended; no signal trades twice by it."""
    settings = settings_of(context)
    from console import dlq

    return dlq.replay(settings, letters, again=again)


@app.command("purge")
def dlq_purge(
    context: typer.Context,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="For instance 30d, 12h or 90m.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that there are.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Delete dead letters from the database."""
    settings = settings_of(context)
    from console import dlq

    return dlq.purge(settings, older_than, everything=everything, yes=yes)
