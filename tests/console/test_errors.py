"""Every mistake is one line on standard error that says what to do, with its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.console.conftest import Command
from tests.instruments.files import INFY, dump
from tests.system.daemon import Daemon

CHECKOUT = Path(__file__).parents[2]
LATIN = os.fsdecode(b"zw\xf6lf")
PROGRAM = [sys.executable, "-c", "from console.entry import main; main()"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["--bogus"],
        ["status", "--bogus"],
        ["status", "surplus"],
        ["inject"],
        ["inject", "market.ticks", "--count", "none"],
        ["inject", "market.ticks", "--count", "0"],
        ["inject", "market.ticks", "--rate", "0"],
        ["replay", "file.csv"],
        ["sessions", "bogus"],
        ["db", "bogus"],
        ["restart"],
    ],
)
def test_wrong_usage_is_one_line_that_points_to_the_help(command: Command, arguments: list[str]) -> None:
    result = command(*arguments)

    assert result.code == 64
    assert result.out == ""
    assert result.err.count("\n") == 1
    assert result.err.startswith("alpha-panda: ")
    assert "--help`" in result.err


@pytest.mark.parametrize("arguments", [[], ["sessions"], ["db"], ["--help"], ["status", "--help"]])
def test_help_is_printed_where_no_command_is_given(command: Command, arguments: list[str]) -> None:
    result = command(*arguments)

    assert result.code == 0
    assert "Usage: alpha-panda" in result.out


def test_the_version_is_printed(command: Command) -> None:
    assert command("--version").out.startswith("alpha-panda ")


@pytest.mark.parametrize("words", [["status"], ["run"], ["stop"], ["db", "check"], ["sessions", "list"]])
def test_all_problems_of_the_settings_are_told_together(
    command: Command, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setenv("DATABASE__POOL_SIZE", "many")
    monkeypatch.setenv("DATABASE__POSTGRES_URL", "mysql://u:secret@h/d")
    monkeypatch.setenv("ACTIVE_BROKERS", "Paper")

    result = command(*words)

    assert result.code == 78
    lines = result.err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("alpha-panda: ") for line in lines)
    assert {"DATABASE__POOL_SIZE", "DATABASE__POSTGRES_URL", "ACTIVE_BROKERS"} == {
        line.split()[1].rstrip(":") for line in lines
    }
    assert "secret" not in result.err


def test_an_env_file_that_is_not_there_is_a_problem_of_the_settings(command: Command, tmp_path: Path) -> None:
    result = command("--env-file", tmp_path / "none.env", "status")

    assert result.code == 78
    assert "no such file" in result.err


def test_an_env_file_is_read(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIR")
    file = tmp_path / "my.env"
    file.write_text(f"STATE_DIR={tmp_path / 'elsewhere'}\n")

    assert str(tmp_path / "elsewhere") in command("--env-file", file, "stop").err


@pytest.mark.parametrize(
    "words",
    [
        ["stop"],
        ["restart", "trading.paper"],
        ["sessions", "list"],
        ["sessions", "show", "alice"],
        ["sessions", "invalidate", "alice"],
        ["inject", "market.ticks"],
    ],
)
def test_without_a_daemon_commands_say_how_to_start_one(command: Command, words: list[str]) -> None:
    result = command(*words, given=b"{}")

    assert result.code == 69
    assert result.err.count("\n") == 1
    assert "start it with `alpha-panda run`" in result.err


@pytest.mark.parametrize(
    "words",
    [
        ["restart", LATIN],
        ["sessions", "show", LATIN],
        ["sessions", "save", "alice", "--user-name", LATIN],
        ["sessions", "invalidate", "alice", "--reason", LATIN],
        ["instruments", "load", f"{LATIN}.csv"],
        ["instruments", "search", "infy", "--exchange", LATIN],
        ["instruments", "search", LATIN],
        ["instruments", "subscribe", LATIN],
        ["dlq", "show", LATIN],
        ["dlq", "list", "--reason", LATIN],
        [LATIN],
    ],
    ids=lambda words: ascii(" ".join(words)),
)
def test_an_argument_that_is_not_utf8_is_a_matter_of_usage(
    command: Command, daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    (tmp_path / f"{LATIN}.csv").write_bytes(dump(INFY))
    monkeypatch.chdir(tmp_path)

    result = command(*words, given=b"token")

    assert (result.code, result.out, result.err.count("\n")) == (64, "", 1)


@pytest.mark.parametrize("words", [["stop"], ["inject", "market.ticks"], ["status"], ["doctor"]])
def test_without_a_daemon_the_program_of_a_service_says_how_the_service_is_started(
    command: Command, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setenv("ALPHA_PANDA_SERVICE", "alpha-panda")

    result = command(*words, given=b"{}")

    told = " ".join((result.out + result.err).split())
    assert "start it with `systemctl start alpha-panda`" in told
    assert "alpha-panda run" not in told


@pytest.mark.parametrize("subject", ["", "a b", "a..b", ".a", "a.*", "a.>", "a\nb", "zwölf"])
def test_a_subject_that_cannot_be_published_to_is_refused(command: Command, subject: str) -> None:
    result = command("inject", subject, given=b"{}")

    assert result.code == 64
    assert "is not a subject" in result.err


def test_a_file_that_is_not_there_is_named(command: Command, tmp_path: Path) -> None:
    for words in (["inject", "market.ticks"], ["replay", "--broker", "paper"]):
        result = command(*words, tmp_path / "none.json")

        assert result.code == 64
        assert str(tmp_path / "none.json") in result.err


def test_input_that_is_not_json_is_refused_with_its_line(command: Command) -> None:
    result = command("inject", "market.ticks", given=b'{"a": 1}\n{"b": }\n')

    assert result.code == 64
    assert "standard input line 2: not JSON" in result.err


def test_nats_that_is_away_is_told_without_its_password(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS__URL", "nats://user:secret@127.0.0.1:9")

    result = command("inject", "market.ticks", given=b"{}")

    assert result.code == 69
    assert "NATS is away" in result.err
    assert "secret" not in result.err


@pytest.mark.parametrize("words", [["--help"], ["status"], ["status", "--json"]])
def test_a_reader_that_goes_away_is_no_error(words: list[str]) -> None:
    with subprocess.Popen([*PROGRAM, *words], cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        complaint = process.stderr.read()
        code = process.wait(120)

    assert complaint == b""
    assert code == 130


DAEMON = {"supervisor", "nats", "sqlalchemy", "alembic", "pykka", "uvicorn", "starlette"}
OTHER_COMMANDS = {"console.commands.sessions", "console.commands.database", "console.nodes", "console.inject"}


@pytest.mark.parametrize(
    ("words", "needless"),
    [
        (["status"], DAEMON | OTHER_COMMANDS),
        (["status", "--json"], DAEMON | OTHER_COMMANDS | {"rich"}),
    ],
)
def test_status_does_not_wait_for_imports_that_it_does_not_need(words: list[str], needless: set[str]) -> None:
    script = (
        f"import json, sys\nfrom console.app import execute\nexecute({words})\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, check=True, timeout=120)

    assert not needless & set(json.loads(done.stderr))


def test_a_command_ends_only_when_its_last_thread_has() -> None:
    script = (
        "import threading\nfrom console import app, entry\nended = threading.Event()\n"
        "late = threading.Thread(target=lambda: ended.wait(0.2) or print('the last word'))\n"
        "app.execute = lambda words: late.start() or 3\nentry.main()"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, check=False, timeout=120)

    assert (done.returncode, done.stdout) == (3, b"the last word\n")


@pytest.mark.parametrize(
    ("words", "streams", "code", "printed", "told"),
    [
        ("--version", ">&-", 0, b"", b""),
        ("doctor --json", ">&-", 0, b"", b""),
        ("--version", "2>&-", 0, b"a", b""),
        ("bogus", "2>&-", 64, b"", b""),
        ("bogus", "2>/dev/full", 64, b"", b""),
        ("--version", "<&- >&- 2>&-", 0, b"", b""),
        ("--version", ">/dev/full", 1, b"", b"alpha-panda: No space left on device; see where the output goes\n"),
    ],
)
def test_a_stream_that_is_closed_or_full_is_no_traceback(
    words: str, streams: str, code: int, printed: bytes, told: bytes
) -> None:
    command = f'exec "$0" "$1" "$2" {words} {streams}'
    done = subprocess.run(["sh", "-c", command, *PROGRAM], cwd=CHECKOUT, capture_output=True, check=False, timeout=120)

    assert (done.returncode, done.stdout[:1], done.stderr) == (code, printed, told)
