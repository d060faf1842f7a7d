"""Dead letters of the streams: the row keeps the bytes, the message has Alpha Panda's form, both are written once."""

from __future__ import annotations

import base64
import hashlib
import uuid
from datetime import timedelta
from typing import Any

import orjson
import pytest

from actors.dead_letter import (
    MAX_INLINE_BYTES,
    dead_letter_unit,
    first_stored_at,
    is_replay,
    replay_id,
    without_original,
)
from actors.messages import Delivery
from actors.rows import DeadLetterRow
from tests.actors.messages import NOW, NOW_TEXT, delivery, signal

REASON = "data.validated_quantity: Input should be greater than 0"


def published(one: Delivery) -> dict[str, Any]:
    (message,) = dead_letter_unit(one, REASON, "BadMessage").outbound
    parsed: dict[str, Any] = orjson.loads(message.payload)
    return parsed


def test_the_row_keeps_the_original_bytes_and_the_reason() -> None:
    one = delivery(b"\xff\x00 not json", headers={"Nats-Msg-Id": "m 1"})

    unit = dead_letter_unit(one, REASON, "BadMessage", message_id="m 1", broker="paper")

    assert unit.dead_letter is not None
    assert unit.dead_letter == DeadLetterRow(
        id=unit.dead_letter.id,
        subject="paper.signals.validated",
        reason=REASON,
        error_class="BadMessage",
        broker="paper",
        consumer="trading-paper",
        message_id="m 1",
        stream="PAPER_SIGNALS",
        stream_seq=7,
        payload=b"\xff\x00 not json",
        headers={"Nats-Msg-Id": "m 1"},
        stored_at=NOW,
    )


def test_a_password_in_the_reason_is_nowhere_in_it() -> None:
    reason = "crashed trading.paper twice: OperationalError: postgresql://panda:s3cr3t@host/db does not answer"

    unit = dead_letter_unit(delivery(), reason, "Crash")

    assert unit.dead_letter is not None
    assert unit.dead_letter.reason.endswith("postgresql://panda:********@host/db does not answer")
    assert b"s3cr3t" not in unit.outbound[0].payload


def test_its_delivery_is_ended_and_its_key_taken() -> None:
    one = delivery()

    unit = dead_letter_unit(one, REASON, "Crash", message_id="m 1")

    assert (unit.terminate, unit.delivery, unit.consumer, unit.message_id) == (True, one, "trading-paper", "m 1")


def test_without_a_usable_id_its_position_is_its_key() -> None:
    position = "PAPER_SIGNALS:7:2026-01-05T04:00:00.123456+00:00"

    assert dead_letter_unit(delivery(), REASON, "BadMessage").message_id == position


def test_it_is_the_same_letter_however_often_it_is_given_up() -> None:
    first = dead_letter_unit(delivery(), REASON, "BadMessage")
    again = dead_letter_unit(delivery(num_delivered=2), "another reason", "Crash", message_id="m 1", broker="paper")

    assert first.dead_letter is not None
    assert again.dead_letter is not None
    assert first.dead_letter.id == again.dead_letter.id == first.outbound[0].message_id == again.outbound[0].message_id


@pytest.mark.parametrize("other", [{"stream_seq": 8}, {"stream": "ZERODHA_SIGNALS"}])
def test_another_position_is_another_letter(other: dict[str, Any]) -> None:
    first, second = dead_letter_unit(delivery(), REASON, "E"), dead_letter_unit(delivery(**other), REASON, "E")

    assert first.outbound[0].message_id != second.outbound[0].message_id


def test_the_message_goes_to_the_dlq_of_its_subject_in_alpha_pandas_form() -> None:
    one = delivery(b'{"a":1}', headers={"Nats-Msg-Id": "m 1"}, num_delivered=3)
    (message,) = dead_letter_unit(one, REASON, "BadMessage").outbound

    letter = orjson.loads(message.payload)

    assert message.subject == "paper.signals.validated.dlq"
    assert letter == {
        "id": message.message_id,
        "correlation_id": message.message_id,
        "causation_id": "m 1",
        "trace_id": message.message_id,
        "parent_trace_id": None,
        "broker": "system",
        "type": "system_error",
        "ts": NOW_TEXT,
        "key": "PAPER_SIGNALS:7",
        "source": "alpha-panda",
        "version": 1,
        "data": {
            "dlq_metadata": {
                "original_topic": "paper.signals.validated",
                "original_partition": 0,
                "original_offset": 7,
                "original_timestamp": NOW_TEXT,
                "dlq_timestamp": NOW_TEXT,
                "service_name": "alpha-panda",
            },
            "failure_info": {
                "error_type": "poison",
                "error_class": "BadMessage",
                "error_message": REASON,
                "failure_reason": REASON,
                "retry_count": 2,
                "stack_trace": None,
            },
            "original_message": {
                "key": "m 1",
                "value": '{"a":1}',
                "encoding": "utf-8",
                "headers": {"Nats-Msg-Id": "m 1"},
                "size": 7,
            },
            "replay_metadata": {
                "can_replay": True,
                "suggested_delay_minutes": 0,
                "consumer_group": "trading-paper",
                "requires_manual_review": True,
            },
        },
    }


