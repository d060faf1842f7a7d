from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from persistence.token_cipher import TokenCipher, TokenKeyError


def key() -> str:
    return Fernet.generate_key().decode()


def test_a_sealed_token_does_not_show_and_opens_again() -> None:
    cipher = TokenCipher([key()])
    sealed = cipher.seal("token")

    assert sealed.startswith("fernet:")
    assert "token" not in sealed
    assert cipher.open(sealed) == "token"


def test_a_token_stored_in_clear_passes() -> None:
    assert TokenCipher([key()]).open("token") == "token"


def test_without_keys_a_token_stays_as_it_is() -> None:
    cipher = TokenCipher([])

    assert not cipher.seals
    assert cipher.seal("token") == "token"


def test_after_a_change_of_keys_the_old_one_still_opens() -> None:
    old, new = key(), key()
    sealed = TokenCipher([old]).seal("token")

    assert TokenCipher([new, old]).open(sealed) == "token"


@pytest.mark.parametrize("keys", [[], [key()]])
def test_a_token_sealed_with_an_unknown_key_does_not_open(keys: list[str]) -> None:
    sealed = TokenCipher([key()]).seal("token")

    with pytest.raises(TokenKeyError, match="AUTH__TOKEN_KEYS"):
        TokenCipher(keys).open(sealed)


def test_a_malformed_key_is_named_by_its_place_and_not_repeated() -> None:
    with pytest.raises(TokenKeyError, match="key 2") as caught:
        TokenCipher([key(), "hunter2"])

    assert "hunter2" not in str(caught.value)
