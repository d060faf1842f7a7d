"""`./panda test --repeat`: each test runs the tool on a small suite of its own, in real processes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.repetition import CHECKOUT, DEFAULT_PATH, parse
from tests.system.daemon import eventually

DEADLINE_S = 180.0

PASSING = "def test_one(): assert True\ndef test_two(): assert True\n"

FAILING_IN_ROUND_3 = """\
import pathlib
def test_it():
    rounds = pathlib.Path(__file__).with_name("rounds")
    rounds.write_text((rounds.read_text() if rounds.exists() else "") + "x")
    assert rounds.read_text() != "xxx", "the third"
"""

SHUFFLED = """\
import pathlib, pytest
@pytest.mark.parametrize("number", range(12))
def test_one_of_many(number):
    with pathlib.Path(__file__).with_name("order").open("a") as order:
        order.write(f"{number} ")
"""

INTERVAL = "import sys\ndef test_interval(): assert (sys.getswitchinterval() < 1e-5) is {hostile}\n"

HANGING = "import threading\ndef test_that_hangs(): threading.Event().wait()\n"

HELD = """\
import os, socket, psutil
def test_held():
    beside = [one.pid for one in psutil.Process(os.getppid()).children()]
    with socket.create_connection(("127.0.0.1", {port})) as connection:
        connection.sendall(" ".join(map(str, beside)).encode())
        connection.recv(1)
