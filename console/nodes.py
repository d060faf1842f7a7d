"""`status --nats`: every node that answers at a NATS server, wherever it runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pydantic import ValidationError

from actors.gateway.injection import CredentialsRefused, InjectionError
from actors.gateway.roll_call import roll_call
from console.failure import USAGE, Failure
from console.status import DEGRADED, DOWN, READY, UNKNOWN, Finding, exit_code_of
from settings import NatsSettings, Settings, how_to_start, program

_WORSE = (READY, DEGRADED, UNKNOWN, DOWN)
"""The exit codes, the best first."""


def at(settings: Settings, url: str) -> Callable[[], Finding]:
    """What finds every node at the server with this URL; its exit code is that of the worst one.

    The settings name the credentials and the certificates for that server.

    Raises:
        Failure: the URL is none of NATS.
    """
    return partial(find_all, _target(settings.nats, url))


def find_all(target: NatsSettings) -> Finding:
    """Ask every node at that server."""
    try:
        documents = roll_call(target, target.servers)
    except CredentialsRefused as error:
        embedded = f"a daemon's embedded server takes the daemon alone: ask it by `{program()} status` on its machine"
        return Finding([], UNKNOWN, f"{error}; {embedded}")
    except InjectionError as error:
        return Finding([], UNKNOWN, str(error))
    if not documents:
        return Finding([], DOWN, f"no daemon answers there; start one, with NATS__URL, by `{how_to_start()}`")
    return Finding(documents, max((exit_code_of(one) for one in documents), key=_WORSE.index))


def _target(given: NatsSettings, url: str) -> NatsSettings:
    values: dict[str, Any] = {
        "url": url,
        "credentials_file": given.credentials_file,
        "tls_ca_file": given.tls_ca_file,
    }
    try:
        target = NatsSettings.model_validate(values)
    except ValidationError:
        raise Failure("--nats must be nats://host:port or tls://host:port, separated by commas", USAGE) from None
    if target.embedded:
        raise Failure("--nats names no server; give nats://host:port", USAGE)
    return target
