"""Pykka's own tests pass on `ServiceActor`; without them nothing is said to have passed.

The first run on a machine needs a package index, as setting up the environment does.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.pykka_suite import CHECKOUT, UNAVAILABLE, NoSuite, summary, with_service_actor

DEADLINE_S = 400.0

CONFTEST = """\
import pytest

RUNTIMES = {
    "threading": pytest.param(1),
}


@pytest.fixture(params=RUNTIMES.values())
def runtime(request): ...
"""


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.pykka_suite", *words],
        cwd=CHECKOUT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def test_pykkas_own_suite_passes() -> None:
    done = run("--tb=short")

    assert done.returncode == 0, done.stdout + done.stderr
    counted = re.search(
        r"^pykka (\S+)'s own suite with ServiceActor: (\d+) of \2 tests passed", done.stdout, re.MULTILINE
    )
    assert counted, done.stdout
    assert counted[1] == version("pykka")
    assert int(counted[2]) >= 152


def test_words_reach_pytest() -> None:
    done = run("-k", "test_actor_can_be_stopped_through_ref or nothing")

    assert "deselected" in done.stdout


@pytest.mark.parametrize("kept", ["nothing", "a damaged file"])
def test_without_an_index_it_fails_in_one_line(tmp_path: Path, kept: str) -> None:
    if kept == "a damaged file":
        place = tmp_path / "alpha-panda" / f"pykka-{version('pykka')}"
        place.mkdir(parents=True)
        (place / "pykka.tar.gz").write_bytes(b"half of i")

    done = run(XDG_CACHE_HOME=str(tmp_path), PIP_NO_INDEX="1", PIP_FIND_LINKS="")

    assert done.returncode == UNAVAILABLE, done.stdout + done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("panda: pykka's tests cannot be downloaded: is a package index reachable? pip says: ")
    assert done.stderr.count("\n") == 1
    assert list((tmp_path / "alpha-panda").iterdir()) == []


def test_without_a_place_to_keep_them_it_says_what_to_set() -> None:
    done = run(XDG_CACHE_HOME="/proc/nowhere")

    assert done.returncode == UNAVAILABLE
    assert done.stderr.endswith(": set XDG_CACHE_HOME to a directory of yours\n")
    assert done.stderr.count("\n") == 1


def test_service_actor_is_added_before_the_fixtures_are_made() -> None:
    changed = with_service_actor(CONFTEST)

    assert changed.index("threading") < changed.index('RUNTIMES["service"] = ') < changed.index("@pytest.fixture")
    assert changed.startswith(CONFTEST.partition("\n\n\n")[0])
    assert changed.endswith(CONFTEST.partition("\n\n\n")[2])


def test_a_suite_that_has_changed_too_much_is_refused() -> None:
    with pytest.raises(NoSuite, match="no RUNTIMES"):
        with_service_actor("import pytest\n")


def test_only_what_passed_on_service_actor_counts() -> None:
    report = ET.fromstring("""
        <testsuite>
            <testcase name="test_a[threading]"/>
            <testcase name="test_b[1-threading-x]"><failure/></testcase>
            <testcase name="test_a[service]"/>
            <testcase name="test_b[1-service-x]"><failure/></testcase>
            <testcase name="test_c[service]"><skipped/></testcase>
            <testcase name="test_d"/>
        </testsuite>
    """)

    line = summary("4.5.0", report.iter("testcase"))

    assert line.endswith("with ServiceActor: 2 of 4 tests passed (1 of these take no runtime)")
