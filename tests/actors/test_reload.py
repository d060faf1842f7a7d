"""Settings that were read again: what differs, what takes effect, and what is not told."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from decimal import Decimal
from pathlib import Path

import pytest
import structlog

from actors.reload import LIVE, Change, LiveSettings, changes, with_live
from actors.runtime import log
from settings import (
    AuthSettings,
    BrokerSettings,
    DatabaseSettings,
    LogSettings,
    PaperTradingSettings,
    Settings,
    SettingsError,
    load,
)


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """What the process logs, of errors only."""
    stream = io.StringIO()
    with redirect_stderr(stream):
        log.configure("error", "json")
        yield stream


def settings(**given: object) -> Settings:
    return load().model_copy(update=given)


def of_database(**given: object) -> Settings:
    return settings(database=DatabaseSettings.model_validate(given))


def test_settings_that_are_the_same_have_no_changes() -> None:
    assert changes(settings(), settings()) == []


def test_each_change_is_told_by_its_name_in_the_environment_with_old_and_new() -> None:
    before = settings(paper_trading=PaperTradingSettings(slippage_percent=Decimal("0.05")))
    after = settings(
        log=LogSettings(level="debug", format="json"),
        paper_trading=PaperTradingSettings(slippage_percent=Decimal("0.1")),
        active_brokers=("paper", "zerodha"),
        trading={"zerodha": BrokerSettings(enabled=True)},
    )

    assert [str(change) for change in changes(before, after)] == [
        "ACTIVE_BROKERS paper -> paper,zerodha",
        "LOG__FORMAT unset -> json",
        "LOG__LEVEL info -> debug",
        "PAPER_TRADING__SLIPPAGE_PERCENT 0.05 -> 0.1",
        "TRADING__ZERODHA__ENABLED unset -> True",
    ]


def test_a_secret_is_never_told() -> None:
    before = of_database(postgres_url="postgresql://u:old-secret@h/d")
    after = of_database(postgres_url="postgresql://u:new-secret@h/d")

    assert changes(before, after) == [Change("DATABASE__POSTGRES_URL", "a secret", "a secret")]
    assert changes(settings(), after) == [Change("DATABASE__POSTGRES_URL", "unset", "a secret")]


def test_keys_that_encrypt_are_secrets_like_any_other(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    before = settings(auth=AuthSettings.model_validate({"token_keys": "first-secret"}))
    file.write_text("second-secret")
    after = settings(auth=AuthSettings.model_validate({"token_keys": "third-secret", "token_keys_file": file}))

    assert [str(change) for change in changes(before, after)] == [
        "AUTH__TOKEN_KEYS a secret -> a secret",
        f"AUTH__TOKEN_KEYS_FILE unset -> {file}",
    ]


def test_only_what_may_change_while_running_takes_effect() -> None:
    before = of_database(pool_size=20, lock_timeout_ms=3000)
    after = of_database(pool_size=7, lock_timeout_ms=1000).model_copy(update={"log": LogSettings(level="error")})

    found = changes(before, after)
    effective = with_live(before, after)

    assert {change.name: change.is_live for change in found} == {
        "DATABASE__POOL_SIZE": True,
        "DATABASE__LOCK_TIMEOUT_MS": False,
        "LOG__LEVEL": True,
    }
    assert (effective.database.pool_size, effective.database.lock_timeout_ms) == (7, 3000)
    assert effective.log.level == "error"


def test_all_that_may_change_is_a_setting() -> None:
    everything = Settings.model_fields
    for name in LIVE:
        section, _, field = name.lower().partition("__")
        assert field in type(getattr(settings(), section)).model_fields
        assert section in everything


def test_a_reload_tells_whatever_the_level_and_names_again_what_still_waits_for_a_restart() -> None:
    after = of_database(pool_size=7, lock_timeout_ms=1000)
    live, sizes = LiveSettings(settings(), lambda: after), list[int]()

    with logged() as out:
        live.reload(lambda limits: sizes.append(limits.pool_size))
        first = out.getvalue()
        live.reload(lambda limits: sizes.append(limits.pool_size))
        second = out.getvalue().removeprefix(first)

    assert "DATABASE__POOL_SIZE 20 -> 7" in first
    assert "DATABASE__POOL_SIZE" not in second
    assert "setting needs a restart" in first
    assert "setting needs a restart" in second
    assert sizes == [7]


def test_settings_that_cannot_be_used_change_nothing() -> None:
    def refuse() -> Settings:
        raise SettingsError(["LOG__LEVEL: no such level"])

    with logged() as out:
        LiveSettings(settings(), refuse).reload(lambda _: pytest.fail("resized"))

    assert "LOG__LEVEL: no such level" in out.getvalue()


def test_a_logger_that_is_in_use_has_the_new_level() -> None:
    with logged() as out:
        logger = structlog.get_logger("actor", actor="a")
        logger.info("before")
        log.configure("info", "json")
        logger.info("after")

    assert "before" not in out.getvalue()
    assert '"actor": "a", "event": "after"' in out.getvalue()
