"""Secrets at rest: sealed with the first key, opened with any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.fernet import Fernet, InvalidToken

from persistence.errors import TokenKeyError

__all__ = ["TokenCipher", "TokenKeyError"]

SEALED = "fernet:"


@dataclass(frozen=True, slots=True)
class _Ring:
    """The configured keys, first the one that seals, and after them those that were configured before."""

    fernets: tuple[Fernet, ...] = field(repr=False)
    texts: tuple[str, ...] = field(repr=False)


class TokenCipher:
    """Seals and opens with Fernet keys (32 bytes, urlsafe base64). Without keys, tokens stay as they are. Thread-safe.

    `setting` is where the keys come from, for messages.

    Raises:
        TokenKeyError: a key is malformed.
    """

    def __init__(self, keys: Sequence[str], setting: str = "AUTH__TOKEN_KEYS") -> None:
        self.setting = setting
        self._ring = _ring(keys, _Ring((), ()), setting)

    def use(self, keys: Sequence[str]) -> None:
        """Seal with the first of these keys from now on. What was sealed with earlier keys still opens, until the end
        of this process.

        Raises:
            TokenKeyError: a key is malformed, or there is none; then the keys stay as they were.
        """
        if not keys:
            raise TokenKeyError("no key is configured: set AUTH__TOKEN_KEYS or AUTH__TOKEN_KEYS_FILE")
        self._ring = _ring(keys, self._ring, self.setting)

    @property
    def seals(self) -> bool:
        """Whether new tokens are encrypted."""
        return bool(self._ring.fernets)

    def seal(self, token: str) -> str:
        """The token as it is stored."""
        return SEALED + self.encrypt(token.encode()).decode() if self.seals else token

    def open(self, text: str) -> str:
        """The token of a stored text; one that was stored in clear passes.

        Raises:
            TokenKeyError: none of the keys sealed it.
        """
        if not text.startswith(SEALED):
            return text
        return self.decrypt(text.removeprefix(SEALED).encode()).decode()

    def encrypt(self, data: bytes) -> bytes:
        """The bytes, encrypted with the first key; only where `seals`."""
        return self._ring.fernets[0].encrypt(data)

    def decrypt(self, data: bytes) -> bytes:
        """The reverse of `encrypt`.

        Raises:
            TokenKeyError: none of the keys encrypted it.
        """
        fernets = self._ring.fernets
        if not fernets:
            raise TokenKeyError("a stored token is sealed, and no key is configured: set AUTH__TOKEN_KEYS_FILE")
        for fernet in fernets:
            try:
                return fernet.decrypt(data)
            except InvalidToken:
                continue
        raise TokenKeyError(f"a stored token was sealed with none of the keys of {self.setting}")

    def is_current(self, data: bytes) -> bool:
        """Whether the first key encrypted it."""
        try:
            self._ring.fernets[0].decrypt(data)
        except (InvalidToken, IndexError):
            return False
        return True


def _ring(keys: Sequence[str], before: _Ring, setting: str) -> _Ring:
    fernets = tuple(_fernet(key, at, setting) for at, key in enumerate(keys, 1))
    former = [at for at, key in enumerate(before.texts) if key not in keys]
    return _Ring((*fernets, *(before.fernets[at] for at in former)), (*keys, *(before.texts[at] for at in former)))


def _fernet(key: str, at: int, setting: str) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        raise TokenKeyError(
            f"{setting}: key {at} is not a Fernet key (32 bytes in urlsafe base64, 44 characters)"
        ) from None
