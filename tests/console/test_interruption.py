"""Ctrl-C ends a command without a word, however early it comes, and SIGTERM the daemon."""

from __future__ import annotations

import configparser
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]

# The process sends itself a signal when the module is about to be imported: what follows is the installed entry point.
PROGRAM = """
import importlib, os, signal, sys
class Interruption:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), {number})
sys.meta_path.insert(0, Interruption())
module, _, function = {entry!r}.partition(":")
sys.exit(getattr(importlib.import_module(module), function)())
"""


@pytest.fixture(autouse=True)
def _not_ignored() -> Iterator[None]:
    """A shell that runs the tests in the background lets them ignore SIGINT, and they would hand that on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted_at(module: str, *words: str, number: int = signal.SIGINT) -> subprocess.CompletedProcess[str]:
    setup = configparser.ConfigParser()
    setup.read(CHECKOUT / "setup.cfg")
    entry = setup["options.entry_points"]["console_scripts"].partition("=")[2].strip()
    program = PROGRAM.format(module=module, entry=entry, number=int(number))
    command = [sys.executable, "-c", program, *words]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("module", ["console.app", "typer", "pydantic", "platformdirs", "console.groups"])
def test_ctrl_c_during_the_imports_of_the_command_line_ends_it_quietly(module: str) -> None:
    done = interrupted_at(module, "--version")

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("supervisor", ["run"]),
        ("nats", ["run"]),
        ("sqlalchemy", ["instruments", "count"]),
        ("console.status", ["status"]),
        ("console.commands.sessions", ["sessions"]),
        ("console.demo.story", ["demo"]),
    ],
)
def test_ctrl_c_during_the_imports_of_a_command_ends_it_quietly(module: str, words: list[str]) -> None:
    done = interrupted_at(module, *words)

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("module", ["console.app", "typer", "pydantic", "supervisor", "nats", "sqlalchemy"])
def test_a_daemon_that_is_stopped_before_anything_is_started_has_stopped_well(tmp_path: Path, module: str) -> None:
    done = interrupted_at(module, "run", number=signal.SIGTERM)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / "state").exists()


def test_another_command_ends_by_the_signal_that_stops_it() -> None:
    assert interrupted_at("typer", "--version", number=signal.SIGTERM).returncode == -signal.SIGTERM


def test_a_caller_that_ignores_ctrl_c_is_obeyed() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        done = interrupted_at("typer", "--version")
    finally:
        signal.signal(signal.SIGINT, before)

    assert done.returncode == 0
    assert done.stdout.startswith("alpha-panda ")
