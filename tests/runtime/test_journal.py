"""Entries for the journal, as they arrive at a real socket of its kind."""

from __future__ import annotations

import array
import fcntl
import io
import logging
import os
import socket
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from actors.runtime import log

SEALED = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class Receiver:
    """What the journal does with what it is sent."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(60)
        self.socket.bind(str(path))

    def receive(self) -> dict[str, str]:
        """The fields of the next entry."""
        data, ancillary, _, _ = self.socket.recvmsg(1 << 20, socket.CMSG_SPACE(4))
        for level, kind, passed in ancillary:
            assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            (descriptor,) = array.array("i", passed)
            with os.fdopen(descriptor, "rb") as file:
                assert fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) == SEALED
                assert data == b""
                file.seek(0)
                data = file.read()
        return fields(data)


def fields(data: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    while data:
        line, _, rest = data.partition(b"\n")
        name, sign, value = line.partition(b"=")
        if not sign:
            (size,) = struct.unpack("<Q", rest[:8])
            value, rest = rest[8 : 8 + size], rest[9 + size :]
        found[name.decode()], data = value.decode(), rest
    return found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with tempfile.TemporaryDirectory() as directory:
        one = Receiver(Path(directory, "socket"))
        yield one
        one.socket.close()


def journal(receiver: Receiver, stream: io.StringIO | None = None) -> Any:
    log.configure("info", "journal", stream or io.StringIO(), receiver.path)
    return structlog.get_logger()


def test_every_value_is_a_field(receiver: Receiver) -> None:
    stream = io.StringIO()
    journal(receiver, stream).warning("order failed", actor="trading.paper", broker="paper", correlation_id="c-1")

    assert receiver.receive() == {
        "MESSAGE": "order failed actor=trading.paper broker=paper correlation_id=c-1",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "alpha-panda",
        "ALPHA_PANDA_EVENT": "order failed",
        "ALPHA_PANDA_ACTOR": "trading.paper",
        "ALPHA_PANDA_BROKER": "paper",
        "ALPHA_PANDA_CORRELATION_ID": "c-1",
    }
    assert stream.getvalue() == ""


def test_lines_of_libraries_are_entries_too(receiver: Receiver) -> None:
    journal(receiver)
    logging.getLogger("uvicorn.error").error("gone")

    entry = receiver.receive()
    assert (entry["MESSAGE"], entry["PRIORITY"]) == ("gone logger=uvicorn.error", "3")


def test_a_value_of_several_lines_is_told_with_its_length(receiver: Receiver) -> None:
    journal(receiver).info("stack", stack="one\ntwo\nMESSAGE=forged")

    entry = receiver.receive()
    assert entry["ALPHA_PANDA_STACK"] == "one\ntwo\nMESSAGE=forged"
    assert entry["MESSAGE"] == "stack stack=one\ntwo\nMESSAGE=forged"


def test_names_of_fields_are_such_as_the_journal_takes(receiver: Receiver) -> None:
    journal(receiver).info("odd", **{"x-y.ö": 1, "_hidden": 2, "n" * 80: 3})

    names = receiver.receive().keys() - {"MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER"}
    assert all(name.startswith("ALPHA_PANDA_") and name.isascii() and len(name) <= 64 for name in names)
    assert {"ALPHA_PANDA_X_Y__", "ALPHA_PANDA__HIDDEN"} < names


def test_an_entry_that_no_datagram_holds_is_passed_as_a_sealed_file(receiver: Receiver) -> None:
    large = "x" * (1 << 20)
    journal(receiver).error("large", value=large)

    assert receiver.receive()["ALPHA_PANDA_VALUE"] == large


def test_without_a_journal_the_lines_go_to_standard_error_with_their_priority(receiver: Receiver) -> None:
    stream = io.StringIO()
    logger = journal(receiver, stream)
    receiver.path.unlink()
    logger.error("crash", actor="auth", stack="one\ntwo")

    assert stream.getvalue() == "<3>crash actor=auth stack=one\n<3>two\n"


def test_a_journal_that_takes_nothing_holds_nobody_up_for_long(receiver: Receiver, monkeypatch: Any) -> None:
    monkeypatch.setattr("actors.runtime.journal.SEND_S", 0.05)
    stream = io.StringIO()
    logger = journal(receiver, stream)
    number = 0
    while not stream.getvalue():
        logger.error("number", at=number)
        number += 1

    assert number > 1
    assert receiver.receive()["MESSAGE"] == "number at=0"
