"""Without a supervisor a `ServiceActor` behaves as pykka's own `ThreadingActor`: each test runs on both."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pykka
import pytest

from actors.runtime.actor import ServiceActor
from tests.runtime.kit import WAIT_S, Probe


class Behaviour:
    """What both kinds of actor do."""

    probe: Probe
    held = threading.Event()
    name = "an attribute"

    def on_start(self) -> None:
        self.probe.put("started")

    def on_stop(self) -> None:
        self.probe.put("stopped")

    def on_failure(self, exception_type: type[BaseException] | None, *_: Any) -> None:
        self.probe.put(exception_type)

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, Exception):
            raise message
        if message == "hold":
            assert self.held.wait(WAIT_S)
        self.probe.put(message)
        return message

    def double(self, number: int) -> int:
        return number * 2


class Plain(Behaviour, pykka.ThreadingActor):
    """Pykka's."""


class Service(Behaviour, ServiceActor):
    """Ours."""


@pytest.fixture(params=[Plain, Service])
def kind(request: pytest.FixtureRequest, probe: Probe) -> Iterator[type[Any]]:
    class Kind(request.param):  # type: ignore[name-defined, misc]
        held = threading.Event()

    Kind.probe = probe
    logging.getLogger("pykka").disabled = True
    yield Kind
    Kind.held.set()
    pykka.ActorRegistry.stop_all(timeout=WAIT_S)
    logging.getLogger("pykka").disabled = False


def test_messages_are_handled_in_order_and_a_stop_waits_for_its_turn(kind: type[Any], probe: Probe) -> None:
    actor = kind.start()
    actor.tell("hold")
    actor.tell(1)
    actor.stop(block=False)
    kind.held.set()

    probe.expect_all("started", "hold", 1, "stopped")


def test_an_ask_is_answered(kind: type[Any]) -> None:
    assert kind.start().ask("question", timeout=WAIT_S) == "question"


def test_an_error_on_ask_goes_to_the_asker_and_the_actor_lives_on(kind: type[Any]) -> None:
    actor = kind.start()

    with pytest.raises(ValueError, match="no"):
        actor.ask(ValueError("no"), timeout=WAIT_S)

    assert actor.ask("still there?", timeout=WAIT_S) == "still there?"


def test_an_error_on_tell_ends_the_actor(kind: type[Any], probe: Probe) -> None:
    actor = kind.start()
    probe.expect_all("started")

    actor.tell(ValueError("no"))

    assert probe.expect(type) is ValueError
    assert actor.actor_stopped.wait(WAIT_S)
    with pytest.raises(pykka.ActorDeadError):
        actor.tell("anybody?")


def test_who_waits_for_an_actor_that_stops_first_is_told(kind: type[Any]) -> None:
    actor = kind.start()
    actor.tell("hold")
    actor.stop(block=False)
    answer = actor.ask("too late", block=False)

    kind.held.set()

    with pytest.raises(pykka.ActorDeadError):
        answer.get(timeout=WAIT_S)


def test_proxies_reach_methods_and_attributes(kind: type[Any]) -> None:
    proxy = kind.start().proxy()

    assert proxy.double(21).get(timeout=WAIT_S) == 42
    assert proxy.name.get(timeout=WAIT_S) == "an attribute"


def test_it_is_registered_while_it_lives(kind: type[Any]) -> None:
    actor = kind.start()
    assert pykka.ActorRegistry.get_by_urn(actor.actor_urn) == actor

    actor.stop(timeout=WAIT_S)

    assert pykka.ActorRegistry.get_by_urn(actor.actor_urn) is None


def test_stop_says_whether_there_was_anything_to_stop(kind: type[Any]) -> None:
    actor = kind.start()

    assert actor.stop(timeout=WAIT_S)
    assert not actor.stop(timeout=WAIT_S)


def test_futures_can_be_joined_and_mapped(kind: type[Any]) -> None:
    actor = kind.start()
    one, two = (actor.ask(number, block=False) for number in (1, 2))

    assert one.join(two).map(sum).get(timeout=WAIT_S) == 3
