"""The commands of `sessions`."""
# ruff: noqa: PLC0415 - each command imports its module in its body, as `console.app` says why

from __future__ import annotations

from typing import Annotated

import typer

from console.arguments import Json, User, help_without_command, settings_of

app = typer.Typer(name="sessions", add_completion=False, help="The stored sessions; tokens are masked.")


@app.callback(invoke_without_command=True)
def everything(context: typer.Context) -> None:
    help_without_command(context)


@app.command("list")
def sessions_list(context: typer.Context, as_json: Json = False) -> int:
    """List all stored sessions."""
    settings = settings_of(context)
    from console import sessions

    return sessions.show_all(settings, as_json=as_json)


@app.command("show")
def sessions_show(context: typer.Context, user: User, as_json: Json = False) -> int:
    """Show one user's session."""
    settings = settings_of(context)
    from console import sessions

    return sessions.show(settings, user, as_json=as_json)


@app.command("save")
def sessions_save(
    context: typer.Context,
    user: User,
    broker: Annotated[str | None, typer.Option("--broker", help="Whose session it is, for instance zerodha.")] = None,
    expires_at: Annotated[
        str | None, typer.Option("--expires-at", metavar="TIME", help="ISO 8601 with a zone.")
    ] = None,
    login_method: Annotated[
        str, typer.Option("--login-method", help="oauth, external_token or stored_session.")
    ] = "external_token",
    user_name: Annotated[str | None, typer.Option("--user-name", help="The name of the user.")] = None,
    email: Annotated[str | None, typer.Option("--email", help="Of the user.")] = None,
    as_json: Json = False,
) -> int:
    """Store a session. The token is read from standard input or asked for unseen: an argument could be seen by all."""
    settings = settings_of(context)
    from console import sessions

    login = sessions.Login(user, broker, login_method, expires_at, user_name, email)
    return sessions.save(settings, login, as_json=as_json)


@app.command("invalidate")
def sessions_invalidate(
    context: typer.Context,
    user: User,
    reason: Annotated[str, typer.Option("--reason", help="Is stored with the session.")] = "manual_invalidation",
    as_json: Json = False,
) -> int:
    """End one user's session."""
    settings = settings_of(context)
    from console import sessions

    return sessions.invalidate(settings, user, reason, as_json=as_json)


@app.command("forget")
def sessions_forget(
    context: typer.Context,
    unreadable: Annotated[bool, typer.Option("--unreadable", help="Those whose token no key opens.")] = False,
) -> int:
    """End sessions whose token key is lost, so that the daemon starts again; only while none runs."""
    settings = settings_of(context)
    from console import lost_keys

    return lost_keys.forget(settings, unreadable=unreadable)


@app.command("rotate-keys")
def sessions_rotate_keys(context: typer.Context, as_json: Json = False) -> int:
    """Have the daemon read its key file again, and seal all that is stored with the first key."""
    settings = settings_of(context)
    from console import sessions

    return sessions.rotate_keys(settings, as_json=as_json)


@app.command("new-key")
def sessions_new_key() -> int:
    """Print a new key for AUTH__TOKEN_KEYS or its file; it is kept nowhere else."""
    from console import sessions

    return sessions.new_key()
