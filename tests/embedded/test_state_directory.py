"""The state directory: one daemon at a time, and clear words when it cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from persistence.state_directory import (
    StateDirectory,
    StateDirectoryError,
    StateDirectoryFull,
    StateDirectoryInUse,
)
from tests.faults.disk import MountedDisk

HOLDER = """
import pathlib, sys
from persistence.state_directory import StateDirectory
with StateDirectory(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def refusal(path: Path) -> str:
    with pytest.raises(StateDirectoryError) as caught, StateDirectory(path):
        pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_it_is_made_private(tmp_path: Path) -> None:
    with StateDirectory(tmp_path / "a" / "state"):
        assert (tmp_path / "a" / "state").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")
@pytest.mark.parametrize(
    ("service", "cure"), [("", "run this as that user"), ("alpha-panda", "`systemctl start alpha-panda`")]
)
def test_one_of_another_user_is_refused_and_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: str, cure: str
) -> None:
    monkeypatch.setenv("ALPHA_PANDA_SERVICE", service)
    os.chown(tmp_path, 61234, 61234)

    found = refusal(tmp_path)

    assert found.startswith(f"{tmp_path} belongs to user 61234: {cure}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")
def test_one_that_another_users_daemon_holds_is_in_use(tmp_path: Path) -> None:
    with StateDirectory(tmp_path):
        os.chown(tmp_path, 61234, 61234)

        with pytest.raises(StateDirectoryInUse) as caught, StateDirectory(tmp_path):
            pass

        assert caught.value.pid == os.getpid()
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    assert "belongs to user 61234" in refusal(tmp_path)


def test_the_node_id_stays_the_same(tmp_path: Path) -> None:
    with StateDirectory(tmp_path / "state") as state:
        node = state.node
    with StateDirectory(tmp_path / "state") as state:
        assert state.node == node
    assert len(node) == 32


def test_a_second_daemon_is_refused_and_told_of_the_first(tmp_path: Path) -> None:
    with StateDirectory(tmp_path), pytest.raises(StateDirectoryInUse) as caught, StateDirectory(tmp_path):
        pass
    assert caught.value.pid == os.getpid()
    assert f"process {os.getpid()}" in str(caught.value)


def test_a_killed_daemon_holds_it_no_longer(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert f"process {holder.pid}" in refusal(tmp_path)
        holder.kill()
    with StateDirectory(tmp_path) as state:
        assert state.node


def test_a_file_in_its_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    assert f"{tmp_path / 'state'}: not a directory" in refusal(tmp_path / "state")


def test_a_place_nobody_can_write_is_named(tmp_path: Path) -> None:
    assert "set STATE_DIR to a writable one" in refusal(Path("/proc/alpha-panda"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk")
def test_one_on_a_full_disk_may_have_room_at_the_next_start(tmp_path: Path) -> None:
    disk = MountedDisk(tmp_path / "disk")
    disk.mount()
    try:
        state = disk.place / "state"
        state.mkdir()
        disk.fill("")

        with pytest.raises(StateDirectoryFull, match=f"^{state}: No space left on device; make room there$"):
            StateDirectory(state).__enter__()

        disk.free("")
        with StateDirectory(state) as held:
            assert held.node
    finally:
        disk.unmount()


def test_a_damaged_node_id_is_named(tmp_path: Path) -> None:
    (tmp_path / "node").write_text("half")
    assert f"{tmp_path / 'node'} is damaged" in refusal(tmp_path)
    (tmp_path / "node").unlink()
    with StateDirectory(tmp_path) as state:
        assert state.node
