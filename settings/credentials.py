"""What the service manager hands over in files: secrets that are in no environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource
from pydantic_settings import SettingsError as SourceError

CREDENTIALS_PREFIX = "alpha-panda_"
"""What systemd puts before the name of each file of a directory that the unit loads as `alpha-panda`."""


class CredentialsSource(PydanticBaseSettingsSource):
    """The files that systemd hands over in `$CREDENTIALS_DIRECTORY`: secrets that are in no environment."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        given = os.environ.get("CREDENTIALS_DIRECTORY")
        if not given:
            return {}
        values: dict[str, Any] = {}
        if not _is_elsewhere("DATABASE__POSTGRES_URL") and (
            password := find_credential(Path(given), "database-password")
        ):
            values["database"] = {"password": read_credential(password)}
        if not _is_elsewhere("NATS__URL") and (file := find_credential(Path(given), "nats-credentials")):
            values["nats"] = {"credentials_file": file}
        if file := find_credential(Path(given), "token-keys"):
            values["auth"] = {"token_keys_file": file}
        return values


def _is_elsewhere(url: str) -> bool:
    """Whether the command line of a service was given a server by the environment, as the service's own secret would
    be told to another one."""
    return bool(os.environ.get("ALPHA_PANDA_SERVICE") and os.environ.get(url))


def find_credential(directory: Path, name: str) -> Path | None:
    """The file of that credential, loaded by itself or with its directory; None if there is none."""
    places = (directory / name, directory / f"{CREDENTIALS_PREFIX}{name}")
    return next((place for place in places if place.is_file()), None)


def read_credential(path: Path) -> str:
    """The one line in the file.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SourceError(f"{path}: not a text file") from None
