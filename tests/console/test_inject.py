"""Messages that are injected arrive in their streams, and signals are filled."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import orjson
import pytest

from actors.gateway.injection import read_stream
from console.nats_servers import nats_servers
from settings import load
from tests.console.conftest import Command
from tests.console.test_envelope import EXAMPLE, WHOLE
from tests.system.daemon import Daemon, eventually

SIGNALS = "paper.signals.validated"


def fills(daemon: Daemon) -> int:
    return int(daemon.status()["brokers"]["paper"]["fills"])


def test_an_injected_signal_is_filled(command: Command, daemon: Daemon) -> None:
    before = fills(daemon)

    result = command("inject", SIGNALS, EXAMPLE)

    assert result.code == 0
    ack, summary = result.out.splitlines()
    assert "PAPER_SIGNALS  seq " in ack
    assert summary.startswith("1 published in ")
    eventually(lambda: fills(daemon) == before + 1)


def test_many_copies_are_many_signals_and_are_only_counted(command: Command, daemon: Daemon) -> None:
    before = fills(daemon)

    result = command("inject", SIGNALS, EXAMPLE, "--count", "250")

    assert result.out.startswith("250 published in ")
    eventually(lambda: fills(daemon) == before + 250)


def test_the_same_envelope_twice_is_a_duplicate(command: Command, daemon: Daemon) -> None:
    text = json.dumps({**WHOLE, "id": str(uuid.uuid4())}, indent=2).encode()

    first, second = (command("inject", "market.ticks", given=text) for _ in range(2))

    assert "duplicate" not in first.out
    assert "duplicate" in second.out
    stored = read_stream(load().nats, nats_servers(load()), "TICKS")
    assert [message.payload for message in stored].count(text) == 1


def test_each_line_is_acknowledged(command: Command, daemon: Daemon) -> None:
    lines = b'{"type": "t", "data": {}}\n' * 3

    result = command("inject", "market.ticks", given=lines)

    assert result.out.count("TICKS  seq ") == 3
    assert "3 published" in result.out


def test_the_rate_is_kept(command: Command, daemon: Daemon) -> None:
    result = command("inject", "market.ticks", "--count", "21", "--rate", "100", given=b'{"type": "t", "data": {}}')

    assert float(result.out.partition(" in ")[2].partition(" s ")[0]) >= 0.19


def test_a_subject_that_no_stream_takes_is_an_error(command: Command, daemon: Daemon) -> None:
    result = command("inject", "nobody.signals.validated", EXAMPLE, "--count", "5")

    assert result.code == 69
    assert result.err.count("\n") == 1
    assert "no stream takes nobody.signals.validated" in result.err


def test_a_replay_repeated_under_its_id_trades_nothing_twice(command: Command, daemon: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "bars.csv"
    file.write_text("symbol,date,open,high,low,close,volume\nA,2012-01-02,1,2,1,2,9\nA,2012-01-03,2,2,1,1,9\n")
    words = ["replay", file, "--broker", "paper", "--run-id", uuid.uuid4().hex]
    before = fills(daemon)

    first, second = command(*words), command(*words, "--speed", "1000")

    assert first.out.startswith("2 bars replayed: 4 messages in ")
    assert second.out.startswith("2 bars replayed: 4 messages (4 of them known already) in ")
    eventually(lambda: fills(daemon) == before + 2)


def test_recorded_messages_are_replayed(command: Command, daemon: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    file.write_bytes(orjson.dumps({"subject": SIGNALS, "message": json.loads(EXAMPLE.read_text())}))
    before = fills(daemon)

    result = command("replay", file, "--broker", "paper")

    assert result.out.startswith("1 messages replayed: 1 messages in ")
    eventually(lambda: fills(daemon) == before + 1)


@pytest.mark.parametrize("text", ["nonsense\n", "a,b\n1,2\n"])
def test_a_file_that_is_no_recording_is_refused(command: Command, daemon: Daemon, tmp_path: Path, text: str) -> None:
    file = tmp_path / "bars.csv"
    file.write_text(text)

    assert command("replay", file, "--broker", "paper").code == 64
