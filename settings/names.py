"""Names of settings as the environment spells them: which there are, and which one a misspelt name means."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import get_args, get_origin

from pydantic import BaseModel

SURE, LIKELY = 0.9, 0.7
"""How alike two names are, underscores left out, for one to be the other misspelt, and to be worth a question."""
OF_OTHERS = (
    *("ALPHA_PANDA_", "PANDA_", "PG", "PYTHON", "LC_", "LANG", "TZ", "NO_COLOR", "COMPOSE_", "DOCKER_"),
    *("STATE_DIRECTORY", "RUNTIME_DIRECTORY", "LOGS_DIRECTORY", "CREDENTIALS_DIRECTORY", "LOGNAME"),
)
"""How names begin that may stand in a file of settings, as other programs read the same file."""


def names_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every name of a setting of the model; `*` stands for any word, as in `TRADING__*__ENABLED`."""
    for field, info in model.model_fields.items():
        name, kind = f"{prefix}{field}".upper(), info.annotation
        if get_origin(kind) is dict:
            name, kind = f"{name}__*", get_args(kind)[1]
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from names_of(kind, f"{name}__")
        else:
            yield name


def set_names(values: BaseModel, prefix: str = "") -> Iterator[str]:
    """The names of the settings that are given and not left to their defaults."""
    for field in values.model_fields_set:
        name, value = f"{prefix}{field}".upper(), getattr(values, field)
        if isinstance(value, BaseModel):
            yield from set_names(value, f"{name}__")
        else:
            yield name


def meant_by(name: str, known: Iterable[str], likeness: float = LIKELY) -> str | None:
    """The known name that is most like this one, if any is as like as that; None also for a name that is known."""
    spelled = {_plain(one): one for one in _with_words_of(name, known)}
    if name.upper() in spelled.values():
        return None
    close = difflib.get_close_matches(_plain(name), spelled, 1, likeness)
    return spelled[close[0]] if close else None


def strangers(given: Iterable[str], known: Iterable[str], brokers: Iterable[str] = ()) -> dict[str, str]:
    """The names of a file of settings that are likely one misspelt, and to each the one that is meant.

    A whole group may be given as JSON, by its own name. What other programs read from the same file, and what the
    adapter of one of the brokers may, has to be a setting misspelt beyond doubt.
    """
    names = tuple(known)
    groups = {name.partition("__")[0] for name in names}
    others = (*OF_OTHERS, *(f"{broker.upper()}_" for broker in brokers))
    found: dict[str, str] = {}
    for name in given:
        if name in groups or name in _with_words_of(name, names):
            continue
        meant = meant_by(name, names, SURE if name.startswith(others) else LIKELY)
        if meant is not None:
            found[name] = meant
    return found


def misspelt(given: Iterable[str], known: Iterable[str], already_set: Iterable[str]) -> Mapping[str, str]:
    """The names of an environment that are a setting misspelt, and to each the one that is meant.

    One whose setting is given as well is meant for another program.
    """
    names, having = tuple(known), frozenset(already_set)
    found = {name: meant_by(name, names, SURE) for name in sorted(given)}
    return {name: meant for name, meant in found.items() if meant is not None and meant not in having}


def told(name: str, meant: str | None) -> str:
    """A line about a name that is no setting."""
    return f"{name} is no setting" + (f": did you mean {meant}?" if meant else "; `man alpha-panda` lists them all")


def _plain(name: str) -> str:
    return name.upper().replace("_", "")


def _with_words_of(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """The known names, with the name's own second word where any will do."""
    words = [word for word in name.upper().split("_") if word]
    return tuple(one.replace("*", words[1] if len(words) > 1 else "PAPER") for one in known)
