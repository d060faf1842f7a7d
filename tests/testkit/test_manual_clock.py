"""Time moves when the test moves it, and fires what falls due on the way."""

from __future__ import annotations

from actors.testkit import ManualClock, ManualTimers, Probe


def timers() -> tuple[ManualClock, ManualTimers]:
    clock = ManualClock()
    return clock, ManualTimers(clock)


def test_both_faces_of_the_clock_move_together() -> None:
    clock = ManualClock()
    at, now = clock.monotonic(), clock.now()

    clock.advance(1.5)

    assert clock.monotonic() - at == 1.5
    assert (clock.now() - now).total_seconds() == 1.5
    assert clock.now().utcoffset() is not None


def test_each_timer_fires_at_its_time_in_order_and_the_cancelled_do_not() -> None:
    clock, some = timers()
    begin, probe = clock.monotonic(), Probe(wait_s=0)
    for delay_s in (3.0, 1.0, 2.0, 9.0):
        some.after(delay_s, lambda: probe.put(clock.monotonic() - begin))
    some.after(1.5, lambda: probe.put("cancelled")).cancel()

    some.advance(5)

    probe.expect_all(1.0, 2.0, 3.0)
    assert clock.monotonic() - begin == 5
    assert some.waiting() == [4.0]


def test_what_a_timer_schedules_fires_as_well_if_it_falls_due() -> None:
    clock, some = timers()
    begin, probe = clock.monotonic(), Probe(wait_s=0)

    def tick() -> None:
        probe.put(clock.monotonic() - begin)
        some.after(2, tick)

    tick()
    some.advance(5)

    probe.expect_all(0.0, 2.0, 4.0)
    assert some.waiting() == [1.0]


def test_something_can_be_done_after_each_time_at_which_a_timer_fired() -> None:
    _, some = timers()
    probe = Probe(wait_s=0)
    for delay_s in (1, 1, 2):
        some.after(delay_s, lambda delay_s=delay_s: probe.put(delay_s))  # type: ignore[misc]

    some.advance(3, then=lambda: probe.put("then"))

    probe.expect_all(1, 1, "then", 2, "then")
