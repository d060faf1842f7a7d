"""Stopping on real threads: the exact reverse of the start, bounded whatever a child does."""

from __future__ import annotations

import threading

import pytest

from actors.errors import NotDelivered
from actors.messages import Ping, RestartChild
from actors.runtime.tree import Phase, Status
from tests.runtime.kit import WAIT_S, Down, Note, Probe, Up, Worker, raising, stop_order, tree, wait_for, worker


class TestStop:
    def test_it_is_the_exact_reverse_of_the_start_each_after_the_end_of_the_one_before(self, probe: Probe) -> None:
        table = [
            worker(probe, "database"),
            worker(probe, "auth", depends_on=("database",)),
            worker(probe, "broker", depends_on=("auth",)),
            worker(probe, "gateway", depends_on=("broker",)),
        ]

        with tree(*table, probe=probe) as grove:
            probe.expect_all(Up("database"), Up("auth"), Up("broker"), Up("gateway"))
            assert grove.stop() == ("stopped by the test", 0)

        probe.expect_all(Down("gateway"), Down("broker"), Down("auth"), Down("database"))

    def test_a_child_that_stops_slowly_holds_those_it_depends_on(self, probe: Probe) -> None:
        stopping, release = threading.Event(), threading.Event()

        def slowly(_: Worker) -> None:
            stopping.set()
            wait_for(release)

        table = [worker(probe, "a"), worker(probe, "b", stop=slowly, depends_on=("a",))]
        with tree(*table, probe=probe) as grove:
            grove.supervisor.tell_control(stop_order())
            assert stopping.wait(WAIT_S)
            assert grove["a"].ask(Ping(), WAIT_S) == "a"

            release.set()
            assert grove.wait_down() == ("asked", 0)

    def test_a_stop_comes_before_a_backlog(self, probe: Probe) -> None:
        with tree(worker(probe, "a", mailbox_capacity=200_000), probe=probe) as grove:
            gate = grove.gate()
            grove["a"].tell(gate)
            gate.wait_entered()
            assert grove["a"].tell_all(Note(number) for number in range(100_000)) == 100_000
            grove.supervisor.tell_control(stop_order())
            grove.until_status("a", Status.STOPPING)
            gate.open()
            grove.wait_down()

            probe.expect_all(Up("a"), Down("a"))
            assert grove.dead_letters.counts() == {("a", "the tree stopped"): 100_000}

    def test_one_that_does_not_stop_is_abandoned_and_the_rest_stops(self, probe: Probe) -> None:
        release = threading.Event()
        table = [
            worker(probe, "a"),
            worker(probe, "b", stop=lambda _: wait_for(release), shutdown_s=2, depends_on=("a",)),
        ]

        with tree(*table, probe=probe) as grove:
            (late,) = grove.threads_named("b")
            grove.supervisor.tell_control(stop_order())
            probe.expect_all(Up("a"), Up("b"), Down("b"))
            grove.advance(2)

            assert grove.wait_down() == ("asked", 0)
            probe.expect_all(Down("a"))
            release.set()
            late.join(WAIT_S)
            assert grove.dead_letters.total() == 0

    def test_one_that_crashes_on_its_way_out_is_not_restarted(self, probe: Probe) -> None:
        with tree(worker(probe, "a", stop=raising(ValueError("on the way out"))), probe=probe) as grove:
            assert grove.stop() == ("stopped by the test", 0)

        assert grove.child("a").last_error == "ValueError: on the way out"

    def test_a_tree_may_be_stopped_while_it_starts(self, probe: Probe) -> None:
        release = threading.Event()
        table = [worker(probe, "a", start=lambda _: wait_for(release)), worker(probe, "b", depends_on=("a",))]

        with tree(*table, probe=probe, wait=False) as grove:
            probe.expect_all(Up("a"))
            grove.supervisor.tell_control(stop_order())
            grove.until(lambda state: state.phase is Phase.STOPPING)
            release.set()
            grove.wait_down()

        probe.expect_all(Down("a"))
        assert probe.pending() == []

    def test_the_supervisor_ends_with_its_tree(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), probe=probe) as grove:
            grove.stop()

        assert grove.supervisor.mailbox.closed
        with pytest.raises(NotDelivered):
            grove.supervisor.ask(RestartChild("a"), WAIT_S)
