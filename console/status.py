"""What is known of the daemon: its own word, or, with the daemon down, the last that it left behind.

Nothing here needs Rich: `status --json` shall not wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from console.failure import DaemonDown, Failure
from console.operator_socket import OperatorSocket
from console.wire import age_s, write_json
from settings import Settings

LAST_STATUS = "last_status.json"
PATIENCE_S = 2.0
WATCH_EVERY_S = 1.0

READY, DEGRADED, DOWN, UNKNOWN = 0, 1, 2, 3
_CODES = {"ready": READY, "degraded": DEGRADED, "starting": DEGRADED, "stopping": DEGRADED, "stopped": DOWN}


@dataclass(frozen=True, slots=True)
class Finding:
    """The document, of one daemon or of several, the exit code that it stands for, and, where no daemon answers, the
    reason."""

    document: dict[str, Any] | list[dict[str, Any]]
    exit_code: int
    silent_because: str | None = None


def here(settings: Settings) -> Callable[[], Finding]:
    """What finds the daemon of these settings."""
    return partial(find, settings)


def find(settings: Settings) -> Finding:
    """Ask the daemon, else look at what it left behind; never raises for a daemon that is down or odd."""
    try:
        document = OperatorSocket(settings.socket_path, PATIENCE_S).get("status")
    except DaemonDown as error:
        return _silent(settings, str(error), DOWN)
    except Failure as error:
        return _silent(settings, str(error), UNKNOWN)
    if not isinstance(document, dict) or document.get("state") not in _CODES:
        return _silent(settings, f"{settings.socket_path}: not the status of a daemon; check RUNTIME_DIR", UNKNOWN)
    return Finding(document, exit_code_of(document))


def exit_code_of(document: Mapping[str, Any]) -> int:
    """2 also for a daemon that runs while something essential does not work."""
    essential = [check for check in document.get("checks", ()) if check.get("essential")]
    if any(check.get("status") == "unhealthy" for check in essential) and document["state"] == "degraded":
        return DOWN
    return _CODES.get(str(document["state"]), UNKNOWN)


def print_json(look: Callable[[], Finding], *, watch: bool) -> int:
    """Print what is found as JSON, once or again and again until interrupted; returns the exit code."""
    while watch:
        write_json(look().document)
        time.sleep(WATCH_EVERY_S)
    finding = look()
    write_json(finding.document)
    return finding.exit_code


def _silent(settings: Settings, reason: str, exit_code: int) -> Finding:
    last, seconds = last_known(settings.state_dir)
    holder = lock_holder(settings.state_dir / "lock") if exit_code == DOWN else None
    if holder is not None:
        reason = f"process {holder} holds {settings.state_dir} but does not answer yet: it starts or stops; ask again"
    document = {
        "state": "unreachable",
        "as_of": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "age_s": seconds,
        "last": last,
        "why_not_ready": [reason],
    }
    return Finding(document, exit_code, reason)


def last_known(state_dir: Path) -> tuple[dict[str, Any] | None, float | None]:
    """The last status that a daemon kept in its state directory, and its age in seconds; nothing if unreadable."""
    try:
        document = orjson.loads((state_dir / LAST_STATUS).read_bytes())
        return document, round(age_s(document["as_of"]), 3)
    except (OSError, ValueError, KeyError, TypeError):
        return None, None


def lock_holder(path: Path) -> int | None:
    """Which process holds the lock on the file, as the kernel tells it; asked without touching the lock."""
    try:
        wanted = path.stat()
        locks = Path("/proc/locks").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    for line in locks.splitlines():
        fields = line.split()
        if len(fields) >= 6 and fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == str(wanted.st_ino):
            return int(fields[4])
    return None
