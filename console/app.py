"""The table of commands, and the one place where they begin and end.

Each command imports its module in its body: `status` shall answer at once, and must not wait for the imports of the
daemon, of NATS and of SQLAlchemy. It is the only module that imports so.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, cast

import typer

from console.failure import FAILED, INTERRUPTED, MISCONFIGURED, OK, USAGE, Failure
from settings import Settings, SettingsError, load

PROGRAM = "alpha-panda"

# Typer stands on click or carries a part of it, by version; the root of their usage errors is found either way.
_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])

app = typer.Typer(
    help="A supervised trading daemon over PostgreSQL and NATS JetStream.", pretty_exceptions_enable=False
)
sessions_app = typer.Typer(help="The stored sessions; tokens are masked.")
db_app = typer.Typer(help="The database schema.")
dlq_app = typer.Typer(help="The dead letters: messages that could not be handled; tokens are masked.")
app.add_typer(sessions_app, name="sessions")
app.add_typer(db_app, name="db")
app.add_typer(dlq_app, name="dlq")

EnvFile = Annotated[
    Path | None, typer.Option("--env-file", metavar="FILE", help="Read settings from here instead of .env.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]
Child = Annotated[str, typer.Argument(help="As `status` names it, for instance trading.paper.")]
User = Annotated[str, typer.Argument(help="The id of the user.")]
Letter = Annotated[str, typer.Argument(metavar="ID", help="Of a dead letter, or enough of its beginning.")]


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
    _help_without_command(context)


@sessions_app.callback(invoke_without_command=True)
def all_sessions(context: typer.Context) -> None:
    _help_without_command(context)


@db_app.callback(invoke_without_command=True)
def all_db(context: typer.Context) -> None:
    _help_without_command(context)


@dlq_app.callback(invoke_without_command=True)
def all_dlq(context: typer.Context) -> None:
    _help_without_command(context)


@app.command()
def run(context: typer.Context) -> int:
    """Run the daemon in the foreground; with embedded PostgreSQL and NATS unless their URLs are set."""
    settings = _settings(context)
    import supervisor

    return supervisor.run(settings)


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
) -> int:
    """Show actors, brokers and servers, and why not ready. Exit codes: 0 ready, 1 degraded, 2 down, 3 unknown."""
    settings = _settings(context)
    from console import status as command

    return command.run(settings, as_json=as_json, watch=watch)


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
    settings = _settings(context)
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
    settings = _settings(context)
    from console import replay as command

    return command.run(settings, file, broker, speed=speed, run_id=run_id)


@app.command()
def restart(
    context: typer.Context, child: Child, crash: Annotated[bool, typer.Option("--crash", hidden=True)] = False
) -> int:
    """Restart one actor, also one that is parked."""
    settings = _settings(context)
    from console import control

    return control.restart(settings, child, crash=crash)


@app.command()
def inspect(context: typer.Context, child: Child, as_json: Json = False) -> int:
    """Show one actor from close by: its mailbox, what it does right now and where, its crashes and dead letters."""
    settings = _settings(context)
    from console import inspection

    return inspection.run(settings, child, as_json=as_json)


@app.command()
def stop(context: typer.Context) -> int:
    """Stop the daemon and wait until it is gone."""
    settings = _settings(context)
    from console import control

    return control.stop(settings)


@sessions_app.command("list")
def sessions_list(context: typer.Context, as_json: Json = False) -> int:
    """List all stored sessions."""
    settings = _settings(context)
    from console import sessions

    return sessions.show_all(settings, as_json=as_json)


@sessions_app.command("show")
def sessions_show(context: typer.Context, user: User, as_json: Json = False) -> int:
    """Show one user's session."""
    settings = _settings(context)
    from console import sessions

    return sessions.show(settings, user, as_json=as_json)


