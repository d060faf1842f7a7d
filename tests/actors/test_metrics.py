"""Figures from what actors publish, whatever state the tree is in."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

from actors.database.commit import Plan
from actors.database.measures import Measures
from actors.dead_letter import dead_letter_unit
from actors.messages import CommitUnit
from actors.metrics.collector import Metrics
from actors.runtime.histogram import Histogram
from actors.runtime.metric import Metric, counter, gauge, histogram
from tests.actors.messages import NOW, delivery
from tests.actors.test_status import report, service
from tests.runtime.kit import WAIT_S, Fail, Grove, Note, Run
from tests.system.scrape import Scrape, parsed


def metrics(grove: Grove) -> Metrics:
    return Metrics(report(grove).build, grove.directory, grove.dead_letters)


def figures(grove: Grove) -> Scrape:
    return parsed(metrics(grove).text().decode())


@dataclass(frozen=True, slots=True)
class Measuring:
    """A snapshot that has figures of its own."""

    several: tuple[Metric, ...]
    document: dict[str, Any] = field(default_factory=dict)

    def as_status(self, _: float, /) -> dict[str, Any]:
        return self.document

    def as_metrics(self) -> Iterator[Metric]:
        yield from self.several


def publish(grove: Grove, name: str, *several: Metric) -> None:
    grove[name].ask(Run(lambda actor: actor.context.publish(Measuring(several))), WAIT_S)


def test_every_actor_has_its_figures() -> None:
    with service() as grove:
        grove["auth"].ask(Note(), WAIT_S)
        found = figures(grove)

        for name in grove.directory.handles:
            assert found.value("alpha_panda_actor_state", actor=name, state="running") == 1
            assert found.value("alpha_panda_actor_state", actor=name, state="parked") == 0
            assert found.value("alpha_panda_actor_mailbox_depth", actor=name) == 0
        assert found.value("alpha_panda_actor_handled_total", actor="auth") >= 1


def test_a_message_in_hand_ages_and_the_time_at_work_follows_when_it_is_done() -> None:
    with service() as grove:
        before = figures(grove).value("alpha_panda_actor_handler_seconds_sum", actor="auth")
        gate = grove.gate()
        grove["auth"].tell(gate)
        gate.wait_entered()
        grove.advance(2.5)

        assert figures(grove).value("alpha_panda_actor_handling_seconds", actor="auth") == 2.5
        gate.open()
        grove["auth"].ask(Note(), WAIT_S)
        found = figures(grove)
        assert found.value("alpha_panda_actor_handling_seconds", actor="auth") == 0
        assert found.value("alpha_panda_actor_handler_seconds_sum", actor="auth") - before == 2.5


def test_figures_of_several_actors_under_one_name_are_one_metric() -> None:
    with service() as grove:
        publish(grove, "auth", gauge("shared", "Of all.", ({"who": "auth"}, 1)))
        publish(grove, "health", gauge("shared", "Of all.", ({"who": "health"}, 2)))
        text = metrics(grove).text().decode()

    assert text.count("# TYPE shared gauge") == 1
    assert parsed(text).value("shared", who="health") == 2


def test_a_spread_has_its_buckets_its_count_and_its_sum() -> None:
    spread = Histogram((0.5, 1.0))
    spread.note_all([0.2, 0.7, 3.0])
    with service() as grove:
        publish(grove, "auth", histogram("took_seconds", "How long.", ({"x": "y"}, spread.spread())))
        found = figures(grove)

    buckets = [found.value("took_seconds_bucket", x="y", le=le) for le in ("0.5", "1.0", "+Inf")]
    assert buckets == [1, 2, 3]
    assert found.value("took_seconds_count", x="y") == 3
    assert found.value("took_seconds_sum", x="y") == 3.9


def test_a_figure_without_a_sample_is_left_out() -> None:
    with service() as grove:
        publish(grove, "auth", counter("nothing_total", "Nothing yet."))

        assert "nothing" not in metrics(grove).text().decode()


def test_messages_that_nobody_handled_are_told_with_their_reason() -> None:
    with service() as grove:
        for _ in range(3):
            grove["auth"].bury(Note(), "mailbox full")
        found = figures(grove)

    assert found.value("alpha_panda_dead_letters_total", actor="auth", reason="mailbox full") == 3
    assert found.value("alpha_panda_actor_dead_letters_total", actor="auth") == 3


def test_a_label_may_hold_anything() -> None:
    with service() as grove:
        grove["auth"].bury(Note(), 'a "reason"\nof two lines \\')
        found = figures(grove)

    assert found.value("alpha_panda_dead_letters_total", actor="auth", reason='a "reason"\nof two lines \\') == 1


def test_labels_are_masked_as_log_lines_are_and_stay_apart() -> None:
    strategies = ("calm", "password=hunter2", "password=hunter3", "postgresql://u:hunter2@h/d")
    with service() as grove:
        publish(grove, "auth", gauge("pnl", "Of each.", *(({"strategy_id": s}, n) for n, s in enumerate(strategies))))
        text = metrics(grove).text().decode()

    found = parsed(text)
    shown = ("calm", "password=********", "password=******** (2)", "postgresql://u:********@h/d")
    assert [found.value("pnl", strategy_id=one) for one in shown] == [0, 1, 2, 3]
    assert "hunter" not in text


def test_servers_that_are_away_show_as_such() -> None:
    away = {"state": "away", "url": "x", "error": "refused", "events": {}, "streams": {}}
    with service(database=away, gateway=away) as grove:
        found = figures(grove)

    assert found.value("trading_connection_status", connection_type="postgres", broker="shared") == 0
    assert found.value("trading_connection_status", connection_type="nats", broker="shared") == 0
    assert found.value("alpha_panda_ready") == 0


class TestTheWriter:
    def test_the_wait_of_a_signal_counts_from_the_stream_to_the_commit_of_its_fill(self) -> None:
        measures = Measures()
        waits_s = (0.004, 0.2, -3.0)
        filled = [self._unit(NOW - timedelta(seconds=wait_s), portfolio=object()) for wait_s in waits_s]
        placed_only = self._unit(NOW - timedelta(seconds=50))

        measures.committed(self._plan(*filled, placed_only), 0.02, NOW)

        found = measures.figures()
        (path,) = found.paths.values()
        assert sum(path.counts) == 3
        assert round(path.total, 6) == 0.204
        assert (sum(found.units.counts), found.units.total) == (1, 4)
        assert (sum(found.seconds.counts), found.seconds.total) == (1, 0.02)

    def test_dead_letters_count_for_their_broker(self) -> None:
        measures = Measures()
        letters = [dead_letter_unit(delivery(), "bad", "BadMessage", broker=broker) for broker in ("paper", None)]

        measures.committed(self._plan(*letters), 0.01, datetime.now(UTC))

        assert measures.figures().letters == {"shared": 1, "paper": 1}

    @staticmethod
    def _unit(stored_at: datetime, portfolio: Any = None) -> CommitUnit:
        return CommitUnit("c", "m", delivery(stored_at=stored_at), broker="paper", portfolio=portfolio)

    @staticmethod
    def _plan(*units: CommitUnit) -> Plan:
        return Plan(units, units, (), frozenset())


def test_a_crash_is_a_failure_of_the_actor() -> None:
    with service() as grove:
        grove["auth"].tell(Fail(ValueError("no")))
        grove["auth"].ask(Note(), WAIT_S)
        found = figures(grove)

    assert found.value("alpha_panda_actor_failed_total", actor="auth") == 1
    assert found.value("trading_errors_total", component="auth", error_type="handler", broker="shared") == 1


def test_a_scrape_asks_the_kernel_for_memory_and_files_and_for_nothing_else() -> None:
    """Each question lets all other threads compute before the answer is taken."""
    asked: list[str] = []

    def note(_frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and called.__module__ in {"posix", "_io", "_socket"}:
            asked.append(called.__name__)

    with service() as grove:
        scraped = metrics(grove)
        gc.collect()
        gc.disable()  # what it closes is not asked for here
        sys.setprofile(note)
        try:
            scraped.text()
        finally:
            sys.setprofile(None)
            gc.enable()

    assert sorted(asked) == ["getpid", "pread", "stat"]
