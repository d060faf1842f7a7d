"""The table of commands, and the one place where they begin and end.

Each command imports its module in its body: `status` shall answer at once, and must not wait for the imports of the
daemon, of NATS and of SQLAlchemy. Only this module and `console.commands` import so.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, cast

import typer

from console.arguments import Child, Json, help_without_command, settings_of
from console.failure import FAILED, INTERRUPTED, MISCONFIGURED, OK, USAGE, Failure
from console.groups import WithGroups
from settings import SettingsError, how_to_start, program

PROGRAM = "alpha-panda"

# Typer stands on click or carries a part of it, by version; the root of their usage errors is found either way.
_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])

app = typer.Typer(
    cls=WithGroups,
    help="A supervised trading daemon over PostgreSQL and NATS JetStream.",
    epilog="Exit codes: 0 done, 1 failed, 64 wrong command line, 69 a server is not available, 70 too many restarts, "
    "75 try again, 78 wrong settings or schema. `man alpha-panda` lists every command and setting.",
    pretty_exceptions_enable=False,
)

EnvFile = Annotated[
    Path | None, typer.Option("--env-file", metavar="FILE", help="Read settings from here instead of .env.")
]


@app.callback(invoke_without_command=True)
def everything(
    context: typer.Context,
    env_file: EnvFile = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(f"{PROGRAM} {_version()}")
        raise typer.Exit
    context.obj = env_file
    help_without_command(context)


@app.command()
def run(context: typer.Context) -> int:
    """Run the daemon in the foreground; with embedded PostgreSQL and NATS unless their URLs are set.

    SIGTERM and Ctrl-C stop it cleanly, a second one at once; SIGUSR1 logs where every thread is.
    """
    settings = settings_of(context)
    import supervisor

    return supervisor.run(settings, lambda: settings_of(context))


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Keep the demo's state directory, and say where it is.")] = False,
) -> int:
    """Trade 1,200 price bars in a daemon of its own, crash an actor half way, and prove that nothing went wrong."""
    from console.demo import story

    return story.tell(keep=keep)


@app.command()
def status(
    context: typer.Context,
    as_json: Json = False,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every second until Ctrl-C.")] = False,
    nats: Annotated[
        str | None,
        typer.Option("--nats", metavar="URL", help="Of all the nodes at that NATS server.", show_default=False),
    ] = None,
) -> int:
    """Show actors, brokers and servers, and why not ready. Exit codes: 0 ready, 1 degraded, 2 critical, 3 unknown."""
    settings = settings_of(context)
    from console import status as command

    if nats is None:
        look = command.here(settings)
    else:
        from console import nodes

        look = nodes.at(settings, nats)
    if as_json:
        return command.print_json(look, watch=watch)
    from console import status_display

    return status_display.show(look, watch=watch)


@app.command()
def inject(
    context: typer.Context,
    subject: Annotated[str, typer.Argument(help="For instance paper.signals.validated.")],
    file: Annotated[
        Path | None, typer.Argument(help="JSON, or JSON lines; standard input by default.", show_default=False)
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="Publish it that often, with fresh ids.")] = 1,
    rate: Annotated[
        float | None, typer.Option("--rate", min=0.001, help="Messages per second at the most.", show_default=False)
    ] = None,
    wait: Annotated[
        bool | None,
        typer.Option(
            "--wait/--no-wait", help="Wait for the fills of signals; by default with --count.", show_default=False
        ),
    ] = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=0.001, metavar="SECONDS", help="Without any fill, before giving up.")
    ] = 30.0,
) -> int:
    """Publish messages to JetStream and print the acknowledgements; what an envelope lacks is filled in."""
    settings = settings_of(context)
    from console import inject as command

    return command.run(settings, subject, file, command.Load(count, rate, wait, timeout_s))


@app.command()
def replay(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV of bars, or JSON lines of {subject, message}.")],
    broker: Annotated[str, typer.Option("--broker", help="Whose signals the bars become.")],
    speed: Annotated[
        float | None,
        typer.Option("--speed", min=0.001, help="Bars per second; by default as fast as possible.", show_default=False),
    ] = None,
    run_id: Annotated[
        str | None, typer.Option("--run-id", help="Makes the ids: the same one again trades nothing twice.")
    ] = None,
) -> int:
    """Publish price bars as ticks and signals (BUY 10 when a day closed above its open, else SELL 10)."""
    settings = settings_of(context)
    from console import replay as command

    return command.run(settings, file, broker, speed=speed, run_id=run_id)


@app.command()
def restart(
    context: typer.Context, child: Child, crash: Annotated[bool, typer.Option("--crash", hidden=True)] = False
) -> int:
    """Restart one actor, also one that is parked; what waits in its mailbox is kept."""
    settings = settings_of(context)
    from console import control

    return control.restart(settings, child, crash=crash)


@app.command()
def inspect(context: typer.Context, child: Child, as_json: Json = False) -> int:
    """Show one actor from close by: its mailbox, what it does right now and where, its crashes and dead letters."""
    settings = settings_of(context)
    from console import inspection

    return inspection.run(settings, child, as_json=as_json)


@app.command()
def drain(
    context: typer.Context,
    resume: Annotated[bool, typer.Option("--resume", help="Take messages in again.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until nothing is in hand.")] = True,
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="Before giving up the wait.")
    ] = 60.0,
) -> int:
    """Take no more messages in, finish those in hand, and stay up, until resumed or started anew."""
    settings = settings_of(context)
    from console import control

    return control.drain(settings, resume=resume, wait=wait, timeout_s=timeout_s)


@app.command()
def doctor(context: typer.Context, as_json: Json = False) -> int:
    """Check the environment step by step, and say of each failure what is to be done."""
    from console import doctor as command

    return command.run(lambda: settings_of(context), as_json=as_json)


@app.command()
def stop(context: typer.Context) -> int:
    """Stop the daemon: let nothing more in, commit what is in hand, and wait until its process is gone."""
    settings = settings_of(context)
    from console import control

    return control.stop(settings)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command, by default the one of the process's arguments, and end the process with its exit code."""
    sys.exit(execute(list(sys.argv[1:] if arguments is None else arguments)))


