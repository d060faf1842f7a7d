"""Reading the settings, once: all problems are told together, one line each."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from dotenv.parser import parse_stream
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError as SourceError

from settings.credentials import find_credential
from settings.names import meant_by, names_of, set_names, strangers, told
from settings.names import misspelt as misspelt_in
from settings.sections import EMPTY_KEYS
from settings.whole import Settings

KNOWN = tuple(names_of(Settings))
"""Every name of a setting."""
_INSERTED = re.compile(r"\$\{(\w+)")
"""What `${NAME}` in a value stands for."""


class SettingsError(Exception):
    """The settings cannot be used; `problems` holds one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def load(env_file: Path | None = None) -> Settings:
    """Read the settings from the environment and the env file (`.env` in the working directory by default).

    Raises:
        SettingsError: with every problem found, one line each; values are not repeated, as they may be secret.
    """
    if env_file is not None and not env_file.is_file():
        raise SettingsError([f"--env-file {env_file}: no such file"])
    file = env_file or Path(".env")
    written = _read(file)
    given = {name.upper(): value for name, value in os.environ.items()}
    problems = {**_strangers(written, given, file, only_sure=env_file is None), **_empty_keys(written, given)}
    try:
        settings = Settings(_env_file=file)
    except ValidationError as error:
        problems |= {_name(one): _told(one) for one in error.errors(include_url=False)}
    except SourceError as error:
        raise SettingsError([str(error)]) from None
    if problems:
        raise SettingsError(list(problems.values()))
    return settings


def misspelt(settings: Settings) -> Mapping[str, str]:
    """The names in the environment that are a setting misspelt, and to each the one that is meant."""
    return misspelt_in(os.environ, KNOWN, set_names(settings))


def _read(file: Path) -> dict[str, str]:
    """What the env file sets, also to nothing; nothing if there is no such file.

    Raises:
        SettingsError: it cannot be read, as a whole or in some of its lines.
    """
    if not file.is_file():
        return {}
    try:
        bindings = list(parse_stream(StringIO(file.read_text(encoding="utf-8-sig"))))
    except OSError as error:
        raise SettingsError([f"{file}: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise SettingsError([f"{file}: not UTF-8"]) from None
    problems, written = [], {}
    for one in bindings:
        if one.error:
            problems.append(f"{file}: line {one.original.line} cannot be read: is there a quote that is not closed?")
        elif one.key is not None and one.value is None:
            problems.append(f"{file}: line {one.original.line} sets nothing: there is no = in it")
        elif one.key is not None and one.value is not None:
            written[one.key.upper()] = one.value
    if problems:
        raise SettingsError(problems)
    return written


def _strangers(written: Mapping[str, str], given: Mapping[str, str], file: Path, *, only_sure: bool) -> dict[str, str]:
    """A problem for each name in the env file that is a setting misspelt, by name.

    A `.env` that nobody named may be another program's as well: there it has to be beyond doubt.
    """
    brokers = given.get("ACTIVE_BROKERS") or written.get("ACTIVE_BROKERS") or "paper"
    names = [name.strip() for name in brokers.split(",") if name.strip()]
    found = misspelt_in(written, KNOWN, {*written, *given}) if only_sure else strangers(written, KNOWN, names)
    inserted = {name.upper() for value in written.values() for name in _INSERTED.findall(value)}
    return {name: f"{file}: {told(name, meant)}" for name, meant in found.items() if name not in inserted}


def _empty_keys(written: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """A problem for a setting of the token keys that is given without a value, as by a variable that was not filled."""
    names = ("AUTH__TOKEN_KEYS_FILE", "AUTH__TOKEN_KEYS")
    set_to = {name: value for name in names for value in (given.get(name), written.get(name)) if value is not None}
    held = given.get("CREDENTIALS_DIRECTORY")
    as_group = given.get("AUTH") or written.get("AUTH")
    if any(set_to.values()) or as_group or (held and find_credential(Path(held), "token-keys")):
        return {}
    return {name: f"{name} {EMPTY_KEYS}" for name in list(set_to)[:1]}


def _name(problem: ErrorDetails) -> str:
    return "__".join(str(part).upper() for part in problem["loc"])


def _told(problem: ErrorDetails) -> str:
    """The problem in a line. Of what was given only paths are repeated."""
    name, message = _name(problem), problem["msg"].removeprefix("Value error, ")
    match problem["type"]:
        case "extra_forbidden":
            return told(name, meant_by(name, KNOWN))
        case "path_not_file":
            path = Path(problem["input"])
            why = "not a file" if path.exists() else "no such file, or not for this user to see"
            # Without a slash it may be the secret itself instead of where it is.
            return f"{name}: {path}: {why}" if "/" in str(path) else f"{name}: {why}: give a whole path"
        case "no_broker":
            return f"ACTIVE_BROKERS: {message}"
    return f"{name}: {message}" if name else message
