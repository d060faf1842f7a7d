"""Commands run in this process, against one daemon with embedded servers that is started once."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from console.app import execute
from tests.system.daemon import SERVICE, Daemon

Command = Callable[..., "Result"]


@dataclass(frozen=True, slots=True)
class Result:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


def embedded_daemon(state_dir: Path, command: Sequence[str] = SERVICE) -> Daemon:
    """A daemon with servers of its own, whatever the settings of the person who runs the tests."""
    environment = {"DATABASE__POSTGRES_URL": "", "NATS__URL": "", "ACTIVE_BROKERS": "paper"}
    return Daemon(state_dir, command=command, RUNTIME_DIR=str(state_dir), **environment)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command of `alpha-panda` in a screen of 80 columns; `given` is its standard input."""
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str | Path, given: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        capsys.readouterr()
        code = execute([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Result(code, printed.out, printed.err)

    return run


@pytest.fixture(scope="session")
def running_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    state_dir = tmp_path_factory.mktemp("console") / "state"
    with embedded_daemon(state_dir) as daemon:
        yield daemon


@pytest.fixture
def daemon(running_daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    """The daemon that every test shares; the settings of this test name its state directory."""
    monkeypatch.setenv("STATE_DIR", str(running_daemon.state_dir))
    return running_daemon
