"""Broker tokens at rest: sealed with the first key, opened with any."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from persistence.errors import TokenKeyError

__all__ = ["TokenCipher", "TokenKeyError"]

_SEALED = "fernet:"


class TokenCipher:
    """Seals and opens tokens with Fernet keys (32 bytes, urlsafe base64). Without keys, tokens stay as they
    are.

    Raises:
        TokenKeyError: a key is malformed.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([_fernet(key, at) for at, key in enumerate(keys, 1)]) if keys else None

    @property
    def seals(self) -> bool:
        """Whether new tokens are encrypted."""
        return self._fernet is not None

    def seal(self, token: str) -> str:
        """The token as it is stored."""
        if self._fernet is None:
            return token
        return _SEALED + self._fernet.encrypt(token.encode()).decode()

    def open(self, text: str) -> str:
        """The token of a stored text; one that was stored in clear passes.

        Raises:
            TokenKeyError: none of the keys sealed it.
        """
        if not text.startswith(_SEALED):
            return text
        if self._fernet is None:
            raise TokenKeyError("a stored token is sealed and no key is configured: set AUTH__TOKEN_KEYS")
        try:
            return self._fernet.decrypt(text.removeprefix(_SEALED)).decode()
        except InvalidToken:
            raise TokenKeyError("a stored token was sealed with none of the keys in AUTH__TOKEN_KEYS") from None


def _fernet(key: str, at: int) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        raise TokenKeyError(
            f"AUTH__TOKEN_KEYS: key {at} is not a Fernet key (32 bytes in urlsafe base64, 44 characters)"
        ) from None