@sessions_app.command("save")
def sessions_save(
    context: typer.Context,
    user: User,
    broker: Annotated[str | None, typer.Option("--broker")] = None,
    expires_at: Annotated[
        str | None, typer.Option("--expires-at", metavar="TIME", help="ISO 8601 with a zone.")
    ] = None,
    login_method: Annotated[str, typer.Option("--login-method")] = "external_token",
    user_name: Annotated[str | None, typer.Option("--user-name")] = None,
    email: Annotated[str | None, typer.Option("--email")] = None,
    as_json: Json = False,
) -> int:
    """Store a session. The token is read from standard input or asked for unseen: an argument could be seen by all."""
    settings = _settings(context)
    from console import sessions

    login = sessions.Login(user, broker, login_method, expires_at, user_name, email)
    return sessions.save(settings, login, as_json=as_json)


@sessions_app.command("invalidate")
def sessions_invalidate(
    context: typer.Context,
    user: User,
    reason: Annotated[str, typer.Option("--reason")] = "manual_invalidation",
    as_json: Json = False,
) -> int:
    """End one user's session."""
    settings = _settings(context)
    from console import sessions

    return sessions.invalidate(settings, user, reason, as_json=as_json)


@db_app.command("upgrade")
def db_upgrade(context: typer.Context) -> int:
    """Bring the schema to head."""
    settings = _settings(context)
    from console import database

    return database.upgrade(settings)


@db_app.command("check")
def db_check(context: typer.Context) -> int:
    """Tell whether the schema is at head; exit code 78 when it is not."""
    settings = _settings(context)
    from console import database

    return database.check(settings)


@dlq_app.command("list")
def dlq_list(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many, the newest.")] = 50,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Only those with this text in reason or error class.")
    ] = None,
    as_json: Json = False,
) -> int:
    """List dead letters, newest first."""
    settings = _settings(context)
    from console import dlq

    return dlq.show_all(settings, limit=limit, reason=reason, as_json=as_json)


@dlq_app.command("show")
def dlq_show(context: typer.Context, letter: Letter, as_json: Json = False) -> int:
    """Show one dead letter with its headers, its reason and its bytes."""
    settings = _settings(context)
    from console import dlq

    return dlq.show(settings, letter, as_json=as_json)


@dlq_app.command("replay")
def dlq_replay(
    context: typer.Context,
    letters: Annotated[list[str], typer.Argument(metavar="ID...", help="Of dead letters, or enough of each.")],
    again: Annotated[bool, typer.Option("--again", help="Also those that were replayed before.")] = False,
) -> int:
    """Publish dead letters again, as they were, once their cause is mended; no signal trades twice by it."""
    settings = _settings(context)
    from console import dlq

    return dlq.replay(settings, letters, again=again)


@dlq_app.command("purge")
def dlq_purge(
    context: typer.Context,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="For instance 30d, 12h or 90m.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that there are.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Delete dead letters from the database."""
    settings = _settings(context)
    from console import dlq

    return dlq.purge(settings, older_than, everything=everything, yes=yes)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command, by default the one of the process's arguments, and end the process with its exit code."""
    sys.exit(execute(list(sys.argv[1:] if arguments is None else arguments)))


def execute(arguments: list[str]) -> int:
    """Run a command; every failure becomes lines on standard error and an exit code."""
    try:
        code = app(arguments, prog_name=PROGRAM, standalone_mode=False)
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
        return _fail([f"{error.filename or 'system'}: {error.strerror}; check the path and the rights"], FAILED)
    return code if isinstance(code, int) else OK


def _settings(context: typer.Context) -> Settings:
    return load(context.find_root().obj)


def _version() -> str:
    import importlib.metadata

    try:
        return importlib.metadata.version(PROGRAM)
    except importlib.metadata.PackageNotFoundError:
        return "0+checkout"


def _help_without_command(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


def _usage(error: typer.BadParameter) -> str:
    place = error.ctx.command_path if error.ctx is not None else PROGRAM
    message = " ".join(error.format_message().split()).rstrip(".")
    return f"{message[:1].lower()}{message[1:]}; see `{place} --help`"


def _fail(problems: Sequence[str], code: int) -> int:
    for problem in problems:
        sys.stderr.write(f"{PROGRAM}: {problem}\n")
    return code


def _quiet() -> int:
    """End without a word; what is still buffered goes nowhere, so that the interpreter does not complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return INTERRUPTED