"""


def make_suite(directory: Path, text: str) -> Path:
    path = directory / "test_small.py"
    path.write_text(text)
    return path


def start(*words: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.repetition", *words],
        cwd=CHECKOUT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(*words: str | Path) -> tuple[int, str]:
    with start(*words) as process:
        output, _ = process.communicate(timeout=DEADLINE_S)
    return process.returncode, output


def test_every_round_has_a_seed_of_its_own_and_the_tests_are_counted(tmp_path: Path) -> None:
    status, output = run("--repeat", "3", make_suite(tmp_path, PASSING))

    assert status == 0, output
    assert len(set(re.findall(r"^round \d of 3, seed (\d+): 2 passed in ", output, re.MULTILINE))) == 3
    assert output.endswith("all rounds passed: 3, tests: 6\n")


def test_the_first_round_that_fails_is_the_last_and_is_shown_whole(tmp_path: Path) -> None:
    status, output = run("--repeat", "50", "--seed", "7", make_suite(tmp_path, FAILING_IN_ROUND_3))

    assert status == 1
    assert "AssertionError: the third" in output
    assert "round 3 of 50, seed 9: failed with exit code 1; the same again:" in output
    assert output.endswith("rounds passed before it: 2, tests: 2\n")


def test_the_command_it_names_repeats_the_order(tmp_path: Path) -> None:
    order = tmp_path / "order"
    path = make_suite(tmp_path, SHUFFLED + "    assert number < 11\n")
    _, output = run("--repeat", "1", path)
    named = re.search(r"^  \./panda test (--repeat 1 --seed \d+ \S+)$", output, re.MULTILINE)
    assert named, output
    first = order.read_text()
    order.unlink()

    _, again = run(*named[1].split())

    assert order.read_text() == first
    assert named[0] in again
    assert first.split() != sorted(first.split(), key=int)


@pytest.mark.parametrize("hostile", [True, False])
def test_the_switch_interval_is_a_microsecond_only_when_hostile(tmp_path: Path, hostile: bool) -> None:
    words = ["--hostile"] if hostile else []

    status, output = run("--repeat", "1", *words, make_suite(tmp_path, INTERVAL.format(hostile=hostile)))

    assert status == 0, output


def test_the_switch_interval_is_set_in_the_workers_of_xdist(tmp_path: Path) -> None:
    status, output = run("--repeat", "1", "--hostile", "-n", "1", make_suite(tmp_path, INTERVAL.format(hostile=True)))

    assert status == 0, output


def test_a_round_that_hangs_is_ended_with_its_stacks(tmp_path: Path) -> None:
    path = make_suite(tmp_path, HANGING)

    for limit in ("5", "30", "80"):  # a slow machine takes longer to come to the test
        status, output = run("--repeat", "2", "--round-timeout", limit, path)
        assert status == 1
        assert "round 1 of 2" in output
        assert f"did not end within {limit} s" in output
        if "in test_that_hangs" in output:
            break
    else:
        pytest.fail(output)


def test_no_tests_are_a_failure(tmp_path: Path) -> None:
    status, output = run("--repeat", "2", make_suite(tmp_path, ""))

    assert status == 1
    assert "failed with exit code 5" in output


@dataclass(frozen=True, slots=True)
class Running:
    """The tool in the middle of a hostile round."""

    tool: subprocess.Popen[str]
    beside: list[psutil.Process]
    """What it has started: the tests, and the load."""
    test: socket.socket
    """Closed, it lets the test in hand pass."""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE_S)
        path = make_suite(tmp_path, HELD.format(port=server.getsockname()[1]))
        with start("--repeat", "1", "--hostile", path) as tool:
            test, _ = server.accept()
            with test:
                beside = [psutil.Process(int(pid)) for pid in test.recv(1000).split()]
                yield Running(tool, beside, test)
            tool.kill()


def load_of(running: Running) -> list[psutil.Process]:
    return [process for process in running.beside if "pytest" not in process.cmdline()]


def test_the_other_cores_are_loaded_and_the_load_ends_with_the_rounds(running: Running) -> None:
    load = load_of(running)
    assert len(load) == max(1, len(os.sched_getaffinity(0)) - 1)
    for process in load:
        eventually(lambda process=process: process.cpu_percent(interval=0.5) > 5)

    running.test.close()

    assert running.tool.wait(DEADLINE_S) == 0
    assert not any(process.is_running() for process in running.beside)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_end_it_takes_the_tests_and_the_load_with_it(running: Running, number: signal.Signals) -> None:
    running.tool.send_signal(number)

    assert running.tool.wait(DEADLINE_S) == 130
    assert not any(process.is_running() for process in running.beside)


def test_killed_it_leaves_no_load_behind(running: Running) -> None:
    load = load_of(running)

    running.tool.kill()

    _, alive = psutil.wait_procs(load, timeout=DEADLINE_S)
    assert alive == []


@pytest.mark.parametrize("words", [["--repeat", "0"], ["--repeat", "many"], ["--repeat"], ["--seed", "x"]])
def test_a_wrong_number_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(words)

    assert f"argument {words[0]}: " in capsys.readouterr().err


def test_the_runtime_is_repeated_50_times_by_default() -> None:
    order = parse(["-k", "stop"])

    assert (order.rounds, order.hostile, order.words) == (50, False, ("-k", "stop", DEFAULT_PATH))


class TestPanda:
    """The script hands its words to the tools, in an environment whose interpreter says how it was called."""

    @pytest.fixture
    def panda(self, tmp_path: Path) -> Path:
        for name in ("panda", "setup.cfg", "pyproject.toml"):
            shutil.copy2(CHECKOUT / name, tmp_path)
        python = tmp_path / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text("#!/bin/sh\nprintf '%s|' \"$@\"\n")
        python.chmod(0o755)
        sums = subprocess.check_output(["cksum", "setup.cfg", "pyproject.toml"], cwd=tmp_path, text=True)
        place = f"{tmp_path.resolve()} {tmp_path.resolve()}/.venv {python.resolve()}"
        (tmp_path / ".venv" / "stamp.dev").write_text(f"{place}\n{sums}")
        return tmp_path / "panda"

    @pytest.mark.parametrize(
        ("words", "called"),
        [
            (["--repeat", "50", "--hostile", "a b"], "-m|tests.repetition|--repeat|50|--hostile|a b|"),
            (["--hostile", "--repeat", "2"], "-m|tests.repetition|--hostile|--repeat|2|"),
            (["--repeat=2"], "-m|tests.repetition|--repeat=2|"),
            (["--chaos", "2", "--seed", "7"], "-m|tests.chaos|--chaos|2|--seed|7|"),
            (["--pykka"], "-m|tests.pykka_suite|"),
            (["--pykka", "-x", "-k", "stop or ask"], "-m|tests.pykka_suite|-x|-k|stop or ask|"),
            (["-k", "--pykka"], "-P|-m|pytest|-k|--pykka|"),
            ([], "-P|-m|pytest|"),
        ],
    )
    def test_words_reach_their_tool(self, panda: Path, words: list[str], called: str) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "PANDA_VENV"}

        output = subprocess.check_output([panda, "test", *words], env=environment, text=True, timeout=DEADLINE_S)

        assert output == called
