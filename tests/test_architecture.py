"""The imports point one way and do nothing; each rule also catches a planted violation."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture_rules import (
    ENVIRONMENT_READERS,
    ROOT,
    environment_reads_in,
    imports,
    logic_in,
    project_sources,
    sleeps_in,
    violations,
)

SOURCES = dict(project_sources())

IMPORT_ALL = """
import importlib, json, sys, threading

FORBIDDEN = ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.fork", "os.forkpty",
             "os.posix_spawn", "os.system", "os.mkdir", "os.remove", "os.rename", "sqlite3.connect")

class Work(BaseException):
    pass

def watch(event, arguments):
    if event in FORBIDDEN or event == "open" and str(arguments[1] or "r").strip("rbt"):
        raise Work(f"does {event}")

def refuse(*_, **__):
    raise Work("starts a thread or builds an engine")

import sqlalchemy
sys.dont_write_bytecode = True
sys.addaudithook(watch)
threading.Thread.start = refuse
sqlalchemy.create_engine = refuse
found = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Work as work:
        found[name] = str(work)
assert threading.active_count() == 1, threading.enumerate()
print(json.dumps(found))
"""


def work_of(*names: str, path: Path = ROOT) -> dict[str, str]:
    """Import the modules in a process that refuses work; returns what which module tried to do."""
    command = [sys.executable, "-c", IMPORT_ALL, *names]
    done = subprocess.run(command, cwd=path, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


class TestTheProject:
    def test_there_is_one_to_look_at(self) -> None:
        assert {"supervisor", "actors.runtime.actor", "actors.messages", "persistence.models"} <= SOURCES.keys()

    @pytest.mark.parametrize("module", SOURCES)
    def test_imports_point_one_way(self, module: str) -> None:
        assert violations(module, SOURCES[module].read_text()) == []

    def test_packages_have_no_logic_of_their_own(self) -> None:
        assert {str(path): wrong for path in ROOT.rglob("__init__.py") if (wrong := _logic(path))} == {}

    def test_only_those_who_must_read_the_environment(self) -> None:
        readers = {name for name, path in SOURCES.items() if environment_reads_in(path.read_text())}

        assert readers <= set(ENVIRONMENT_READERS)

    def test_no_test_sleeps(self) -> None:
        tests = sorted((ROOT / "tests").rglob("*.py"))

        assert len(tests) > 10
        assert {str(path): wrong for path in tests if (wrong := sleeps_in(path.read_text()))} == {}

    def test_importing_all_of_it_opens_nothing_and_starts_nothing(self) -> None:
        """Alembic's `migrations.env` is left out, as it is a script that Alembic runs."""
        assert work_of(*SOURCES.keys() - {"migrations.env"}) == {}


def _logic(path: Path) -> list[str]:
    return [] if ".venv" in path.parts or "build" in path.parts else logic_in(path.read_text())


