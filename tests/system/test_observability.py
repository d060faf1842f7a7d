"""The dashboard and the alert rules ask for what the daemon really shows, and the page tells of every alert."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from tests.system import streams
from tests.system.daemon import CHECKOUT, Daemon, eventually
from tests.system.scrape import scrape, used

RULES = CHECKOUT / "deploy" / "prometheus" / "alpha-panda.rules.yml"
DASHBOARD = CHECKOUT / "deploy" / "grafana" / "alpha-panda.json"
PAGE = CHECKOUT / "docs" / "alerts.md"
OF_PROMETHEUS = {"up"}
"""Metrics that Prometheus makes itself; it adds the labels below to every sample."""
TARGET_LABELS = {"instance", "job"}
LEGEND = re.compile(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}")


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[str, str, str]]:
    """Where each expression stands, the expression, and the text with labels that goes with it."""
    for rule in rules():
        yield rule["alert"], rule["expr"], rule["annotations"]["summary"]
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]


@pytest.fixture
def shown(daemon: Daemon, streams_url: str) -> dict[str, set[str]]:
    """Every name that a daemon shows after it has had some of everything, with its labels."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    login = {"user_id": "alice", "access_token": "t", "broker": "paper", "expires_at": tomorrow}
    daemon.request("POST", "/sessions", login)
    bad = streams.signal(side="BUY", quantity=0, price="100")
    streams.publish(streams_url, "paper.signals.validated", [streams.signal(side="BUY", quantity=1, price="100"), bad])
    eventually(lambda: scrape(daemon).value("alpha_panda_stored_dead_letters") == 1)
    eventually(lambda: "paper_cash_balance" in scrape(daemon).labels())
    eventually(lambda: "alpha_panda_stream_pending" in scrape(daemon).labels())
    eventually(lambda: "trading_processing_latency_seconds_count" in scrape(daemon).labels())
    return scrape(daemon).labels()


def test_all_that_is_asked_for_is_shown_with_its_labels(shown: dict[str, set[str]]) -> None:
    asked = 0
    for place, expression, text in queries():
        metrics = used(expression)
        assert metrics, f"{place}: asks for nothing"
        for name, labels in metrics.items():
            asked += 1
            if name not in OF_PROMETHEUS:
                assert name in shown, f"{place}: the daemon shows no {name}"
                missing = labels - shown[name] - TARGET_LABELS
                assert not missing, f"{place}: {name} has no label {', '.join(missing)}"
        known = set.union(*(shown.get(name, set()) for name in metrics)) | TARGET_LABELS
        assert set(LEGEND.findall(text)) <= known, f"{place}: {text}"
    assert asked > 50


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('sum by (le, x) (rate(a_bucket{b=~"c(d)"}[5m])) > 1', {"a_bucket": {"b", "le", "x"}}),
        ("a / b{c!='d', e=\"f\"} and 1e9 < time()".replace("'", '"'), {"a": set(), "b": {"c", "e"}}),
        ("rate(a[$__rate_interval]) / rate(b[1m])", {"a": set(), "b": set()}),
    ],
)
def test_expressions_are_read_as_they_are_meant(expression: str, names: dict[str, set[str]]) -> None:
    assert used(expression) == names


def test_every_alert_has_its_section_in_the_page_and_no_other_has() -> None:
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL))

    assert list(sections) == [rule["alert"] for rule in rules()]
    for name, text in sections.items():
        for part in ("**Means:** ", "**Look at:** ", "**Do:** "):
            assert text.count(f"\n{part}") == 1, f"{name}: {part}"


def test_every_alert_says_how_bad_it_is_and_where_to_read_on() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["runbook"] == f"docs/alerts.md#{rule['alert'].lower()}"


def test_every_panel_has_a_place_of_its_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        fields = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not fields & taken, panel["title"]
        taken |= fields
    identities = [panel["id"] for panel in json.loads(DASHBOARD.read_text())["panels"]]
    assert len(identities) == len(set(identities))
