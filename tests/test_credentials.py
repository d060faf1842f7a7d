"""Secrets as files that the service manager hands over, and the database's password by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from settings import SettingsError, load

URL = "postgresql://panda@db.example.org:5432/books?sslmode=require"


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "credentials"
    directory.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(directory))
    monkeypatch.chdir(tmp_path)
    return directory


@pytest.mark.parametrize("prefix", ["", "alpha-panda_"])
def test_each_credential_is_found_loaded_by_itself_or_with_its_directory(
    credentials: Path, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    monkeypatch.setenv("DATABASE__POSTGRES_URL", URL)
    (credentials / f"{prefix}database-password").write_text("p@ss/w:rd\n")
    (credentials / f"{prefix}nats-credentials").write_text("seed")
    (credentials / f"{prefix}token-keys").write_text("one\ntwo\n")

    settings = load()

    url = settings.database.postgres_url.get_secret_value()
    assert url == "postgresql://panda:p%40ss%2Fw%3Ard@db.example.org:5432/books?sslmode=require"
    assert settings.nats.credentials_file == credentials / f"{prefix}nats-credentials"
    assert settings.auth.keys() == ["one", "two"]


def test_without_files_and_without_a_directory_nothing_is_set(
    credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_files = load()
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")

    assert load() == without_files
    assert without_files.nats.credentials_file is None


def test_what_the_environment_says_wins(credentials: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (credentials / "database-password").write_text("from-the-file")
    monkeypatch.setenv("DATABASE__POSTGRES_URL", URL)
    monkeypatch.setenv("DATABASE__PASSWORD", "from-the-environment")

    assert "panda:from-the-environment@" in load().database.postgres_url.get_secret_value()


def test_a_services_own_secrets_are_not_for_a_server_that_a_command_is_given(
    credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("database-password", "nats-credentials", "token-keys"):
        (credentials / name).write_text("the-services-own")
    monkeypatch.setenv("ALPHA_PANDA_SERVICE", "alpha-panda")
    monkeypatch.setenv("DATABASE__POSTGRES_URL", URL)
    monkeypatch.setenv("NATS__URL", "nats://elsewhere:4222")

    settings = load()

    assert settings.database.postgres_url.get_secret_value() == URL
    assert settings.nats.credentials_file is None
    assert settings.auth.keys() == ["the-services-own"]


@pytest.mark.parametrize("url", ["", "postgresql://panda:own@db/books"])
def test_a_password_changes_no_url_that_has_one_and_no_embedded_server(
    credentials: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    (credentials / "database-password").write_text("other")
    monkeypatch.setenv("DATABASE__POSTGRES_URL", url)

    assert load().database.postgres_url.get_secret_value() == url


def test_a_url_without_a_user_is_refused_without_a_secret(credentials: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (credentials / "database-password").write_text("hidden-word")
    monkeypatch.setenv("DATABASE__POSTGRES_URL", "postgresql://db/books")

    with pytest.raises(SettingsError, match="names no user") as refused:
        load()

    assert "hidden-word" not in str(refused.value)


def test_a_file_that_is_no_text_is_named(credentials: Path) -> None:
    (credentials / "database-password").write_bytes(b"\xff\xfe")

    with pytest.raises(SettingsError, match="database-password: not a text file"):
        load()
