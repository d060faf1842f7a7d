"""Where token keys come from: each refusal names the setting that is set, and a file open to others is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from persistence.errors import TokenKeyError
from persistence.token_cipher import TokenCipher
from persistence.token_keys import configured_cipher, configured_keys, exposed_keys
from settings import AuthSettings, load


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.touch(0o600)
    return path


@pytest.mark.parametrize("text", ["", "\n", " ,\n"])
def test_a_file_without_a_key_is_refused_by_its_setting_and_path(key_file: Path, text: str) -> None:
    key_file.write_text(text)

    with pytest.raises(TokenKeyError, match=f"^AUTH__TOKEN_KEYS_FILE {key_file} is set, but holds no key"):
        configured_keys(AuthSettings(token_keys_file=key_file))


def test_a_malformed_key_is_named_by_the_file_and_its_place(key_file: Path) -> None:
    key_file.write_text(f"{Fernet.generate_key().decode()}\nhunter2\n")

    with pytest.raises(TokenKeyError, match=f"^AUTH__TOKEN_KEYS_FILE {key_file}: key 2 is not a Fernet key") as refused:
        configured_cipher(AuthSettings(token_keys_file=key_file))

    assert "hunter2" not in str(refused.value)


def test_a_token_that_no_key_of_the_file_opens_names_the_file(key_file: Path) -> None:
    key_file.write_text(Fernet.generate_key().decode())
    sealed = TokenCipher([Fernet.generate_key().decode()]).seal("token")

    with pytest.raises(TokenKeyError, match=f"none of the keys of AUTH__TOKEN_KEYS_FILE {key_file}$"):
        configured_cipher(AuthSettings(token_keys_file=key_file)).open(sealed)


@pytest.mark.parametrize(("mode", "told"), [(0o600, False), (0o400, False), (0o640, True), (0o644, True)])
def test_a_file_that_others_may_read_is_told_with_the_cure(key_file: Path, mode: int, told: bool) -> None:
    key_file.chmod(mode)

    found = exposed_keys(AuthSettings(token_keys_file=key_file))

    wanted = f"AUTH__TOKEN_KEYS_FILE {key_file} can be read by others ({mode:03o}): chmod 600 {key_file}"
    assert found == (wanted if told else None)


def test_a_credential_is_named_as_one_and_its_rights_are_the_service_managers_affair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "alpha-panda_token-keys").touch(0o644)

    auth = load().auth

    assert exposed_keys(auth) is None
    with pytest.raises(TokenKeyError, match=r"^the credential token-keys is set, but holds no key"):
        configured_keys(auth)
