"""Measuring in interleaved rounds: what else the machine does meets both sides alike."""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import structlog

from benchmarks.measurement import BenchmarkFailed, Options, Sample

T = TypeVar("T")

DEADLINE_S = 120.0
"""A round that takes longer than this will not end."""


def interleave(options: Options, *sides: Callable[[], T]) -> list[tuple[T, ...]]:
    """Run each side once unmeasured, but for a quick run, then all in turn; what each side returned, round by round."""
    figures: list[list[T]] = [[] for _ in sides]
    for side in () if options.quick else sides:
        side()
    for _ in range(options.rounds):
        for collected, side in zip(figures, sides, strict=True):
            gc.collect()
            collected.append(side())
    return [tuple(collected) for collected in figures]


def seconds(act: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def wait(event: threading.Event, what: str) -> None:
    """Wait for what must happen.

    Raises:
        BenchmarkFailed: it did not happen within `DEADLINE_S`.
    """
    if not event.wait(DEADLINE_S):
        raise BenchmarkFailed(f"{what} did not happen within {DEADLINE_S:g} s")


def quantiles(rounds: Iterable[Sequence[float]], share: float) -> Sample:
    """Of each round, the value below which that share of its values lies."""
    return Sample(tuple(sorted(values)[min(len(values) - 1, int(len(values) * share))] for values in rounds))


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing that is not critical is logged: a benchmark measures actors, not the terminal."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


@contextmanager
def on_one_core() -> Iterator[None]:
    """This thread, and those it starts meanwhile, share one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
