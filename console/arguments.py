"""Arguments that several commands share, and what each command does with them first."""

from __future__ import annotations

from typing import Annotated

import typer

from console.completion import children
from settings import Settings, load

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]
Child = Annotated[
    str, typer.Argument(help="As `status` names it, for instance trading.paper.", autocompletion=children)
]
User = Annotated[str, typer.Argument(help="The id of the user.")]


def settings_of(context: typer.Context) -> Settings:
    """The settings, with the env file that the command line names.

    Raises:
        SettingsError: with every problem found.
    """
    return load(context.find_root().obj)


def help_without_command(context: typer.Context) -> None:
    """Print the help of a group of commands when none of them was given."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit
