"""Names of settings: every one is known, a misspelt one is told with the one that is meant, others' are let be."""

from __future__ import annotations

from pathlib import Path

import pytest

from settings import SettingsError, load
from settings import misspelt as misspelt_in_environment
from settings.loading import KNOWN
from settings.names import misspelt, strangers


def test_every_setting_is_known_by_its_name() -> None:
    assert {"DATABASE__POSTGRES_URL", "STATE_DIR", "TRADING__*__ENABLED", "AUTH__TOKEN_KEYS_FILE"} <= set(KNOWN)
    assert strangers(KNOWN, KNOWN) == {}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DATABASE_POSTGRES_URL", "DATABASE__POSTGRES_URL"),
        ("NATS_URL", "NATS__URL"),
        ("DATABSE__POSTGRES_URL", "DATABASE__POSTGRES_URL"),
        ("LOG_LEVEL", "LOG__LEVEL"),
        ("STATE_DIRX", "STATE_DIR"),
        ("TRADING_ZERODHA_ENABLED", "TRADING__ZERODHA__ENABLED"),
        ("AUTH__TOKEN_KEY", "AUTH__TOKEN_KEYS"),
        ("PAPER_TRADING_STARTING_CASH", "PAPER_TRADING__STARTING_CASH"),
    ],
)
def test_a_misspelt_name_is_found_in_a_file_and_in_the_environment(name: str, meant: str) -> None:
    assert strangers([name], KNOWN, ["paper"]) == {name: meant}
    assert misspelt([name], KNOWN, []) == {name: meant}


def test_a_name_that_only_resembles_a_setting_is_a_stranger_in_a_file_alone() -> None:
    assert strangers(["DATABASE_URL"], KNOWN) == {"DATABASE_URL": "DATABASE__POSTGRES_URL"}
    assert misspelt(["DATABASE_URL"], KNOWN, []) == {}


@pytest.mark.parametrize(
    "name",
    [
        "PANDA_VENV",
        "PGPASSWORD",
        "TZ",
        "LANG",
        "COMPOSE_PROJECT_NAME",
        "FLAT__FEE",
        "TRADING__FLAT__ENABLED",
        "DATABASE",
        "FOO",
        "HTTP_PROXY",
        "SSL_CERT_FILE",
        "HOME",
        "SENTRY_DSN",
        "STATE_DIRECTORY",
        "CREDENTIALS_DIRECTORY",
    ],
)
def test_what_other_programs_and_adapters_read_may_stand_beside_settings(name: str) -> None:
    assert strangers([name], KNOWN, ["flat"]) == {}


@pytest.mark.parametrize(
    "name", ["STATE_DIRECTORY", "RUNTIME_DIRECTORY", "PATH", "HOME", "LOGNAME", "NOTIFY_SOCKET", "nats__url"]
)
def test_what_belongs_to_the_environment_is_not_taken_for_a_setting(name: str) -> None:
    assert misspelt([name], KNOWN, []) == {}


def test_a_name_whose_setting_is_given_too_is_meant_for_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", "nats://a:4222")
    assert misspelt_in_environment(load()) == {"NATS_URL": "NATS__URL"}

    monkeypatch.setenv("NATS__URL", "nats://a:4222")
    assert misspelt_in_environment(load()) == {}


FILE = "# FOOL=1\nexport NATS_URL=nats://u:hunter2@h\nFOO=hunter2\nDATABASE__POOLSIZE=1\nPGUSER=me\n"


def test_a_file_with_strangers_is_refused_with_all_of_them(tmp_path: Path) -> None:
    file = tmp_path / "my.env"
    file.write_text(FILE)

    with pytest.raises(SettingsError) as refused:
        load(file)

    assert set(refused.value.problems) == {
        f"{file}: NATS_URL is no setting: did you mean NATS__URL?",
        "DATABASE__POOLSIZE is no setting: did you mean DATABASE__POOL_SIZE?",
    }
    assert len(refused.value.problems) == 2
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("AUTH__TOKEN_KEYS=\n", "AUTH__TOKEN_KEYS is set, but holds no key"),
        ('auth__token_keys=""\n', "AUTH__TOKEN_KEYS is set, but holds no key"),
        ("AUTH__TOKEN_KEYS_FILE=\n", "AUTH__TOKEN_KEYS_FILE is set, but holds no key"),
        ('LOG__LEVEL=info\nAUTH__TOKEN_KEYS="hunter2\nSTATE_DIR=/a\n', "line 2 cannot be read"),
        ("DATABASE__PASSWORD=\nhunter2\n", "line 2 sets nothing"),
        ("NATS__CREDENTIALS_FILE=hunter2\n", "NATS__CREDENTIALS_FILE: no such file"),
        ("DATABASE__PASSWORD=hunter2\xe9\n", "not UTF-8"),
    ],
)
def test_a_file_that_says_nothing_or_nothing_that_can_be_read_is_refused_and_not_repeated(
    tmp_path: Path, text: str, problem: str
) -> None:
    file = tmp_path / "my.env"
    file.write_bytes(text.encode("latin-1"))

    with pytest.raises(SettingsError) as refused:
        load(file)

    assert any(problem in one for one in refused.value.problems), refused.value.problems
    assert "hunter2" not in str(refused.value).lower()


