"""Where threads are: file, line, function and source, and nothing of what variables hold."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from actors.runtime.stacks import DEEPEST, as_text, stacks
from tests.runtime.kit import WAIT_S, Gate


def wait_here(gate: Gate) -> None:
    password = "the secret of a local variable"  # it must not be told
    gate.hold()
    assert password


def descend(gate: Gate, depth: int) -> None:
    if depth:
        descend(gate, depth - 1)
    else:
        gate.hold()


@contextmanager
def held(target: object, *arguments: object) -> Iterator[threading.Thread]:
    """A thread that waits in the function until the test is done with it."""
    gate = Gate()
    thread = threading.Thread(target=target, args=(gate, *arguments))  # type: ignore[arg-type]
    thread.start()
    try:
        gate.wait_entered()
        yield thread
    finally:
        gate.open()
        thread.join(WAIT_S)


def test_a_frame_has_its_file_line_function_and_source() -> None:
    with held(wait_here) as thread:
        stack = stacks([thread])[thread]

    frame = next(frame for frame in stack if frame.function == "wait_here")
    assert (frame.file, frame.source) == ("tests/runtime/test_stacks.py", "gate.hold()")
    assert frame.line == wait_here.__code__.co_firstlineno + 2
    assert f"tests/runtime/test_stacks.py:{frame.line} wait_here\n    gate.hold()" in as_text(stack)


def test_the_outermost_call_is_told_first() -> None:
    with held(wait_here) as thread:
        functions = [frame.function for frame in stacks([thread])[thread]]

    assert functions.index("_bootstrap") < functions.index("wait_here") < functions.index("hold")


def test_files_of_the_standard_library_are_told_without_the_place_they_are_installed_in() -> None:
    with held(wait_here) as thread:
        files = {frame.file for frame in stacks([thread])[thread]}

    assert "threading.py" in files


def test_the_value_of_no_variable_is_told() -> None:
    with held(wait_here) as thread:
        stack = stacks([thread])[thread]

    assert "local variable" not in as_text(stack) + repr(stack)


def test_of_a_deep_stack_the_innermost_frames_are_told() -> None:
    with held(descend, 2 * DEEPEST) as thread:
        functions = [frame.function for frame in stacks([thread])[thread]]

    assert len(functions) == DEEPEST
    assert "hold" in functions
    assert functions[0] == "descend"


def test_a_thread_that_ended_or_never_began_has_none() -> None:
    ended, never = threading.Thread(target=len, args=("",)), threading.Thread()
    ended.start()
    ended.join(WAIT_S)

    assert stacks([ended, never]) == {}


def test_one_s_own_thread_can_be_told_and_no_frame_is_kept_alive() -> None:
    class Mark:
        pass

    def look() -> None:
        mark = Mark()
        assert "look" in {one.function for one in stacks([threading.current_thread()])[threading.current_thread()]}
        assert mark

    gc.collect()
    gc.disable()
    try:
        look()
        assert not [one for one in gc.get_objects() if isinstance(one, Mark)]
    finally:
        gc.enable()


def test_a_source_that_cannot_be_read_leaves_its_line_out() -> None:
    place: dict[str, object] = {}
    exec(compile("def run(gate):\n    gate.hold()\n", "<made up>", "exec"), place)

    with held(place["run"]) as thread:
        text = as_text(stacks([thread])[thread])

    assert "<made up>:2 run\n" in text
    assert "<made up>:2 run\n " not in text


def test_a_folder_on_the_path_that_is_no_text_of_any_file_does_no_harm() -> None:
    sys.path.insert(0, "")
    try:
        with held(wait_here) as thread:
            assert stacks([thread])[thread]
    finally:
        sys.path.remove("")