class TestPlantedImports:
    @pytest.mark.parametrize(
        ("module", "source"),
        [
            ("actors.trading.actor", "import nats"),
            ("console.inject", "from nats.aio.client import Client"),
            ("supervisor", "import nats.errors"),
            ("actors.auth", "import sqlalchemy"),
            ("actors.database.actor", "from psycopg2 import errors"),
            ("console.database", "from alembic import command"),
            ("supervisor", "from sqlalchemy.exc import SQLAlchemyError"),
            ("actors.health", "import pykka"),
            ("actors.gateway.actor", "from pykka.messages import _ActorStop"),
            ("console.status", "import pykka"),
            ("persistence.database", "from actors.messages import SessionRow"),
            ("persistence.database", "from actors import messages"),
            ("persistence.models", "import supervisor"),
            ("migrations.env", "import actors"),
            ("actors.trading.actor", "from persistence.database import Database"),
            ("actors.health", "import persistence.errors"),
            ("actors.gateway.actor", "from persistence import server_process"),
            ("actors.gateway.embedded", "from persistence.database import Database"),
            ("actors.trading.actor", "from actors.gateway.codec import decode_signal"),
            ("actors.gateway.codec", "from actors.trading.orders import Side"),
            ("actors.gateway.link", "from actors import control"),
            ("actors.auth", "from actors.database.actor import DatabaseActor"),
            ("actors.database.actor", "from actors.auth import AuthActor"),
            ("actors.health", "from actors.checks import checks"),
            ("actors.control", "from actors.health import HealthActor"),
            ("actors.brokers.paper", "from actors.health import Check"),
            ("actors.runtime.actor", "from actors.sessions import shown"),
            ("actors.runtime.actor", "from actors.trading.actor import TradingActor"),
            ("actors.messages", "from actors.runtime.mailbox import Letter"),
            ("actors.errors", "from actors.messages import Reply"),
            ("actors.dead_letter", "from actors.runtime.actor import ServiceActor"),
            ("actors.checks", "from actors.auth import AuthActor"),
            ("actors.control", "import supervisor"),
            ("actors.control", "from console.output import table"),
            ("actors.runtime.supervisor", "import console"),
            ("supervisor", "from console.app import main"),
            ("console.status", "from actors.runtime.directory import Directory"),
            ("console.status", "from actors.auth import AuthActor"),
            ("console.status", "from actors.gateway.actor import GatewayActor"),
            ("settings", "from persistence.urls import normalise_url"),
            ("actors.trading.actor", "def later():\n    import nats"),
            ("actors.trading.actor", "if TYPE_CHECKING:\n    from persistence.database import Database"),
            ("actors.trading.actor", "try:\n    import nats\nexcept ImportError:\n    nats = None"),
            ("actors.trading.actor", "importlib.import_module('nats.errors')"),
            ("actors.trading.actor", "nats = __import__('nats')"),
            ("actors.trading.actor", "from . import portfolio"),
            ("actors.trading.actor", "from actors.testkit import Probe"),
            ("actors.runtime.supervisor", "from actors.testkit.probe import WAIT_S"),
            ("supervisor", "from actors import testkit"),
            ("console.app", "import actors.testkit"),
            ("actors.testkit.neighbour", "from actors.brokers.protocol import Broker"),
            ("actors.testkit.stepper", "from pykka.messages import _ActorStop"),
            ("actors.testkit.probe", "import pytest"),
            ("actors.newcomer", "from actors.messages import Ping"),
            ("strangers.module", "from actors.messages import Ping"),
        ],
    )
    def test_a_wrong_one_is_found(self, module: str, source: str) -> None:
        (found,) = violations(module, source)

        assert found.startswith(module)

    @pytest.mark.parametrize(
        ("module", "source"),
        [
            ("actors.gateway.link", "import nats.errors"),
            ("actors.runtime.actor", "import pykka"),
            ("supervisor", "import pykka"),
            ("persistence.database", "import sqlalchemy, psycopg2"),
            ("migrations.versions.0001_first", "from alembic import op"),
            ("actors.auth", "from persistence.database import Database"),
            ("actors.gateway.embedded", "from persistence.server_process import EmbeddedServer"),
            ("actors.brokers.paper", "from actors.trading.money import exact"),
            ("actors.trading.actor", "from actors.brokers.protocol import Broker"),
            ("actors.checks", "from actors.diagnosis import Check"),
            ("actors.testkit.stepper", "from actors.testkit.probe import Probe"),
            ("actors.testkit.grove", "from actors.runtime.supervisor import Supervisor"),
            ("actors.gateway.actor", "from settings import NatsSettings"),
            ("supervisor", "if __name__ == '__main__':\n    from console.app import main"),
            ("console.app", "import supervisor"),
            ("actors.trading.actor", "import natsort, sqlalchemy_utils"),
        ],
    )
    def test_a_right_one_is_left_alone(self, module: str, source: str) -> None:
        assert violations(module, source) == []

    def test_names_are_found_wherever_they_stand(self) -> None:
        source = "import a.b, c as d\nfrom e import f\nclass G:\n    def h(self):\n        from i.j import k\n"

        assert sorted(imports(source)) == ["a.b", "c", "e.f", "i.j.k"]


class TestPlantedLogic:
    @pytest.mark.parametrize(
        "source",
        ["VERSION = 1", "def f(): ...", "import os\nos.environ", "'''Doc.'''\nif True:\n    import os", "1\n'''x'''"],
    )
    def test_a_package_that_does_something_is_found(self, source: str) -> None:
        assert logic_in(source)

    @pytest.mark.parametrize("source", ["", "'''Doc.'''", "'''Doc.'''\nfrom a import b\n__all__ = ['b']"])
    def test_one_that_lists_names_is_left_alone(self, source: str) -> None:
        assert logic_in(source) == []

    @pytest.mark.parametrize(
        "source", ["import time\ntime.sleep(1)", "from time import sleep", "async def f():\n    await asyncio.sleep(0)"]
    )
    def test_a_sleep_is_found(self, source: str) -> None:
        assert sleeps_in(source)

    def test_a_word_is_no_sleep(self) -> None:
        assert sleeps_in("text = 'time.sleep(1)'\nevent.wait(1)") == []

    @pytest.mark.parametrize("source", ["os.environ['A']", "os.getenv('A')", "from os import environ"])
    def test_a_look_at_the_environment_is_found(self, source: str) -> None:
        assert environment_reads_in(source)


WORK = {
    "connects": "import socket\nsocket.create_connection(('127.0.0.1', 9))",
    "binds": "import socket\nsocket.socket(socket.AF_UNIX).bind('x')",
    "resolves": "import socket\nsocket.getaddrinfo('localhost', 80)",
    "starts_a_thread": "import threading\nthreading.Thread(target=print).start()",
    "starts_a_timer": "import threading\nthreading.Timer(0, print).start()",
    "starts_a_process": "import subprocess\nsubprocess.run(['true'])",
    "runs_a_command": "import os\nos.system('true')",
    "builds_an_engine": "from sqlalchemy import create_engine\ncreate_engine('sqlite://')",
    "writes_a_file": "open('left_behind', 'w')",
    "makes_a_directory": "from pathlib import Path\nPath('left_behind').mkdir()",
}


def test_every_planted_import_that_does_work_is_found(tmp_path: Path) -> None:
    for name, source in WORK.items():
        (tmp_path / f"{name}.py").write_text(source)
    (tmp_path / "idle.py").write_text("import socket, threading\nlock = threading.Lock()\nopen(__file__).close()\n")

    assert work_of(*WORK, "idle", path=tmp_path).keys() == WORK.keys()
