"""The manual page tells of every command, option and setting, and of nothing else; shells complete them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from console.manual import page
from tests.system.daemon import CHECKOUT, Daemon

PAGE = CHECKOUT / "deploy" / "alpha-panda.1"
COMPLETE = "from console.app import main; main()"


def completed(line: str, **environment: str) -> list[str]:
    """What bash is offered for the last word of the line."""
    words = line.split(" ")
    asked = {"_ALPHA_PANDA_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", COMPLETE],
        cwd=CHECKOUT,
        env={**os.environ, **asked, **environment},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_the_page_is_made_of_the_commands_as_they_are() -> None:
    assert PAGE.read_text() == page(), "make it anew: python -m console.manual > deploy/alpha-panda.1"


def test_the_page_tells_of_commands_options_and_settings() -> None:
    text = PAGE.read_text().replace("\\-", "-")

    for told in ("\\fBdlq purge\\fR", "\\fB--older-than\\fR \\fIAGE\\fR", "\\fBMETRICS__PORT\\fR", "TRADING__BROKER__"):
        assert told in text
    assert "--crash" not in text


@pytest.mark.skipif(shutil.which("groff") is None, reason="what formats the page is no part of the service")
def test_the_page_is_formatted_without_a_warning() -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", str(PAGE)], capture_output=True, text=True, timeout=180, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "drain" in re.sub(".\x08", "", done.stdout)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("alpha-panda st", ["status", "stop"]),
        ("alpha-panda dlq ", ["list", "show", "replay", "purge"]),
        ("alpha-panda drain --re", ["--resume"]),
        ("./panda insp", ["inspect"]),
    ],
)
def test_commands_and_options_are_completed(line: str, words: list[str]) -> None:
    assert set(words) <= set(completed(line))


def test_the_names_of_actors_are_completed_while_a_daemon_runs(daemon: Daemon, tmp_path: Path) -> None:
    daemon.wait_until("ready")

    assert completed("alpha-panda restart tr") == ["trading.paper"]
    assert {"database", "gateway", "auth"} <= set(completed("alpha-panda inspect "))
    assert completed("alpha-panda restart tr", STATE_DIR=str(tmp_path / "nobody")) == []
