"""Every setting of the service, read once and validated as a whole.

Sources, the first that has a value wins: arguments, environment variables, the env file, the service manager's
credentials, defaults. Nesting is spelled with two underscores (`DATABASE__POOL_SIZE`). `load` reports all problems
together, one line each.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from platformdirs import user_state_path
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as SourceError

import setting_names

NATS_SCHEMES = frozenset({"nats", "tls", "ws", "wss"})
CHECKOUT = Path(__file__).resolve().parent
CREDENTIALS_PREFIX = "alpha-panda_"
"""What systemd puts before the name of each file of a directory that the unit loads as `alpha-panda`."""
EMPTY_KEYS = "is set, but holds no key: tokens would be stored in clear; give it a key, or take the setting away"
LIVE_STREAM_TOKENS = frozenset({"market", "auth", "panda", "system", "shared"})


class SettingsError(Exception):
    """The settings cannot be used; `problems` holds one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def default_state_dir() -> Path:
    """`$STATE_DIRECTORY` (systemd), else `.state` in a checkout, else the user's state directory."""
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    if (CHECKOUT / "panda").is_file():
        return CHECKOUT / ".state"
    return user_state_path("alpha-panda")


def default_runtime_dir() -> Path | None:
    """`$RUNTIME_DIRECTORY` (systemd), if set."""
    given = os.environ.get("RUNTIME_DIRECTORY")
    return Path(given.split(":")[0]) if given else None


def program() -> str:
    """How the person calls this program; the `panda` script tells its own name."""
    return os.environ.get("ALPHA_PANDA_PROGRAM") or "alpha-panda"


def how_to_start() -> str:
    """The command that starts the daemon: the service manager's where this program is the one of a service."""
    unit = os.environ.get("ALPHA_PANDA_SERVICE")
    return f"systemctl start {unit}" if unit else f"{program()} run"


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


class CredentialsSource(PydanticBaseSettingsSource):
    """The files that systemd hands over in `$CREDENTIALS_DIRECTORY`: secrets that are in no environment."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        given = os.environ.get("CREDENTIALS_DIRECTORY")
        if not given:
            return {}
        values: dict[str, Any] = {}
        if password := find_credential(Path(given), "database-password"):
            values["database"] = {"password": read_credential(password)}
        if file := find_credential(Path(given), "nats-credentials"):
            values["nats"] = {"credentials_file": file}
        if file := find_credential(Path(given), "token-keys"):
            values["auth"] = {"token_keys_file": file}
        return values


def find_credential(directory: Path, name: str) -> Path | None:
    """The file of that credential, loaded by itself or with its directory; None if there is none."""
    places = (directory / name, directory / f"{CREDENTIALS_PREFIX}{name}")
    return next((place for place in places if place.is_file()), None)


def read_credential(path: Path) -> str:
    """The one line in the file.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SourceError(f"{path}: not a text file") from None


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
    cures = " or ".join(f"TRADING__{name.upper()}__ENABLED=true" for name in names)
    return f"no broker is active, as {', '.join(names)} is not enabled: set {cures}, or ACTIVE_BROKERS=paper"


def load(env_file: Path | None = None) -> Settings:
    """Read the settings from the environment and the env file (`.env` in the working directory by default).

    Raises:
        SettingsError: with every problem found, one line each; values are not repeated, as they may be secret.
    """
    if env_file is not None and not env_file.is_file():
        raise SettingsError([f"--env-file {env_file}: no such file"])
    file = env_file or Path(".env")
    try:
        written = {name.upper(): value for name, value in DotEnvSettingsSource(Settings, file).env_vars.items()}
        problems = {**_strangers(written, file), **_empty_keys(written)}
        settings = Settings(_env_file=file)
    except ValidationError as error:
        problems |= {_name(one): _told(one) for one in error.errors(include_url=False)}
    except SourceError as error:
        raise SettingsError([str(error)]) from None
    if problems:
        raise SettingsError(list(problems.values()))
    return settings


def misspelt(settings: Settings) -> Mapping[str, str]:
    """The names in the environment that are a setting misspelt, and to each the one that is meant."""
    return setting_names.misspelt(os.environ, KNOWN, setting_names.set_names(settings))


def _strangers(written: Mapping[str, str | None], file: Path) -> dict[str, str]:
    """A problem for each name in the env file that is no setting, by name."""
    brokers = os.environ.get("ACTIVE_BROKERS") or written.get("ACTIVE_BROKERS") or "paper"
    names = [name.strip() for name in brokers.split(",") if name.strip()]
    found = setting_names.strangers(written, KNOWN, names)
    return {name: f"{file}: {setting_names.told(name, meant)}" for name, meant in found.items()}


def _empty_keys(written: Mapping[str, str | None]) -> dict[str, str]:
    """A problem for a setting of the token keys that is given without a value, as by a variable that was not filled."""
    names = ("AUTH__TOKEN_KEYS_FILE", "AUTH__TOKEN_KEYS")
    upper = {name.upper(): value for name, value in os.environ.items()}
    given = {name: value for name in names for value in (upper.get(name), written.get(name)) if value is not None}
    held = os.environ.get("CREDENTIALS_DIRECTORY")
    if any(given.values()) or (held and find_credential(Path(held), "token-keys")):
        return {}
    return {name: f"{name} {EMPTY_KEYS}" for name in list(given)[:1]}


def _name(problem: ErrorDetails) -> str:
    return "__".join(str(part).upper() for part in problem["loc"])


def _told(problem: ErrorDetails) -> str:
    """The problem in a line. Of what was given only paths are repeated."""
    name, message = _name(problem), problem["msg"].removeprefix("Value error, ")
    match problem["type"]:
        case "extra_forbidden":
            return setting_names.told(name, setting_names.meant_by(name, KNOWN))
        case "path_not_file":
            path = Path(problem["input"])
            return f"{name}: {path}: {'not a file' if path.exists() else 'no such file, or not for this user to see'}"
        case "no_broker":
            return f"ACTIVE_BROKERS: {message}"
    return f"{name}: {message}" if name else message


KNOWN = tuple(setting_names.names_of(Settings))
"""Every name of a setting."""
