"""Who a server runs as, and what it may still do."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from signal import Signals

import pytest

from persistence.server_user import ServerUser, ServerUserError, command, unprivileged_user

SEARCH = 1 << 2
OVERRIDE = 1 << 1


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.fixture
def private(tmp_path: Path) -> Path:
    path = tmp_path / "private" / "state"
    path.mkdir(parents=True)
    path.parent.chmod(0o700)
    return path


def test_an_ordinary_user_runs_servers_as_itself(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert unprivileged_user(private / "data", [private]) is None


@pytest.mark.usefixtures("as_root")
def test_root_runs_them_as_postgres_or_nobody(private: Path) -> None:
    user = unprivileged_user(private / "data", [Path("/usr/bin")])
    assert user is not None
    assert user.capability is None
    assert pwd.getpwuid(user.uid).pw_name in {"postgres", "nobody"}


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize(
    ("permitted", "capability"),
    [(SEARCH | OVERRIDE, "dac_read_search"), (OVERRIDE, "dac_override")],
)
def test_below_a_private_directory_it_keeps_the_least_capability_that_does(
    private: Path, monkeypatch: pytest.MonkeyPatch, permitted: int, capability: str
) -> None:
    monkeypatch.setattr("persistence.server_user._permitted_capabilities", lambda: permitted)
    user = unprivileged_user(private / "data", [private])
    assert user is not None
    assert user.capability == capability


@pytest.mark.usefixtures("as_root")
def test_without_either_capability_it_says_what_cannot_be_reached(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("persistence.server_user._permitted_capabilities", lambda: 0)
    with pytest.raises(ServerUserError, match=f"cannot reach {private}"):
        unprivileged_user(private / "data", [private])


def test_the_death_signal_is_set_after_the_change_of_user() -> None:
    argv = command(["server", "--flag"], Signals.SIGINT, ServerUser(7, 8, "dac_override"))
    assert argv[1:] == [
        "--reuid=7",
        "--regid=8",
        "--clear-groups",
        "--inh-caps=-all,+dac_override",
        "--ambient-caps=-all,+dac_override",
        "--securebits=+no_setuid_fixup",
        "--pdeathsig",
        "INT",
        "--",
        "server",
        "--flag",
    ]


def test_a_machine_without_setpriv_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ServerUserError, match="install util-linux"):
        command(["server"], Signals.SIGTERM, None)
