"""The groups of settings: what may be set, its default and its limits."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, FilePath, SecretStr, ValidationInfo, field_validator

NATS_SCHEMES = frozenset({"nats", "tls", "ws", "wss"})
EMPTY_KEYS = "is set, but holds no key: tokens would be stored in clear; give it a key, or take the setting away"


class Section(BaseModel):
    """One group of settings: immutable, and a misspelt name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class DatabaseSettings(Section):
    """PostgreSQL: where it is and how connections behave. An empty URL means the embedded server.

    `password` is put into a URL that has a user and no password.
    """

    password: SecretStr = SecretStr("")
    postgres_url: SecretStr = SecretStr("")
    pool_size: int = Field(20, ge=1, le=500)
    max_overflow: int = Field(30, ge=0, le=500)
    pool_recycle_s: int = Field(3600, ge=1)
    pool_timeout_s: float = Field(5, gt=0)
    connect_timeout_s: int = Field(5, ge=1, le=600)
    statement_timeout_ms: int = Field(15_000, ge=0)
    lock_timeout_ms: int = Field(3_000, ge=0)
    transaction_timeout_ms: int = Field(60_000, ge=0)
    idle_in_transaction_timeout_ms: int = Field(30_000, ge=0)
    keepalive_idle_s: int = Field(15, ge=1)
    keepalive_interval_s: int = Field(5, ge=1)
    keepalive_count: int = Field(3, ge=1)
    tcp_user_timeout_ms: int = Field(20_000, ge=0)
    auto_migrate: bool | None = None

    @field_validator("postgres_url")
    @classmethod
    def _is_postgres(cls, url: SecretStr) -> SecretStr:
        scheme = url.get_secret_value().partition("://")[0].partition("+")[0]
        if url.get_secret_value() and scheme not in {"postgresql", "postgres"}:
            raise ValueError("must be a postgresql:// URL")
        return url

    @field_validator("postgres_url")
    @classmethod
    def _with_password(cls, url: SecretStr, info: ValidationInfo) -> SecretStr:
        password, given = info.data.get("password", SecretStr("")).get_secret_value(), url.get_secret_value()
        scheme, _, rest = given.partition("://")
        place, slash, database = rest.partition("/")
        user, at, host = place.rpartition("@")
        if not (password and given) or ":" in user:
            return url
        if not user:
            raise ValueError("DATABASE__PASSWORD is set, but the URL names no user")
        return SecretStr(f"{scheme}://{user}:{quote(password, safe='')}{at}{host}{slash}{database}")

    @property
    def embedded(self) -> bool:
        return not self.postgres_url.get_secret_value()

    @property
    def migrates_at_start(self) -> bool:
        """Whether `run` migrates by itself: by default only the embedded database."""
        return self.embedded if self.auto_migrate is None else self.auto_migrate


class NatsSettings(Section):
    """NATS: where it is and how we identify ourselves. An empty URL means the embedded server."""

    url: SecretStr = SecretStr("")
    credentials_file: FilePath | None = None
    tls_ca_file: FilePath | None = None

    @field_validator("url")
    @classmethod
    def _is_nats(cls, url: SecretStr) -> SecretStr:
        servers = [one.strip() for one in url.get_secret_value().split(",") if one.strip()]
        if url.get_secret_value() and not servers:
            raise ValueError("names no server")
        for one in servers:
            try:
                read = urlsplit(one)
                usable = read.scheme in NATS_SCHEMES and bool(read.hostname) and read.port != 0
            except ValueError:
                usable = False
            if not usable:
                raise ValueError("must be nats://host:port or tls://host:port, separated by commas")
        return url

    @property
    def embedded(self) -> bool:
        return not self.url.get_secret_value()

    @property
    def servers(self) -> list[str]:
        return [one.strip() for one in self.url.get_secret_value().split(",") if one.strip()]


class PaperTradingSettings(Section):
    """The paper broker. Percentages are of the price and of the notional."""

    starting_cash: Decimal = Field(Decimal(1_000_000), ge=0, max_digits=30, allow_inf_nan=False)
    slippage_percent: Decimal = Field(Decimal("0.05"), ge=0, lt=100, max_digits=18, allow_inf_nan=False)
    commission_percent: Decimal = Field(Decimal("0.1"), ge=0, lt=100, max_digits=18, allow_inf_nan=False)


class BrokerSettings(Section):
    """Whether one broker may trade; None means the default (paper yes, any other no)."""

    enabled: bool | None = None


class AuthSettings(Section):
    """Keys that encrypt stored tokens (Fernet, comma-separated; the first encrypts) or a file of them, one a line."""

    token_keys: SecretStr = SecretStr("")
    token_keys_file: FilePath | None = None

    @field_validator("token_keys")
    @classmethod
    def _hold_a_key(cls, keys: SecretStr) -> SecretStr:
        if keys.get_secret_value() and not cls.keys_in(keys.get_secret_value()):
            raise ValueError(EMPTY_KEYS)
        return keys

    @staticmethod
    def keys_in(text: str) -> list[str]:
        """The keys of a text, in order."""
        return [key.strip() for key in text.replace(",", "\n").splitlines() if key.strip()]

    def keys(self) -> list[str]:
        """The token keys in order.

        Raises:
            OSError: the key file cannot be read.
            UnicodeDecodeError: it is no text.
        """
        kept = "" if self.token_keys_file is None else self.token_keys_file.read_text()
        return self.keys_in(f"{self.token_keys.get_secret_value()}\n{kept}")

    @property
    def keys_are_a_credential(self) -> bool:
        """Whether the key file is one that the service manager hands over."""
        given = os.environ.get("CREDENTIALS_DIRECTORY")
        return bool(given) and self.token_keys_file is not None and self.token_keys_file.parent == Path(str(given))

    @property
    def key_setting(self) -> str:
        """Where the keys come from, as messages name it."""
        if self.token_keys_file is None:
            return "AUTH__TOKEN_KEYS"
        file = (
            "the credential token-keys"
            if self.keys_are_a_credential
            else f"AUTH__TOKEN_KEYS_FILE {self.token_keys_file}"
        )
        return f"AUTH__TOKEN_KEYS and {file}" if self.token_keys.get_secret_value() else file


class HousekeepingSettings(Section):
    """For how many days what is kept; None is for ever. Inbox keys outlive the messages that they stand for."""

    inbox_kept_days: float = Field(2, ge=2, le=36_500)
    events_kept_days: float | None = Field(None, ge=7, le=36_500)
    dead_letters_kept_days: float | None = Field(None, ge=1, le=36_500)
    sessions_kept_days: float | None = Field(None, ge=7, le=36_500)


class LogSettings(Section):
    """How much is logged, and in which form; None chooses by where stderr goes."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json", "journal"] | None = None

    @field_validator("level", "format", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value


class MetricsSettings(Section):
    """The port of 127.0.0.1 where Prometheus finds the figures; without one they are on the operator socket alone."""

    port: int | None = Field(None, ge=1, le=65535)
