"""Settings read again while the service runs: what differs, what of it takes effect. Values of secrets are not told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import BaseModel, SecretStr

from actors.runtime import log
from settings import DatabaseSettings, Settings, SettingsError

LIVE = frozenset(
    {
        "LOG__LEVEL",
        "LOG__FORMAT",
        "DATABASE__POOL_SIZE",
        "DATABASE__MAX_OVERFLOW",
        "DATABASE__POOL_RECYCLE_S",
        "DATABASE__POOL_TIMEOUT_S",
    }
)
"""The settings that take effect without a restart."""


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that has another value, by the name that it has in the environment."""

    name: str
    old: str
    new: str

    @property
    def is_live(self) -> bool:
        """Whether it takes effect without a restart."""
        return self.name in LIVE

    def __str__(self) -> str:
        return f"{self.name} {self.old} -> {self.new}"


def changes(before: Settings, after: Settings) -> list[Change]:
    """What differs, by name."""
    old, new = dict(_values(before)), dict(_values(after))
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return [Change(name, _shown(old.get(name)), _shown(new.get(name))) for name in names]


def with_live(before: Settings, after: Settings) -> Settings:
    """The settings as they are once a reload is done: the live ones are the new ones, all others still the old."""
    live: dict[str, dict[str, Any]] = {}
    for name in LIVE:
        section, _, field = name.lower().partition("__")
        live.setdefault(section, {})[field] = getattr(getattr(after, section), field)
    sections = {name: getattr(before, name).model_copy(update=fields) for name, fields in live.items()}
    return before.model_copy(update=sections)


class LiveSettings:
    """The settings as they are in effect; for the main thread.

    Args:
        settings: those of the start.
        reread: loads them again.
    """

    def __init__(self, settings: Settings, reread: Callable[[], Settings]) -> None:
        self._settings, self._reread = settings, reread

    def reload(self, resize: Callable[[DatabaseSettings], None]) -> None:
        """Read the settings again and log what differs, whatever the log's level; `resize` is given the limits."""
        told = structlog.wrap_logger(None, wrapper_class=structlog.BoundLogger)
        try:
            fresh = self._reread()
        except SettingsError as error:
            told.error("settings not reloaded; those from before stay", problems=error.problems)
            return
        found = changes(self._settings, fresh)
        for change in found:
            told.info("setting changed" if change.is_live else "setting needs a restart", change=str(change))
        self._settings = with_live(self._settings, fresh)
        log.configure(self._settings.log.level, self._settings.log.format)
        if any(change.is_live and change.name.startswith("DATABASE__") for change in found):
            resize(self._settings.database)
        told.info("settings reloaded", changed=sum(change.is_live for change in found))


def _values(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, BaseModel):
        value = {field: getattr(value, field) for field in type(value).model_fields}
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _values(inner, f"{name}__{key}".removeprefix("__").upper())
    else:
        yield name, value


def _shown(value: Any) -> str:
    match value:
        case None:
            return "unset"
        case SecretStr():
            return "a secret" if value.get_secret_value() else "unset"
        case tuple():
            return ",".join(map(str, value))
        case _:
            return str(value)
