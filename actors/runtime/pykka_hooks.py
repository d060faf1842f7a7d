"""What the actors need of pykka beyond its public interface, checked when they are imported."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import ModuleType

SUPPORTED = "pykka>=4.5,<4.6"

HOOKS: Mapping[str, tuple[str, ...]] = {
    "ThreadingActor._create_actor_inbox": (),
    "ThreadingActor._create_future": (),
    "ThreadingActor._start_actor_loop": ("self",),
    "ThreadingActor._actor_loop": ("self",),
    "ActorRegistry.register": ("actor_ref",),
    "ActorRegistry.unregister": ("actor_ref",),
    "messages._ActorStop": (),
    "_envelope.Envelope": ("message", "reply_to"),
}
"""Each hook by its path in pykka, and the names of its parameters."""


def check(pykka: ModuleType) -> None:
    """Refuse a pykka that is not what the actors are built on.

    Raises:
        ImportError: naming every hook that is missing or takes other parameters.
    """
    if wrong := missing(pykka):
        raise ImportError(f"this pykka lacks {'; '.join(wrong)}: install {SUPPORTED}", name="pykka")


def missing(pykka: ModuleType) -> list[str]:
    """Describe each hook that this pykka lacks or has with other parameters."""
    found = {path: _parameters(pykka, path) for path in HOOKS}
    return [
        _call(path, HOOKS[path]) + ("" if names is None else f", it has {_call(path, names)}")
        for path, names in found.items()
        if names != HOOKS[path]
    ]


def _parameters(pykka: ModuleType, path: str) -> tuple[str, ...] | None:
    """Names of the parameters of what can be called at the path, None if there is no such thing."""
    found: object = pykka
    for name in path.split("."):
        found = getattr(found, name, None)
    if not callable(found):
        return None
    return tuple(inspect.signature(found).parameters)


def _call(path: str, parameters: tuple[str, ...]) -> str:
    return f"{path}({', '.join(parameters)})"
