"""Messages that are injected arrive in their streams, and signals are filled."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path

import orjson
import pytest

from actors.gateway.injection import read_stream
from console.nats_servers import nats_servers
from settings import load
from tests.console.conftest import Command, embedded_daemon
from tests.console.test_envelope import EXAMPLE, WHOLE
from tests.system import streams
from tests.system.daemon import Daemon, eventually

SIGNALS = "paper.signals.validated"
WHOLE_SIGNAL = streams.signal()


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


def test_copies_are_waited_for_and_their_latencies_told(command: Command, daemon: Daemon) -> None:
    before = fills(daemon)

    result = command("inject", SIGNALS, EXAMPLE, "--count", "200", "--rate", "1000")

    published, filled = result.out.splitlines()
    assert (result.code, result.err) == (0, "")
    assert re.fullmatch(r"200 published in \d+\.\d\d s \([\d,]+/s\)", published)
    told = re.fullmatch(
        r"200 filled in (.+) s \([\d,]+/s\): p50 (.+) ms, p90 (.+) ms, p99 (.+) ms, max (.+) ms", filled
    )
    assert told is not None
    figures = [float(figure.replace(",", "")) for figure in told.groups()[1:]]
    assert 0 < figures[0] <= figures[1] <= figures[2] <= figures[3] <= 1000 * float(told[1]) + 10
    assert fills(daemon) <= before + 200
    eventually(lambda: fills(daemon) == before + 200)


def test_one_signal_is_waited_for_when_told(command: Command, daemon: Daemon) -> None:
    result = command("inject", SIGNALS, EXAMPLE, "--wait")

    assert result.code == 0
    assert result.out.splitlines()[2].startswith("1 filled in ")


def test_copies_are_not_waited_for_when_told(command: Command, daemon: Daemon) -> None:
    before = fills(daemon)

    result = command("inject", SIGNALS, EXAMPLE, "--count", "50", "--no-wait")

    assert result.code == 0
    assert "filled" not in result.out
    eventually(lambda: fills(daemon) == before + 50)


def test_orders_that_fail_are_answers_too(command: Command, daemon: Daemon) -> None:
    signal = json.loads(EXAMPLE.read_text())
    signal["data"]["original_signal"]["signal_type"] = "HOLD"

    result = command("inject", SIGNALS, "--count", "30", given=json.dumps(signal).encode())

    assert result.code == 0
    assert result.out.splitlines()[1].startswith("0 filled, 30 failed in ")


def test_signals_that_become_dead_letters_are_told(command: Command, daemon: Daemon) -> None:
    result = command("inject", SIGNALS, "--count", "30", given=b'{"type": "validated_signal", "data": {}}')

    assert result.code == 1
    assert result.out.splitlines()[1].startswith("0 filled, 30 given up in ")
    assert "30 signals became dead letters; see `alpha-panda dlq list`" in result.err


def test_one_signal_that_becomes_a_dead_letter_is_one(command: Command, daemon: Daemon) -> None:
    result = command("inject", SIGNALS, "--wait", given=b'{"type": "validated_signal", "data": {}}')

    assert "1 signal became a dead letter; see" in result.err


def test_a_signal_that_the_stream_has_already_is_not_waited_for(command: Command, daemon: Daemon) -> None:
    whole = json.dumps({**WHOLE_SIGNAL, "id": str(uuid.uuid4())}).encode()

    first, second = (command("inject", SIGNALS, "--count", "30", given=whole) for _ in range(2))

    assert first.out.splitlines()[1].startswith("30 filled in ")
    assert second.out.splitlines()[0].startswith("30 published, 1 duplicate in ")
    assert second.out.splitlines()[1].startswith("29 filled in ")


def test_signals_without_an_answer_are_told(command: Command, monkeypatch: pytest.MonkeyPatch, nats_url: str) -> None:
    streams.empty(nats_url)
    streams.make_stream(nats_url, "PAPER_SIGNALS", SIGNALS)
    monkeypatch.setenv("NATS__URL", nats_url)

    result = command("inject", SIGNALS, EXAMPLE, "--count", "30", "--timeout", "0.2")

    assert result.code == 1
    assert re.fullmatch(r"0 filled, 30 unanswered after \d+\.\d s", result.out.splitlines()[1])
    assert result.err.count("\n") == 1
    assert "30 of 30 signals have no answer, and none came for 0.2 s" in result.err


def test_only_signals_have_fills_to_wait_for(command: Command) -> None:
    result = command("inject", "market.ticks", EXAMPLE, "--wait")

    assert result.code == 64
    assert "has no fills" in result.err


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

    assert result.code == 64
    assert result.err.count("\n") == 1
    assert "no stream takes nobody.signals.validated" in result.err
    assert "there are: market.ticks, auth.sessions.save, " in result.err


def test_a_misspelt_subject_is_told_with_the_one_that_is_meant(command: Command, daemon: Daemon) -> None:
    results = [command("inject", "paper.signal.validated", EXAMPLE)]
    results.append(command("inject", "market.tick", given=b'{"type": "t", "data": {}}'))

    assert [result.code for result in results] == [64, 64]
    assert "did you mean paper.signals.validated?" in results[0].err
    assert "did you mean market.ticks?" in results[1].err


@pytest.mark.parametrize("subject", ["paper.orders.filled", "zzz.pnl.snapshots", "market.ticks.dlq"])
def test_what_only_the_daemon_publishes_is_refused_with_what_can_be_injected(command: Command, subject: str) -> None:
    result = command("inject", subject, given=b"{}")

    assert result.code == 64
    assert result.err.startswith(f"alpha-panda: only the daemon publishes on {subject}; what can be injected is: ")
    assert "market.ticks, " in result.err
    assert ", paper.signals.validated\n" in result.err


def test_a_broker_that_is_known_and_does_not_trade_here_is_to_be_activated(
    command: Command, monkeypatch: pytest.MonkeyPatch, nats_url: str
) -> None:
    streams.empty(nats_url)
    for name, value in {
        "NATS__URL": nats_url,
        "ACTIVE_BROKERS": "acme,paper",
        "TRADING__ACME__ENABLED": "true",
        "TRADING__PAPER__ENABLED": "false",
    }.items():
        monkeypatch.setenv(name, value)

    result = command("inject", SIGNALS, EXAMPLE)

    assert result.code == 64
    assert "as paper does not trade here: put it into ACTIVE_BROKERS and set TRADING__PAPER__ENABLED=true" in result.err


def test_a_stream_that_no_daemon_has_made_yet_is_no_wrong_usage(
    command: Command, monkeypatch: pytest.MonkeyPatch, nats_url: str
) -> None:
    streams.empty(nats_url)
    monkeypatch.setenv("NATS__URL", nats_url)

    result = command("inject", SIGNALS, EXAMPLE)

    assert result.code == 69
    assert f"no stream takes {SIGNALS} yet" in result.err


def test_a_drained_daemon_is_told_by_who_waits_in_vain(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))
    with embedded_daemon(tmp_path / "state"):
        assert command("drain").code == 0
        result = command("inject", SIGNALS, EXAMPLE, "--wait", "--timeout", "0.3")

    assert result.code == 1
    assert re.fullmatch(r"0 filled, 1 unanswered after \d+\.\d s", result.out.splitlines()[-1])
    assert "1 of 1 signal has no answer, and none came for 0.3 s; the daemon is drained" in result.err


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

    assert result.out.startswith("1 message replayed: 1 message in ")
    eventually(lambda: fills(daemon) == before + 1)


@pytest.mark.parametrize("text", ["nonsense\n", "a,b\n1,2\n"])
def test_a_file_that_is_no_recording_is_refused(command: Command, daemon: Daemon, tmp_path: Path, text: str) -> None:
    file = tmp_path / "bars.csv"
    file.write_text(text)

    assert command("replay", file, "--broker", "paper").code == 64
