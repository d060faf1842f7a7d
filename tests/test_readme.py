"""README.md tells the truth: its commands are run in order, on one daemon, and print what it says they print.

A line of `...` in the README stands for any lines, `...` within a line for any text, and runs of spaces are one.
`./panda` itself is tried in `test_panda.py`; here its commands run in this interpreter, and of `./panda test`, which
would run this very test, only that the test runner takes it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from settings import Settings
from tests.system.daemon import Daemon, eventually
from tests.test_database_page import LIMITS

CHECKOUT = Path(__file__).parents[1]
README = (CHECKOUT / "README.md").read_text()
PROGRAM = f"{sys.executable} -m supervisor"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SETTING = re.compile(r"`([A-Z]+(?:_[A-Z]+)*(?:__[A-Z_]+)*)`")
RUN, TEST = "./panda run", "./panda test"
DEADLINE_S = 120.0


@dataclass(frozen=True, slots=True)
class Example:
    """One command of the README, and what it says the command prints."""

    command: str
    printed: str


def examples() -> list[Example]:
    found = []
    for language, block in FENCE.findall(README):
        if language == "console":
            first, *parts = re.split(r"^\$ ", block, flags=re.MULTILINE)
            assert first == "", "a console block begins with a command"
            found += [Example(*part.split("\n", 1)) for part in parts]
    return found


def matches(expected: str, printed: str) -> bool:
    """Whether the text is as expected, line by line."""
    pattern = ""
    for line in expected.splitlines():
        if line == "...":
            pattern += r"(?:.*\n)*?"
        else:
            words = re.escape(" ".join(line.split())).replace(r"\.\.\.", ".*")
            pattern += rf"{words}\n"
    lines = (" ".join(line.split()) for line in printed.splitlines())
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)) is not None


class ReadmeDaemon(Daemon):
    """The daemon of the README, run as it says, with its log as on a terminal."""

    def __init__(self, state_dir: Path) -> None:
        servers = {"DATABASE__POSTGRES_URL": "", "NATS__URL": "", "ACTIVE_BROKERS": "paper"}
        super().__init__(state_dir, RUNTIME_DIR=str(state_dir), LOG__FORMAT="console", COLUMNS="80", **servers)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[ReadmeDaemon]:
    with ReadmeDaemon(tmp_path / "state") as daemon:
        yield daemon


def run(command: str, daemon: Daemon) -> str:
    """Run a shell line of the README in the checkout; returns what it prints."""
    line = command.replace(TEST, f"{sys.executable} -m pytest --collect-only -q -n 0 tests/console/test_output.py")
    done = subprocess.run(
        ["/bin/sh", "-c", line.replace("./panda", PROGRAM)],
        cwd=CHECKOUT,
        env={**os.environ, "STATE_DIR": str(daemon.state_dir), "RUNTIME_DIR": str(daemon.state_dir), "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_every_command_prints_what_the_readme_says(daemon: ReadmeDaemon) -> None:
    told = examples()
    assert [example.command for example in told[:2]] == [RUN, TEST]

    eventually(lambda: matches(told[0].printed, daemon.log()))
    for example in told[1:]:
        if example.command == "./panda status":
            eventually(lambda: daemon.status()["brokers"]["paper"]["fills"])
        printed = run(example.command, daemon)
        assert matches(example.printed, printed), f"{example.command} printed\n{printed}\nnot\n{example.printed}"

    assert told[-1].command == "./panda stop"
    assert daemon.ended() == 0


def test_every_setting_of_the_readme_exists_and_every_setting_is_in_it() -> None:
    section = README.partition("## Settings")[2].partition("\n## ")[0]
    table = "\n".join(line for line in section.splitlines() if line.startswith("|"))
    told = {name for name in SETTING.findall(table) if "_" in name}

    assert told == set(_names())


def _names() -> Iterator[str]:
    """Every setting an operator would give, as an environment variable; the limits are told in docs/database.md."""
    left_out = set(LIMITS)
    for name, field in Settings.model_fields.items():
        section = getattr(field.annotation, "model_fields", None)
        if name == "trading":
            yield "TRADING__PAPER__ENABLED"
        elif section is None:
            yield name.upper()
        else:
            yield from (f"{name}__{part}".upper() for part in section if part not in left_out)


def test_every_place_of_the_readme_exists() -> None:
    table = README.partition("## Where things are")[2].partition("\n## ")[0]
    places = [name for row in table.splitlines() for name in re.findall(r"`([^`]+)`", row.partition(" | ")[0])]

    assert len(places) > 5
    assert [place for place in places if not (CHECKOUT / place).exists()] == []
