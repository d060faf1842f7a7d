"""All settings of one process, as one validated whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from settings.brokers import known_brokers, meant_broker
from settings.credentials import CredentialsSource
from settings.places import default_runtime_dir, default_state_dir
from settings.sections import (
    AuthSettings,
    BrokerSettings,
    DatabaseSettings,
    HousekeepingSettings,
    LogSettings,
    MetricsSettings,
    NatsSettings,
    PaperTradingSettings,
)

LIVE_STREAM_TOKENS = frozenset({"market", "auth", "panda", "system", "shared"})


class Settings(BaseSettings):
    """All settings of one process."""

    model_config = SettingsConfigDict(
        env_nested_delimiter="__",
        env_ignore_empty=True,
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    database: DatabaseSettings = DatabaseSettings()
    nats: NatsSettings = NatsSettings()
    active_brokers: Annotated[tuple[str, ...], NoDecode] = ("paper",)
    trading: dict[str, BrokerSettings] = Field(default_factory=dict, validate_default=True)
    paper_trading: PaperTradingSettings = PaperTradingSettings()
    auth: AuthSettings = AuthSettings()
    housekeeping: HousekeepingSettings = HousekeepingSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    state_dir: Path = Field(default_factory=default_state_dir)
    runtime_dir: Path | None = Field(default_factory=default_runtime_dir)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic passes all by name
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, dotenv_settings, CredentialsSource(settings_cls)

    @field_validator("state_dir", "runtime_dir")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser().absolute()

    @field_validator("active_brokers", mode="before")
    @classmethod
    def _split_brokers(cls, value: Any) -> Any:
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value

    @field_validator("active_brokers")
    @classmethod
    def _are_broker_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not (name.isascii() and name.isalnum() and name == name.lower() and len(name) <= 32):
                raise ValueError(f"{name!r} is not a broker name (lower-case letters and digits)")
            if name in LIVE_STREAM_TOKENS:
                raise ValueError(f"{name!r} is reserved for subjects of the service itself")
        if len(set(names)) != len(names):
            raise ValueError("a broker is named twice")
        return names

    @field_validator("trading")
    @classmethod
    def _some_broker(cls, trading: dict[str, BrokerSettings], info: ValidationInfo) -> dict[str, BrokerSettings]:
        names = info.data.get("active_brokers")
        if names is not None and not any(_enabled(name, trading) for name in names):
            raise PydanticCustomError("no_broker", "{why}", {"why": _no_broker(names)})
        return trading

    @property
    def brokers(self) -> tuple[str, ...]:
        """The brokers that trade here: active and enabled, in the order given."""
        return tuple(name for name in self.active_brokers if _enabled(name, self.trading))

    @property
    def socket_path(self) -> Path:
        """The operator socket."""
        return (self.runtime_dir or self.state_dir) / "alpha-panda.sock"


def _enabled(name: str, trading: Mapping[str, BrokerSettings]) -> bool:
    chosen = trading.get(name, BrokerSettings()).enabled
    return name == "paper" if chosen is None else chosen


def _no_broker(names: Sequence[str]) -> str:
    if not names:
        return "names no broker; the one that needs no account is paper"
    known = known_brokers()
    usable = [name for name in names if name in known]
    if not usable:
        meant = next(filter(None, map(meant_broker, names)), None)
        cure = f"did you mean {meant}?" if meant else f"name one of {', '.join(known)}, or install its adapter"
        return f"no broker is active, as no adapter is named {' or '.join(names)}: {cure}"
    cures = " or ".join(f"TRADING__{name.upper()}__ENABLED=true" for name in usable)
    return f"no broker is active, as {', '.join(usable)} is not enabled: set {cures}, or ACTIVE_BROKERS=paper"
