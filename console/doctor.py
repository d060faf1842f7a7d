"""`doctor`: the environment checked step by step, each failure with its cure."""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from actors.brokers.registry import UnknownBroker, find_broker
from actors.diagnosis import Check, CheckFailed, Health, run_check
from actors.host_checks import host_checks
from actors.runtime.clock import SystemClock
from console.doctor_screen import doctor_screen
from console.failure import FAILED, MISCONFIGURED, OK
from console.output import counted, screen
from console.server_steps import database_steps, nats_steps
from console.status import find, lock_holder
from console.wire import write_json
from persistence.errors import TokenKeyError
from persistence.token_cipher import TokenCipher
from persistence.token_keys import configured_keys, exposed_keys
from settings import Settings, SettingsError, how_to_start, misspelt, program

OLDEST_PYTHON = (3, 11)
DISTRIBUTION = "alpha-panda"

_REQUIREMENT = re.compile(r"[A-Za-z0-9._-]+")


def run(load: Callable[[], Settings], *, as_json: bool) -> int:
    """Take every step and print what was found; returns the worst step's exit code: 0, 1 for what is only weak, 69 for
    a server, 78 for the configuration.

    Args:
        load: reads the settings; that it fails is a finding, too.
        as_json: print a list of results instead of a table.
    """
    found, code = [], OK
    for check in _steps(load):
        result = run_check(check, SystemClock())
        if result is not None:
            found.append(result.as_status())
            code = max(code, _code(result.status, result.exit_code))
    if as_json:
        write_json(found)
    else:
        screen().print(doctor_screen(found))
    return code


def _code(status: Health, exit_code: int) -> int:
    if status is Health.HEALTHY:
        return OK
    return FAILED if status is Health.DEGRADED else exit_code


def _steps(load: Callable[[], Settings]) -> Iterator[Check]:
    """The steps in order; those that need the settings follow only where there are any."""
    yield Check("Python", _python, exit_code=MISCONFIGURED)
    yield Check("Packages", _packages, exit_code=MISCONFIGURED)
    try:
        settings = load()
    except SettingsError as error:
        problems = "\n".join(error.problems)
        yield Check("Settings", lambda: _fail(problems, "correct them; nothing else can be checked before"), False, 78)
        return
    yield Check("Settings", lambda: _settings(settings))
    yield Check("State directory", lambda: _directory(settings.state_dir, "STATE_DIR"), exit_code=MISCONFIGURED)
    yield Check(
        "Runtime directory", lambda: _directory(settings.socket_path.parent, "RUNTIME_DIR"), exit_code=MISCONFIGURED
    )
    yield from host_checks(settings.state_dir)
    yield Check("Token keys", lambda: _keys(settings), exit_code=MISCONFIGURED)
    for broker in settings.brokers:
        yield Check(f"Broker {broker}", partial(_broker, broker), exit_code=MISCONFIGURED)
    yield from database_steps(settings)
    yield from nats_steps(settings)
    yield Check("Daemon", lambda: _daemon(settings))


def _fail(message: str, cure: str, status: Health = Health.UNHEALTHY) -> str:
    raise CheckFailed(message, cure, status)


def _python() -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        _fail(version, "install Python 3.11 or later")
    return f"{version} at {sys.executable}"


def _packages() -> str:
    try:
        required = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return _fail("alpha-panda is not installed", "run it by ./panda, or `pip install alpha-panda[embedded]`")
    names = [
        match.group() for line in required if "extra ==" not in line and (match := _REQUIREMENT.match(line)) is not None
    ]
    missing = sorted(name for name in names if not _is_installed(name))
    if missing:
        cure = "install them: `pip install alpha-panda`, or remove .venv and run ./panda"
        _fail(f"missing: {', '.join(missing)}", cure)
    return f"all {len(names)} that are needed are installed"


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _settings(settings: Settings) -> str:
    if found := misspelt(settings):
        cure = "; ".join(f"did you mean {meant}?" for meant in found.values())
        _fail(f"valid, but no setting: {', '.join(found)}", cure, Health.DEGRADED)
    return f"valid; brokers: {', '.join(settings.brokers)}"


def _directory(path: Path, setting: str) -> str:
    """Whether a daemon of this user could keep its files there; nothing is made."""
    there = next(one for one in (path, *path.parents) if one.exists())
    if not there.is_dir():
        _fail(f"{there} is not a directory", f"set {setting} to another directory")
    if not os.access(there, os.W_OK | os.X_OK):
        _fail(f"{there}: no permission to write", f"set {setting} to a directory of yours")
    if there != path:
        return f"{path} is made at the first start"
    mode = path.stat().st_mode & 0o777
    if mode & 0o002:
        _fail(f"{path} can be written by everybody ({mode:03o})", f"chmod 700 {path}", Health.DEGRADED)
    return f"{path} ({mode:03o})"


def _keys(settings: Settings) -> str:
    new_key = f"`{program()} sessions new-key`"
    try:
        keys = configured_keys(settings.auth)
        TokenCipher(keys, settings.auth.key_setting)
        exposed = exposed_keys(settings.auth)
    except (TokenKeyError, OSError) as error:
        return _fail(str(error), f"correct it, or make a key: {new_key}")
    if exposed:
        problem, _, cure = exposed.partition(": ")
        _fail(problem, cure, Health.DEGRADED)
    if keys:
        return f"{counted(len(keys), 'key')}, the first of which seals"
    if set(settings.brokers) - {"paper"}:
        cure = f"make a key, {new_key}, and set AUTH__TOKEN_KEYS_FILE to its file"
        _fail("none: tokens are stored as they are", cure, Health.DEGRADED)
    return "none, and no live broker whose tokens would have to be sealed"


def _broker(name: str) -> str:
    try:
        find_broker(name)
    except UnknownBroker as error:
        return _fail(str(error), "correct ACTIVE_BROKERS")
    return "its adapter can be loaded"


def _daemon(settings: Settings) -> str:
    finding = find(settings)
    document = finding.document
    if finding.silent_because is not None or not isinstance(document, dict):
        if finding.exit_code == 2 and lock_holder(settings.state_dir / "lock") is None:
            return f"none runs; start it with `{how_to_start()}`"
        return _fail(finding.silent_because or "no status", "see what has the socket", Health.DEGRADED)
    shown = f"process {document['pid']} is {document['state']}"
    if document["state"] != "ready":
        _fail(f"{shown}: {'; '.join(document['why_not_ready'])}", f"see `{program()} status`", Health.DEGRADED)
    return shown
