"""Where the token keys come from: the settings, read and judged."""

from __future__ import annotations

from persistence.errors import TokenKeyError
from persistence.token_cipher import TokenCipher
from settings import EMPTY_KEYS, AuthSettings

OTHERS = 0o077
"""The permissions of group and others."""


def configured_keys(settings: AuthSettings) -> list[str]:
    """The keys of the settings; a file of them is read now.

    Raises:
        TokenKeyError: it cannot be read, or holds no key.
    """
    try:
        keys = settings.keys()
    except OSError as error:
        raise TokenKeyError(f"{settings.key_setting}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise TokenKeyError(f"{settings.key_setting}: not a text file") from None
    if settings.token_keys_file is not None and not keys:
        raise TokenKeyError(f"{settings.key_setting} {EMPTY_KEYS}")
    return keys


def configured_cipher(settings: AuthSettings) -> TokenCipher:
    """What seals and opens with the keys of the settings.

    Raises:
        TokenKeyError: they cannot be read, or one is malformed.
    """
    return TokenCipher(configured_keys(settings), settings.key_setting)


def exposed_keys(settings: AuthSettings) -> str | None:
    """What is wrong with the rights of the key file, with its cure; None if only its owner may read it.

    The service manager sees to the rights of a credential.

    Raises:
        OSError: there is no such file any more.
    """
    file = settings.token_keys_file
    if file is None or settings.keys_are_a_credential:
        return None
    mode = file.stat().st_mode & 0o777
    return f"{settings.key_setting} can be read by others ({mode:03o}): chmod 600 {file}" if mode & OTHERS else None
