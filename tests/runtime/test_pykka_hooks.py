"""A pykka that is not what the actors are built on is refused by name, on a copy of the real one that lacks it."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import pykka
import pytest
from pykka import messages
from pykka._envelope import Envelope

from actors.runtime.pykka_hooks import HOOKS, check, missing


class OtherStop(NamedTuple):
    reason: str


class OtherEnvelope:
    def __init__(self, message: object) -> None:
        self.message = message


def _takes(*_: object) -> None:
    """A function with other parameters than any hook."""


@pytest.fixture
def other() -> ModuleType:
    """A pykka whose parts can be changed without changing the real one."""

    class Actor(pykka.ThreadingActor):
        pass

    class Registry(pykka.ActorRegistry):
        pass

    module: Any = ModuleType("pykka")
    module.ThreadingActor, module.ActorRegistry = Actor, Registry
    module.messages, module._envelope = ModuleType("messages"), ModuleType("_envelope")
    module.messages._ActorStop, module._envelope.Envelope = messages._ActorStop, Envelope
    changed: ModuleType = module
    return changed


def _replace(module: ModuleType, path: str, by: object) -> None:
    owner, _, name = path.partition(".")
    setattr(getattr(module, owner), name, by)


def test_the_installed_pykka_has_every_hook() -> None:
    assert missing(pykka) == []
    check(pykka)


def test_so_has_its_unchanged_copy(other: ModuleType) -> None:
    assert missing(other) == []


@pytest.mark.parametrize("path", HOOKS)
def test_a_missing_hook_is_named_with_what_to_install(other: ModuleType, path: str) -> None:
    _replace(other, path, None)

    with pytest.raises(ImportError) as refused:
        check(other)

    assert str(refused.value) == f"this pykka lacks {path}({', '.join(HOOKS[path])}): install pykka>=4.5,<4.6"
    assert refused.value.name == "pykka"


@pytest.mark.parametrize("path", HOOKS)
def test_a_missing_part_is_named_by_its_hooks(other: ModuleType, path: str) -> None:
    owner = path.partition(".")[0]
    delattr(other, owner)

    assert [line for line in missing(other) if line.startswith(f"{path}(")]
    assert all(line.startswith(f"{owner}.") for line in missing(other))


@pytest.mark.parametrize(
    ("path", "by", "told"),
    [
        ("ThreadingActor._create_future", lambda self, kind: None, "_create_future(), it has ThreadingActor._create_f"),
        ("ThreadingActor._actor_loop", lambda self, inbox: None, "_actor_loop(self), it has ThreadingActor._actor_lo"),
        ("ActorRegistry.register", lambda ref: None, "register(actor_ref), it has ActorRegistry.register(ref)"),
        ("messages._ActorStop", OtherStop, "_ActorStop(), it has messages._ActorStop(reason)"),
        ("_envelope.Envelope", OtherEnvelope, "(message, reply_to), it has _envelope.Envelope(message)"),
    ],
)
def test_a_hook_with_other_parameters_is_named_with_both(
    other: ModuleType, path: str, by: Callable[..., object], told: str
) -> None:
    _replace(other, path, by)

    with pytest.raises(ImportError, match="this pykka lacks") as refused:
        check(other)

    assert told in str(refused.value)


def test_all_that_is_wrong_is_told_at_once(other: ModuleType) -> None:
    for path in HOOKS:
        _replace(other, path, _takes)

    with pytest.raises(ImportError) as refused:
        check(other)

    told = str(refused.value)
    assert [path for path in HOOKS if f", it has {path}(_)" not in told] == []
    assert "\n" not in str(refused.value)
