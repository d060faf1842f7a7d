"""The groups of commands, each a Typer application that `console.app` adds under its name."""
