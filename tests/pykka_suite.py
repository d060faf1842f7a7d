"""Pykka's own tests, run on `ServiceActor` without a supervisor: `./panda test --pykka [PYTEST ARGUMENTS]`.

They come with the source distribution of the installed pykka. pip downloads it from the index it is configured for,
checks it against the index's hash, and leaves it, with the pytest-mock that the tests need, in the user's cache
directory; later runs need no network. The tests run in a temporary copy whose `RUNTIMES` has one entry more, with
their own configuration and without our pytest plugins. The exit code is pytest's, or 69 when there are no tests to run.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree as ET

import platformdirs

CHECKOUT = Path(__file__).resolve().parents[1]
DEADLINE_S = 300.0
MOCK = "pytest-mock>=3.14,<4"
UNAVAILABLE = 69

RUNTIME = """
from dataclasses import replace as _replace
from actors.runtime.actor import ServiceActor as _ServiceActor

_service = _replace(RUNTIMES["threading"].values[0], name="service", actor_class=_ServiceActor)
RUNTIMES["service"] = pytest.param(_service, id="service")
"""

OTHER_AIMS = (
    "DEST",
    "NO_BINARY",
    "NO_BUILD_ISOLATION",
    "REQUIREMENT",
    "REQUIRE_HASHES",
    "REQUIRE_VIRTUALENV",
    "TARGET",
)
"""Settings of pip that would make a download do something else."""


class NoSuite(Exception):
    """There are no tests to run; the text says why."""


def main(arguments: list[str]) -> int:
    """Run the tests, say how many passed, and return the exit code."""
    release = version("pykka")
    with TemporaryDirectory(prefix="pykka-suite-") as scratch:
        try:
            suite = unpack(platformdirs.user_cache_path("alpha-panda") / f"pykka-{release}", release, Path(scratch))
        except NoSuite as problem:
            sys.stderr.write(f"panda: {problem}\n")
            return UNAVAILABLE
        try:
            status = run(suite, Path(scratch), arguments)
        except subprocess.TimeoutExpired:
            sys.stderr.write(f"panda: pykka's tests did not end within {DEADLINE_S:.0f} s\n")
            return 1
        report = Path(scratch) / "report.xml"
        if report.exists():
            sys.stdout.write(summary(release, ET.parse(report).iter("testcase")) + "\n")
        return status


def unpack(kept: Path, release: str, scratch: Path) -> Path:
    """Unpack the tests into `scratch`, fetching what is not kept, or what is kept damaged.

    Raises:
        NoSuite: they cannot be had, or are no longer what this module can extend.
    """
    if not kept.exists():
        fetch(kept, release, scratch)
    try:
        suite = _unpack(kept, release, scratch)
    except (OSError, EOFError, StopIteration, tarfile.TarError, zipfile.BadZipFile, zlib.error):
        shutil.rmtree(kept)
        fetch(kept, release, scratch)
        suite = _unpack(kept, release, scratch)
    conftest = suite / "tests" / "conftest.py"
    conftest.write_text(with_service_actor(conftest.read_text()))
    return suite


def _unpack(kept: Path, release: str, scratch: Path) -> Path:
    with tarfile.open(next(kept.glob("*.tar.gz"))) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
        archive.extractall(scratch)
    with zipfile.ZipFile(next(kept.glob("*.whl"))) as wheel:
        wheel.extractall(scratch / "mock")
    return scratch / f"pykka-{release}"


def with_service_actor(conftest: str) -> str:
    """Pykka's conftest with `ServiceActor` among its `RUNTIMES`, before the fixtures that are made for each of them."""
    for statement in ast.parse(conftest).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "RUNTIMES":
            lines = conftest.splitlines(keepends=True)
            return "".join((*lines[: statement.end_lineno], RUNTIME, *lines[statement.end_lineno :]))
    raise NoSuite("the tests of this pykka have no RUNTIMES in their conftest.py: install pykka>=4.5,<4.6")


def fetch(kept: Path, release: str, scratch: Path) -> None:
    """Download pykka's source distribution and the wheel of pytest-mock to the directory `kept`, whole or not at all.

    Raises:
        NoSuite: with pip's reason, or because there is no place to keep them.
    """
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=kept.parent) as place:
            downloaded = Path(place) / "downloaded"
            wanted = ["--no-binary=pykka", "--no-deps", f"--dest={downloaded}", f"pykka=={release}", MOCK]
            _download([*pip(scratch), "download", "--quiet", "--disable-pip-version-check", *wanted])
            if not kept.exists():
                downloaded.rename(kept)
    except OSError as error:
        raise NoSuite(f"pykka's tests cannot be kept ({error}): set XDG_CACHE_HOME to a directory of yours") from error


def _download(command: list[str]) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name not in {f"PIP_{aim}" for aim in OTHER_AIMS}
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        reason = next((line for line in reversed(said) if line.startswith("ERROR:")), said[-1] if said else "no reason")
        raise NoSuite(f"pykka's tests cannot be downloaded: is a package index reachable? pip says: {reason}")


def pip(scratch: Path) -> list[str]:
    """The command that starts pip: of this environment, else through uv, else of an environment made for it.

    Raises:
        NoSuite: no pip is to be had.
    """
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "--python", sys.executable, "pip"]
    place = scratch / "pip"
    made = subprocess.run([sys.executable, "-m", "venv", place], capture_output=True, check=False)
    if made.returncode:
        raise NoSuite("there is neither pip nor uv: apt install python3-venv (Debian, Ubuntu), or install uv")
    return [str(place / "bin" / "python"), "-m", "pip"]


def run(suite: Path, scratch: Path, arguments: list[str]) -> int:
    """Run the unpacked tests on the installed pykka and return pytest's exit code."""
    path = os.pathsep.join(map(str, (suite, CHECKOUT, scratch / "mock")))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    plugins = ["-p", "pytest_mock", "-p", "no:cacheprovider"]
    settings = ["-c", "pyproject.toml", "-o", "testpaths=tests", "-o", "faulthandler_timeout=60"]
    return subprocess.run(
        [
            *(sys.executable, "-P", "-m", "pytest", "-q", *settings, *plugins),
            f"--junit-xml={scratch / 'report.xml'}",
            *arguments,
        ],
        cwd=suite,
        env={**environment, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        timeout=DEADLINE_S,
        check=False,
    ).returncode


def summary(release: str, cases: Iterable[ET.Element]) -> str:
    """One line on the tests that ran with `ServiceActor`, which are all but those that ran with pykka's own actor."""
    ours = [case for case in cases if _runtime(case) != "threading"]
    passed = sum(len(case.findall("*")) == 0 for case in ours)
    without = sum(_runtime(case) is None for case in ours)
    told = f"{passed} of {len(ours)} tests passed ({without} of these take no runtime)"
    return f"pykka {release}'s own suite with ServiceActor: {told}"


def _runtime(case: ET.Element) -> str | None:
    """Which of the `RUNTIMES` a test ran with, as its name says."""
    found = re.search(r"\[(?:.*-)?(threading|service)(?:-.*)?\]$", case.get("name", ""))
    return found[1] if found else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
