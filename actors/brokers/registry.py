"""Brokers by name: the entry points of installed packages, and the built-in ones."""

from __future__ import annotations

from importlib.metadata import entry_points

from actors.brokers import paper
from actors.brokers.protocol import BrokerFactory
from actors.errors import StartRefused
from settings.brokers import ENTRY_POINT_GROUP, known_brokers, meant_broker

_BUILT_IN: dict[str, BrokerFactory] = {"paper": paper.create}


class UnknownBroker(StartRefused):
    """No adapter of that name can be used: a wrong setting, or a package that is missing or broken."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_code=78)


def find_broker(name: str) -> BrokerFactory:
    """The function that makes the broker of that name from the settings.

    An entry point comes first; a checkout that is not installed has none and uses the built-in adapters.

    Raises:
        UnknownBroker: there is no such adapter, more than one, or it cannot be imported.
    """
    found = {point.value: point for point in entry_points(group=ENTRY_POINT_GROUP, name=name)}
    if len(found) > 1:
        raise UnknownBroker(f"broker {name!r} has several adapters ({', '.join(sorted(found))}): uninstall all but one")
    if not found:
        return _built_in(name)
    (point,) = found.values()
    try:
        factory: BrokerFactory = point.load()
    except (ImportError, AttributeError) as error:
        raise UnknownBroker(f"broker {name!r}: cannot load {point.value}: {error}") from error
    return factory


def _built_in(name: str) -> BrokerFactory:
    if name not in _BUILT_IN:
        meant = meant_broker(name)
        question = f" (did you mean {meant}?)" if meant else ""
        raise UnknownBroker(
            f"unknown broker {name!r} (known: {', '.join(known_brokers())}): correct ACTIVE_BROKERS{question},"
            f" or install a package that provides the entry point {name!r} in {ENTRY_POINT_GROUP}"
        )
    return _BUILT_IN[name]