def execute(arguments: list[str]) -> int:
    """Run a command; every failure becomes lines on standard error and an exit code."""
    try:
        code = app(arguments, prog_name=program(), standalone_mode=False)
        sys.stdout.flush()
    except Failure as failure:
        return _fail([str(failure)], failure.exit_code)
    except SettingsError as error:
        return _fail(error.problems, MISCONFIGURED)
    except _UsageError as error:
        return _fail([_usage(error)], USAGE)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        return _quiet()
    except SystemExit as ending:
        if not isinstance(ending.__context__, BrokenPipeError):
            raise
        return INTERRUPTED  # Rich has met the closed pipe, and ends the program by itself
    except OSError as error:
        if error.filename is None:
            return _fail([f"{error.strerror}; see where the output goes"], FAILED)
        cure = "check the path and the rights"
        if isinstance(error, PermissionError) and how_to_start().startswith("systemctl"):
            cure += ", or run this as root"
        return _fail([f"{error.filename}: {error.strerror}; {cure}"], FAILED)
    return code if isinstance(code, int) else OK


def _version() -> str:
    import importlib.metadata

    try:
        return importlib.metadata.version(PROGRAM)
    except importlib.metadata.PackageNotFoundError:
        return "0+checkout"


def _usage(error: typer.BadParameter) -> str:
    place = error.ctx.command_path if error.ctx is not None else program()
    message = " ".join(error.format_message().split()).rstrip(".")
    return f"{message[:1].lower()}{message[1:]}; see `{place} --help`"


def _fail(problems: Sequence[str], code: int) -> int:
    with contextlib.suppress(OSError):
        for problem in problems:
            sys.stderr.write(f"{PROGRAM}: {problem}\n")
    return code


def _quiet() -> int:
    """End without a word; what is still buffered goes nowhere, so that the interpreter does not complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return INTERRUPTED
