"""However the process that started them ends, its servers end with it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from persistence.embedded import EmbeddedPostgres
from tests.embedded.processes import Watched, family

DAEMON = """
import pathlib, sys
from actors.gateway.embedded import EmbeddedNats
from persistence.embedded import EmbeddedPostgres
directory = pathlib.Path(sys.argv[1])
with EmbeddedPostgres(directory / "p") as postgres, EmbeddedNats(directory / "n") as nats:
    print(postgres.pid, nats.pid, flush=True)
    sys.stdin.read()
"""

FIRST_START = """
import pathlib, sys
from persistence import embedded
def stop_here(path):
    print("made", flush=True)
    sys.stdin.read()
embedded.sync_directory = stop_here
embedded.EmbeddedPostgres(pathlib.Path(sys.argv[1])).start()
"""


def started(program: str, argument: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, str(argument)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_no_server_outlives_a_killed_daemon(database: Path) -> None:
    with started(DAEMON, database.parent) as daemon:
        assert daemon.stdout is not None
        pids = [int(pid) for pid in daemon.stdout.readline().split()]
        assert len(pids) == 2
        watched = Watched([process for pid in pids for process in family(pid)])
        daemon.kill()
        assert watched.all_ended()
        assert daemon.wait() == -signal.SIGKILL


def test_a_daemon_killed_in_its_first_start_can_start_again(tmp_path: Path) -> None:
    with started(FIRST_START, tmp_path / "p") as daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == "made\n"
        daemon.kill()
    with EmbeddedPostgres(tmp_path / "p") as server:
        assert server.poll() is None
    assert not list((tmp_path / "p").glob("initdb-*"))
