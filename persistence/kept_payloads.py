"""How the bytes of a dead letter are kept: as they are, or, where they hold a secret, sealed or without it; pure.

Bytes without secrets are kept exactly. What is sealed is kept as `fernet:SIZE:TEXT`; without a key, what may be kept of
it as `masked:SIZE:JSON`, or nothing but its hash as `withheld:SIZE:SHA256`. An original that begins like one of these
gets `plain:` before it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from persistence.token_cipher import TokenCipher, TokenKeyError

HEAD_BYTES = 32
"""Enough of the kept bytes to read the original's size from."""
_SEALED, _MASKED, _WITHHELD, _PLAIN = b"fernet:", b"masked:", b"withheld:", b"plain:"
_MARKED = re.compile(rb"(fernet|masked|withheld):([0-9]{1,10}):")


@dataclass(frozen=True, slots=True)
class ReadPayload:
    """What can be had of a payload: the original bytes, or, if `lost` says why not, what was kept instead of them."""

    data: bytes = field(repr=False)
    size: int
    """Of the original, bytes."""
    lost: str | None = None


def keep(payload: bytes, substitute: bytes | None, cipher: TokenCipher) -> bytes:
    """The bytes to store.

    Args:
        payload: the original.
        substitute: what may be kept of it in clear: None if all of it, `b""` if nothing.
        cipher: seals it if it has a key.
    """
    if substitute is None:
        return _PLAIN + payload if payload.startswith((_SEALED, _MASKED, _WITHHELD, _PLAIN)) else payload
    size = b"%d:" % len(payload)
    if cipher.seals:
        return _SEALED + size + cipher.encrypt(payload)
    if substitute:
        return _MASKED + size + substitute
    return _WITHHELD + size + hashlib.sha256(payload).hexdigest().encode()


def read(kept: bytes, cipher: TokenCipher) -> ReadPayload:
    """What stored bytes stand for."""
    if kept.startswith(_PLAIN):
        data = kept.removeprefix(_PLAIN)
        return ReadPayload(data, len(data))
    marked = _MARKED.match(kept)
    if marked is None:
        return ReadPayload(kept, len(kept))
    rest, size = kept[marked.end() :], int(marked[2])
    if marked[1] == b"masked":
        return ReadPayload(rest, size, "its token was not kept, as no key was set in AUTH__TOKEN_KEYS")
    if marked[1] == b"withheld":
        digest = rest.decode("ascii", "replace")
        return ReadPayload(b"", size, f"it was not kept, as no key was set in AUTH__TOKEN_KEYS (SHA-256 {digest})")
    try:
        return ReadPayload(cipher.decrypt(rest), size)
    except TokenKeyError:
        return ReadPayload(b"", size, f"it was sealed with a key that is not in {cipher.setting}")


def original_size(head: bytes, length: int) -> int:
    """The original's bytes, from the first `HEAD_BYTES` of what is kept and its length."""
    marked = _MARKED.match(head)
    if marked is not None:
        return int(marked[2])
    return length - len(_PLAIN) if head.startswith(_PLAIN) else length


def is_current(kept: bytes, cipher: TokenCipher) -> bool | None:
    """Whether the first key sealed it; None if it is not sealed."""
    marked = _MARKED.match(kept)
    if marked is None or marked[1] != b"fernet":
        return None
    return cipher.is_current(kept[marked.end() :])
