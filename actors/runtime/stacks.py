"""Where threads are right now: file, line, function and source line of each frame, never the values of variables."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

DEEPEST = 100
"""Of a deeper stack only the innermost frames are told."""

_ROOT = str(Path(__file__).resolve().parents[2])


@dataclass(frozen=True, slots=True)
class Frame:
    """One call; `file` is relative to the directory that it was imported from."""

    file: str
    line: int | None
    function: str
    source: str


Stack = tuple[Frame, ...]
"""The calls of one thread, outermost first."""


def stacks(threads: Iterable[threading.Thread]) -> dict[threading.Thread, Stack]:
    """Those of the threads that are alive. Nobody is asked or stopped, so a thread that runs may be a line further."""
    places = sorted({_ROOT, *filter(None, sys.path)}, key=len, reverse=True)
    frames = sys._current_frames()
    try:
        alive = [thread for thread in threads if thread.ident in frames and thread.is_alive()]
        return {thread: _stack(frames[thread.ident or 0], places) for thread in alive}
    finally:
        frames.clear()


def as_text(stack: Stack) -> str:
    """Two lines for each frame: `file:line function`, and the source line where it is known."""
    return "\n".join(
        f"{frame.file}:{frame.line} {frame.function}" + (f"\n    {frame.source}" if frame.source else "")
        for frame in stack
    )


def _stack(frame: FrameType, places: list[str]) -> Stack:
    summary = traceback.StackSummary.extract(traceback.walk_stack(frame), limit=DEEPEST, capture_locals=False)
    summary.reverse()
    return tuple(Frame(_short(one.filename, places), one.lineno, one.name, one.line or "") for one in summary)


def _short(filename: str, places: list[str]) -> str:
    place = next((place for place in places if filename.startswith(f"{place}/")), None)
    return filename if place is None else filename[len(place) + 1 :]
