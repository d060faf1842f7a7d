"""Whether the service manager is told that all is well: by what the watched threads do, and by nothing else."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.runtime.systemd import Notifier
from actors.runtime.tree import Status
from actors.runtime.watchdog import GRACE_S, IDLE_S, Pulse, Watchdog, pulses
from tests.runtime.kit import Grove, ManualClock, Note, Probe, parkable, tree, worker
from tests.runtime.kit import park as park_it
from tests.system.daemon import eventually

BUDGET_S = 30.0
WAIT_S = 5.0


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.settimeout(WAIT_S)
        one.bind(str(tmp_path / "notify"))
        yield one


def frozen(grove: Grove) -> list[str]:
    now = grove.clock.monotonic()
    found = pulses(grove.supervisor, grove.directory, "a", "b")
    return [pulse.name for pulse in found if pulse.has_stopped(now)]


def end_of_note(grove: Grove) -> None:
    """Have the writer handle something, and wait until it has nothing in hand."""
    grove["a"].tell(Note("x"))
    eventually(lambda: grove["a"].telemetry.handled and grove["a"].telemetry.handling is None)


def test_a_thread_is_frozen_when_its_last_sign_of_life_is_older_than_its_limit() -> None:
    pulse = Pulse("a", 100.0, 15.0)

    assert not pulse.has_stopped(115.0)
    assert pulse.has_stopped(115.1)


def test_a_thread_that_has_shown_no_sign_yet_is_starting() -> None:
    assert not Pulse("a", 0.0, 15.0).has_stopped(1000.0)


def test_a_handler_has_its_budget_and_the_supervisor_its_time_to_replace_the_actor(probe: Probe) -> None:
    spec = worker(probe, "a", handler_budget_s=BUDGET_S)
    with tree(spec, worker(probe, "b"), probe=probe) as grove:
        gate = grove.gate()
        grove["a"].tell(gate)
        gate.wait_entered()

        pulse = next(one for one in pulses(grove.supervisor, grove.directory, "a", "b") if one.name == "a")

        assert pulse.limit_s == BUDGET_S + GRACE_S
        assert pulse.at == grove.clock.monotonic()


def test_a_writer_that_has_nothing_in_hand_for_long_is_frozen(probe: Probe) -> None:
    with tree(worker(probe, "a"), worker(probe, "b"), probe=probe) as grove:
        end_of_note(grove)
        grove.advance(IDLE_S + 1)

        assert frozen(grove) == ["a"]


def test_a_supervisor_that_looks_after_its_children_is_not(probe: Probe) -> None:
    with tree(worker(probe, "a"), probe=probe) as grove:
        grove.advance(10 * IDLE_S)
        end_of_note(grove)

        assert frozen(grove) == []


def test_a_loop_is_judged_by_its_own_pulse(probe: Probe) -> None:
    with tree(worker(probe, "a"), worker(probe, "b"), probe=probe) as grove:
        grove["b"].telemetry.pulse = grove.clock.monotonic()
        grove.advance(IDLE_S + 1)

        assert frozen(grove) == ["b's loop"]


def test_a_child_that_is_down_is_its_supervisors_to_mend(probe: Probe) -> None:
    with tree(parkable(probe), probe=probe) as grove:
        park_it(grove)
        grove.advance(10 * IDLE_S)

        assert grove.child("a").status is Status.PARKED
        assert frozen(grove) == []


def test_before_the_tree_and_after_it_nobody_is_watched(probe: Probe) -> None:
    with tree(worker(probe, "a"), probe=probe) as grove:
        pass
    grove.clock.advance(10 * IDLE_S)

    assert pulses(grove.supervisor, grove.directory, "a", "b") == []


def test_the_manager_is_fed_while_all_live_and_not_when_one_does_not(manager: socket.socket) -> None:
    clock, told = ManualClock(), list[list[str]]()
    at = clock.monotonic()
    watchdog = Watchdog(Notifier(str(manager.getsockname()), 30.0), lambda: [Pulse("a", at, 15.0)], clock, told.append)

    watchdog.look()
    assert manager.recv(100) == b"WATCHDOG=1"

    clock.advance(16.0)
    watchdog.look()
    watchdog.look()
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.recv(100)
    assert told == [["a"]]


def test_a_thread_that_goes_on_after_all_is_fed_for_again(manager: socket.socket) -> None:
    clock, told = ManualClock(), list[list[str]]()
    ats = [clock.monotonic()]
    notifier = Notifier(str(manager.getsockname()), 30.0)
    watchdog = Watchdog(notifier, lambda: [Pulse("a", ats[-1], 15.0)], clock, told.append)
    clock.advance(16.0)
    watchdog.look()
    ats.append(clock.monotonic())

    watchdog.look()

    assert manager.recv(100) == b"WATCHDOG=1"
    assert told == [["a"]]


def test_the_thread_feeds_by_itself_and_ends_when_told(manager: socket.socket) -> None:
    watchdog = Watchdog(Notifier(str(manager.getsockname()), 0.03), list, ManualClock(), lambda _: None)

    watchdog.start()
    fed = [manager.recv(100) for _ in range(3)]
    watchdog.stop()

    assert fed == [b"WATCHDOG=1"] * 3


def test_without_a_limit_there_is_no_thread(manager: socket.socket) -> None:
    watchdog = Watchdog(Notifier(str(manager.getsockname())), list, ManualClock(), lambda _: None)

    watchdog.start()
    watchdog.stop()

    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.recv(100)
