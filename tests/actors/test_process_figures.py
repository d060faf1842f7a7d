"""The figures of this process are those that Prometheus' own library finds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, ProcessCollector

from actors.metrics.process import Process

CLOSE = {"process_cpu_seconds_total": 0.5, "process_open_fds": 4, "process_start_time_seconds": 0.02}
SHARE = 0.05
"""By which memory may have grown between the two looks."""


def ours() -> dict[str, float]:
    return {metric.name: float(value) for metric in Process().figures() for _, value in metric.samples}  # type: ignore[arg-type]


def theirs() -> dict[str, float]:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return {sample.name: sample.value for metric in registry.collect() for sample in metric.samples}


def test_they_have_the_same_names_and_values() -> None:
    found, expected = ours(), theirs()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=CLOSE.get(name, value * SHARE))


def test_files_are_counted_where_the_kernel_does_not_tell_their_number(tmp_path: Path) -> None:
    for name in ("self", "self/fd", "self/fd/0", "self/fd/1", "self/fd/2"):
        (tmp_path / name).mkdir()
    (tmp_path / "self/statm").write_text("100 50 0 0 0 0 0\n")
    (tmp_path / "self/stat").write_text("1 (a (b) c) S " + " ".join(str(field) for field in range(50)))
    (tmp_path / "stat").write_text("cpu 1 2 3\nbtime 1000\n")
    figures = {metric.name: metric.samples[0][1] for metric in Process(tmp_path).figures()}
    told = (tmp_path / "self/fd").stat().st_size
    assert figures["process_open_fds"] == (told or 3)
    assert figures["process_resident_memory_bytes"] == 50 * os.sysconf("SC_PAGE_SIZE")