@pytest.mark.parametrize("data", [b"", b"text \xc3\xa9", b"a\x00b", b'{"quote": "\\""}'])
def test_text_is_told_as_it_is(data: bytes) -> None:
    original = published(delivery(data))["data"]["original_message"]

    assert (original["value"].encode(), original["encoding"]) == (data, "utf-8")


@pytest.mark.parametrize("data", [b"\xff\xfe", bytes(range(256))])
def test_other_bytes_are_told_in_base64(data: bytes) -> None:
    original = published(delivery(data))["data"]["original_message"]

    assert (base64.b64decode(original["value"]), original["encoding"]) == (data, "base64")


@pytest.mark.parametrize("data", [b"x" * MAX_INLINE_BYTES, b"\x01" * (MAX_INLINE_BYTES // 5)])
def test_what_no_message_can_hold_stays_in_the_row_alone(data: bytes) -> None:
    unit = dead_letter_unit(delivery(data), REASON, "BadMessage")

    original = published(delivery(data))["data"]["original_message"]

    assert (original["value"], original["encoding"], original["size"]) == (None, None, len(data))
    assert unit.dead_letter is not None
    assert unit.dead_letter.payload == data


def test_a_row_does_not_show_its_bytes() -> None:
    assert "topsecret" not in repr(dead_letter_unit(delivery(b"topsecret"), REASON, "BadMessage"))


def test_a_message_for_a_small_server_keeps_all_but_the_original() -> None:
    unit = dead_letter_unit(delivery(b"{bad"), REASON, "BadMessage")
    (message,) = unit.outbound

    small = orjson.loads(without_original(message.payload))

    full = orjson.loads(message.payload)
    assert small["data"]["original_message"]["value"] is None
    assert small["data"]["original_message"]["size"] == 4
    assert small["data"]["failure_info"] == full["data"]["failure_info"]
    assert small["id"] == full["id"]


def test_the_letter_of_an_envelope_is_a_child_of_it() -> None:
    original = signal()

    letter = published(delivery(orjson.dumps(original), headers={"Nats-Msg-Id": "another"}))

    assert letter["causation_id"] == original["id"]
    assert (letter["correlation_id"], letter["trace_id"]) == ("correlation 1", "trace 1")
    assert letter["data"]["original_message"]["key"] == "another"


@pytest.mark.parametrize("wrong", [7, "", "x" * 65, None])
def test_an_id_that_no_envelope_may_have_is_not_handed_on(wrong: Any) -> None:
    original = {**signal(), "id": wrong, "correlation_id": wrong}

    letter = published(delivery(orjson.dumps(original)))

    assert (letter["causation_id"], letter["correlation_id"]) == (None, letter["id"])


def test_a_replay_is_told_apart_and_is_as_old_as_its_original() -> None:
    later = {"stored_at": NOW + timedelta(days=3), "stream_seq": 9}
    header = {"Nats-Msg-Id": replay_id(str(uuid.uuid4()), 2, NOW)}

    first, replayed = delivery(headers={"Nats-Msg-Id": "m 1"}, **later), delivery(headers=header, **later)

    assert (is_replay(first), first_stored_at(first)) == (False, NOW + timedelta(days=3))
    assert (is_replay(replayed), first_stored_at(replayed)) == (True, NOW)
    row = dead_letter_unit(replayed, REASON, "BadMessage").dead_letter
    assert row is not None
    assert row.stored_at == NOW


def test_no_replay_is_newer_than_itself() -> None:
    header = {"Nats-Msg-Id": replay_id(str(uuid.uuid4()), 1, NOW + timedelta(days=365))}

    assert first_stored_at(delivery(headers=header)) == NOW


@pytest.mark.parametrize("data", [b'{"id": "m 1", "data": {"user_id": "u", "access_token": "s3cr3t"}}', b'"s3cr3t'])
def test_a_token_is_in_no_message_and_not_in_the_headers(data: bytes) -> None:
    one = delivery(data, subject="auth.sessions.save", headers={"Authorization": "s3cr3t", "Nats-Msg-Id": "m 1"})

    unit = dead_letter_unit(one, REASON, "BadMessage")

    (message,) = unit.outbound
    original = orjson.loads(message.payload)["data"]["original_message"]
    assert b"s3cr3t" not in message.payload
    assert (original["masked"], original["sha256"]) == (True, hashlib.sha256(data).hexdigest())
    assert unit.dead_letter is not None
    assert unit.dead_letter.headers == {"Authorization": "********", "Nats-Msg-Id": "m 1"}
    assert unit.dead_letter.payload == data
    assert b"s3cr3t" not in (unit.dead_letter.substitute or b"")
    assert "s3cr3t" not in repr(unit)
