"""The smallest actor of one's own, and its test: the first thing in testing-actors.md."""

from __future__ import annotations

from dataclasses import dataclass

from actors.runtime.actor import ServiceActor
from actors.runtime.cell import Context
from actors.testkit import Stepper


@dataclass(frozen=True, slots=True)
class Greet:
    """Greet somebody; replies with the greeting."""

    name: str


class Greeter(ServiceActor):
    """Greets, and tells the diary."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.handles({Greet: self._greet})

    def _greet(self, message: Greet) -> str:
        self.context.directory["diary"].tell(f"greeted {message.name}")
        return f"hello {message.name}"


def test_it_greets_and_keeps_a_diary() -> None:
    stepper = Stepper(Greeter, "diary")

    assert stepper.ask(Greet("world")) == "hello world"
    stepper["diary"].expect_all("greeted world")