def test_what_a_file_inserts_elsewhere_is_no_stranger(tmp_path: Path) -> None:
    file = tmp_path / "my.env"
    file.write_text("DATABASE_HOST=db\nDATABASE__POSTGRES_URL=postgresql://u:p@${DATABASE_HOST}/x\n")

    assert load(file).database.postgres_url.get_secret_value() == "postgresql://u:p@db/x"


def test_in_a_file_that_nobody_named_a_setting_given_elsewhere_is_another_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOG__LEVEL", "info")
    (tmp_path / ".env").write_text("LOG_LEVEL=loud\n")

    assert load().log.level == "info"


def test_keys_in_a_group_are_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH__TOKEN_KEYS", "")
    monkeypatch.setenv("AUTH", '{"token_keys": "one"}')

    assert load().auth.keys() == ["one"]


def test_in_a_file_that_nobody_named_only_a_misspelt_setting_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(FILE)

    with pytest.raises(SettingsError) as refused:
        load()

    assert set(refused.value.problems) == {
        ".env: NATS_URL is no setting: did you mean NATS__URL?",
        "DATABASE__POOLSIZE is no setting: did you mean DATABASE__POOL_SIZE?",
    }


def test_a_broker_without_an_adapter_is_named_beside_other_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTIVE_BROKERS", "zzz")
    monkeypatch.setenv("LOG__LEVEL", "loud")
    monkeypatch.setenv("NATS__CREDENTIALS_FILE", "/nowhere/nats.creds")

    with pytest.raises(SettingsError) as refused:
        load()

    found = "\n".join(refused.value.problems)
    assert len(refused.value.problems) == 3
    assert "ACTIVE_BROKERS: no broker is active, as no adapter is named zzz: name one of " in found
    assert "NATS__CREDENTIALS_FILE: /nowhere/nats.creds: no such file" in found
    assert "LOG__LEVEL: " in found


@pytest.mark.parametrize(
    ("names", "cure"),
    [
        ("papr", "as no adapter is named papr: did you mean paper?"),
        ("zzz,papre", "as no adapter is named zzz or papre: did you mean paper?"),
        ("paper,zzz", "as paper is not enabled: set TRADING__PAPER__ENABLED=true, or ACTIVE_BROKERS=paper"),
    ],
)
def test_the_cure_for_no_broker_fits_whether_there_is_an_adapter(
    monkeypatch: pytest.MonkeyPatch, names: str, cure: str
) -> None:
    monkeypatch.setenv("ACTIVE_BROKERS", names)
    monkeypatch.setenv("TRADING__PAPER__ENABLED", "false")

    with pytest.raises(SettingsError) as refused:
        load()

    assert refused.value.problems == [f"ACTIVE_BROKERS: no broker is active, {cure}"]


@pytest.mark.parametrize("name", ["AUTH__TOKEN_KEYS", "AUTH__TOKEN_KEYS_FILE"])
@pytest.mark.parametrize("text", ["", " , "])
def test_keys_that_are_given_without_any_are_refused_by_the_name_that_is_given(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.setenv(name, text)

    with pytest.raises(SettingsError) as refused:
        load()

    assert len(refused.value.problems) == 1
    assert refused.value.problems[0].partition(" ")[0].rstrip(":") == name


def test_keys_given_without_any_do_no_harm_beside_a_file_of_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys").write_text("key")
    monkeypatch.setenv("AUTH__TOKEN_KEYS", "")
    monkeypatch.setenv("AUTH__TOKEN_KEYS_FILE", str(tmp_path / "keys"))

    assert load().auth.keys() == ["key"]
