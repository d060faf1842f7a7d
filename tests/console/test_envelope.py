"""Short messages become whole envelopes; whole ones are left alone."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from actors.gateway.codec import decode_signal, decode_tick
from actors.messages import Delivery
from actors.rows import OutboundMessage
from console.envelope import ENVELOPE_KEYS, broker_of, complete, outbound, templates
from console.failure import USAGE, Failure

NOW = datetime(2030, 1, 31, 12, 30, tzinfo=UTC)
SUBJECT = "paper.signals.validated"
EXAMPLE = Path(__file__).parents[2] / "examples" / "signal.json"

WHOLE = {
    "id": "one",
    "correlation_id": "story",
    "causation_id": None,
    "trace_id": "trace",
    "parent_trace_id": None,
    "broker": "paper",
    "type": "market_tick",
    "ts": "2030-01-31T12:30:00Z",
    "key": "1001",
    "source": "feed",
    "version": 1,
    "data": {"instrument_token": 1001},
}


def published(text: str, subject: str = SUBJECT, count: int = 1) -> list[OutboundMessage]:
    return list(outbound(templates(text.encode(), "test"), subject, count))


def delivery(message: OutboundMessage) -> Delivery:
    return Delivery("test", "TEST", 1, message.subject, "", 1, NOW, message.payload)


def test_a_short_message_gets_every_key_of_the_envelope() -> None:
    envelope = complete({"type": "market_tick", "data": {"instrument_token": 7}}, "market.ticks", "fresh", NOW)

    assert envelope == {
        "id": "fresh",
        "correlation_id": "fresh",
        "causation_id": None,
        "trace_id": "fresh",
        "parent_trace_id": None,
        "broker": "system",
        "type": "market_tick",
        "ts": "2030-01-31T12:30:00.000000Z",
        "key": "7",
        "source": "inject",
        "version": 1,
        "data": {"instrument_token": 7, "timestamp": "2030-01-31T12:30:00.000000Z"},
    }
    assert set(envelope) == set(ENVELOPE_KEYS)


def test_what_a_message_says_itself_stays() -> None:
    given = {"id": "mine", "source": "me", "type": "t", "data": {"timestamp": "then", "original_signal": {}}}

    envelope = complete(given, SUBJECT, "fresh", NOW)

    assert (envelope["id"], envelope["correlation_id"], envelope["source"]) == ("mine", "mine", "me")
    assert envelope["data"] == {"timestamp": "then", "original_signal": {"timestamp": "then"}}


def test_the_example_becomes_a_signal_that_the_daemon_takes() -> None:
    (message,) = published(EXAMPLE.read_text())

    signal = decode_signal(delivery(message), "paper").signal

    assert (signal.signal_id, signal.side, signal.quantity) == (message.message_id, "BUY", 10)


def test_a_short_tick_becomes_one_that_the_daemon_takes() -> None:
    text = '{"type": "market_tick", "data": {"instrument_token": 7, "last_price": 1.5}}'

    (message,) = published(text, "market.ticks")

    assert decode_tick(message.payload).instrument_token == 7


def test_every_repetition_of_a_short_message_is_a_new_one() -> None:
    messages = published(EXAMPLE.read_text(), count=3)

    assert len({message.message_id for message in messages}) == 3
    assert all(orjson.loads(message.payload)["id"] == message.message_id for message in messages)


def test_a_whole_envelope_is_published_byte_for_byte() -> None:
    text = json.dumps(WHOLE, indent=3)

    (message,) = published(f"\n {text}\n")

    assert message == OutboundMessage(SUBJECT, "one", text.encode())


def test_repetitions_of_a_whole_envelope_get_fresh_ids() -> None:
    first, second, third = published(json.dumps(WHOLE), count=3)

    assert first.message_id == "one"
    assert len({first.message_id, second.message_id, third.message_id}) == 3
    assert orjson.loads(second.payload)["data"] == WHOLE["data"]


@pytest.mark.parametrize("text", ["42", '"text"', "[1, 2]", '{"a": 1}', '{"type": "t", "data": 5}'])
def test_what_is_no_message_is_published_as_it_is(text: str) -> None:
    (message,) = published(text)

    assert message.payload == text.encode()
    assert message.message_id


@pytest.mark.parametrize("identity", ["", "x" * 65, "two\\nlines", "zwölf"])
def test_an_id_that_no_header_can_carry_is_replaced_in_the_header_alone(identity: str) -> None:
    text = f'{{"id": "{identity}"}}'

    (message,) = published(text)

    assert message.message_id.isascii()
    assert message.message_id.isprintable()
    assert 0 < len(message.message_id) <= 64
    assert message.payload == text.encode()


def test_each_line_of_json_lines_is_a_message() -> None:
    messages = published('{"id": "a"}\n\n{"id": "b"}\n', count=2)

    assert [message.message_id for message in messages] == ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"a": 1}\n{bad\n', "line 2"),
        ('{\n  "a": 1,\n  "b": oops\n}', "line 3"),
        ("nonsense", "line 1"),
        (" \n", "empty"),
    ],
)
def test_what_is_not_json_is_refused_with_its_line(text: str, place: str) -> None:
    with pytest.raises(Failure, match=place) as failure:
        templates(text.encode(), "signals.json")

    assert failure.value.exit_code == USAGE
    assert "signals.json" in str(failure.value)


@pytest.mark.parametrize(
    ("subject", "broker"),
    [("paper.signals.validated", "paper"), ("market.ticks", "system"), ("auth.sessions.save", "system")],
)
def test_the_subject_tells_the_broker(subject: str, broker: str) -> None:
    assert broker_of(subject) == broker


def test_messages_are_made_only_when_they_are_asked_for() -> None:
    endless = outbound(templates(EXAMPLE.read_bytes(), "example"), SUBJECT, 10**12)

    assert len(list(itertools.islice(endless, 5))) == 5
