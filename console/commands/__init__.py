"""The groups of commands, each a Typer application that `console.groups` adds under its name."""
