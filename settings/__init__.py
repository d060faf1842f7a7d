"""Every setting of the service, read once and validated as a whole.

Sources, the first that has a value wins: arguments, environment variables, the env file, the service manager's
credentials, defaults. Nesting is spelled with two underscores (`DATABASE__POOL_SIZE`).
"""

from settings.loading import SettingsError, load, misspelt
from settings.places import CHECKOUT, how_to_start, program
from settings.sections import (
    EMPTY_KEYS,
    AuthSettings,
    BrokerSettings,
    DatabaseSettings,
    HousekeepingSettings,
    LogSettings,
    MetricsSettings,
    NatsSettings,
    PaperTradingSettings,
)
from settings.whole import Settings

__all__ = [
    "CHECKOUT",
    "EMPTY_KEYS",
    "AuthSettings",
    "BrokerSettings",
    "DatabaseSettings",
    "HousekeepingSettings",
    "LogSettings",
    "MetricsSettings",
    "NatsSettings",
    "PaperTradingSettings",
    "Settings",
    "SettingsError",
    "how_to_start",
    "load",
    "misspelt",
    "program",
]
