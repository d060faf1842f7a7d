"""How one tests an actor of one's own: first stepped, then on a thread under a supervisor. See testing-actors.md."""

from __future__ import annotations

from decimal import Decimal

import pytest

from actors.errors import ActorCrashed, DomainError
from actors.messages import Tick, Ticks
from actors.runtime.child import ChildSpec, GiveUp
from actors.runtime.tree import Status
from actors.testkit import WAIT_S, Neighbour, Stepper, crashing, running_tree
from tests.testkit.price_alarm import REMIND_AFTER_S, Acknowledge, AlarmRaised, GetAlarms, PriceAlarm, SetAlarm, Watch
from tests.trading.samples import INFY, NOW, RELIANCE


def price(last_price: int, token: int = INFY) -> Ticks:
    return Ticks((Tick(token, Decimal(last_price), NOW),))


@pytest.fixture
def store() -> Neighbour:
    store = Neighbour("store")
    store.answers(GetAlarms, (SetAlarm(INFY, Decimal(1500)),))
    return store


@pytest.fixture
def stepper(store: Neighbour) -> Stepper:
    return Stepper(PriceAlarm, "notifier", store)


def test_a_price_above_the_limit_raises_the_alarm_once(stepper: Stepper) -> None:
    stepper.tell(price(1499))
    stepper.tell(price(1501))
    stepper.tell(price(1502))
    stepper.run()

    stepper["notifier"].expect_all(AlarmRaised(INFY, Decimal(1501)))
    stepper["notifier"].expect_nothing()
    assert stepper.snapshot == Watch(alarms=1, raised=1)


def test_it_is_raised_again_until_somebody_acknowledges_it(stepper: Stepper) -> None:
    alarm = AlarmRaised(INFY, Decimal(1501))
    stepper.tell(price(1501))
    stepper.run()

    stepper.advance(2 * REMIND_AFTER_S)
    stepper["notifier"].expect_all(alarm, alarm, alarm)

    stepper.tell(Acknowledge(INFY))
    stepper.run()
    stepper.advance(2 * REMIND_AFTER_S)
    stepper["notifier"].expect_nothing()


def test_an_alarm_that_makes_no_sense_is_refused(stepper: Stepper) -> None:
    assert stepper.ask(SetAlarm(RELIANCE, Decimal(2900))) == 2
    with pytest.raises(DomainError, match="never as low as 0"):
        stepper.ask(SetAlarm(RELIANCE, Decimal(0)))

    assert stepper.up


def test_after_a_crash_its_successor_knows_the_alarms_and_serves_what_waits(stepper: Stepper) -> None:
    stepper.ask(SetAlarm(RELIANCE, Decimal(2900)))
    stepper["store"].answers(GetAlarms, (SetAlarm(INFY, Decimal(1500)), SetAlarm(RELIANCE, Decimal(2900))))
    stepper.tell(price(3000, RELIANCE))

    stepper.crash()
    stepper.restart()
    stepper.run()

    stepper["notifier"].expect_all(AlarmRaised(RELIANCE, Decimal(3000)))


def test_on_a_thread_one_crash_costs_the_message_and_nothing_else(store: Neighbour) -> None:
    notifier = Neighbour("notifier")
    spec = ChildSpec("alarms", crashing(PriceAlarm, Ticks, nth=1))

    with running_tree(spec, neighbours=(store, notifier)) as grove:
        grove["alarms"].tell(price(1501))
        grove["alarms"].tell(price(1502))

        notifier.expect_all(AlarmRaised(INFY, Decimal(1502)))
        assert grove.dead_letters.counts() == {("alarms", "crashed"): 1}
        assert grove.child("alarms").last_error == "Injected: Ticks 1"


def test_one_that_crashes_for_ever_is_parked_and_its_siblings_do_not_notice(store: Neighbour) -> None:
    first = ChildSpec("alarms.first", PriceAlarm, intensity=2, give_up=GiveUp.PARK)
    second = ChildSpec("alarms.second", PriceAlarm)

    with running_tree(first, second, neighbours=(store, Neighbour("notifier"))) as grove:
        grove.park("alarms.first")

        assert grove["alarms.second"].ask(SetAlarm(RELIANCE, Decimal(2900)), WAIT_S) == 2
        assert grove.child("alarms.second").status is Status.RUNNING


def test_without_its_store_it_does_not_start(store: Neighbour) -> None:
    store.answers(GetAlarms, ActorCrashed("store crashed"))

    with pytest.raises(ActorCrashed, match="store crashed"):
        Stepper(PriceAlarm, "notifier", store)
