"""What NATS and its connection fail with when nobody is to blame, and how that reads in one line."""

from __future__ import annotations

import asyncio

import nats.errors
import nats.js.errors

from actors.masking import masked

NATS_ERRORS = (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError, asyncio.TimeoutError)


def line(error: BaseException) -> str:
    """The first line of the error's text without secrets, or its class's name where it has none."""
    text = masked(str(error).strip().split("\n", 1)[0])
    return text or type(error).__name__
