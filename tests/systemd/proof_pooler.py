"""PgBouncer before the database: where the service works, and where it says that it cannot."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.systemd.service import Service, tell

POOLER = "pgbouncer.service"
MIGRATE = "alpha-panda-migrate.service"
SETTINGS = """\
[databases]
alpha_panda = host=127.0.0.1 port=5432
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = 6432
unix_socket_dir =
auth_type = scram-sha-256
auth_file = /etc/pgbouncer/userlist.txt
default_pool_size = 60
"""
SESSIONS = "pool_mode = session\nignore_startup_parameters = options\n"
TRANSACTIONS = "pool_mode = transaction\nignore_startup_parameters = options\n"
ADDRESS = "DATABASE__POSTGRES_URL=postgresql://alpha_panda@127.0.0.1:6432/alpha_panda\n"


@pytest.fixture
def pooled(service: Service) -> Iterator[Service]:
    """The service, told to go by a pooler; that is not there yet."""
    service.machine.write("/etc/pgbouncer/userlist.txt", f'"alpha_panda" "{service.password}"\n')
    service.configure(ADDRESS)
    yield service
    service.configure()
    service.machine.kill(signal.SIGKILL, POOLER, "all")
    service.machine.run("systemctl", "restart", MIGRATE)


def pool(service: Service, how: str) -> None:
    service.machine.write("/etc/pgbouncer/pgbouncer.ini", SETTINGS + how)
    service.machine.run("systemctl", "restart", POOLER)


def refusal(service: Service) -> str:
    """Why the schema is not brought to head."""
    cursor = service.machine.cursor()
    service.machine.run("systemctl", "restart", MIGRATE, check=False)
    assert service.machine.show(MIGRATE)["ExecMainStatus"] == "78"
    lines = service.machine.journal(cursor, MIGRATE).splitlines()
    line = next(line for line in lines if line.startswith("alpha-panda: "))
    tell(line)
    return line


def test_by_a_pooler_of_sessions_it_migrates_and_trades(pooled: Service) -> None:
    cursor = pooled.machine.cursor()
    pool(pooled, SESSIONS)
    pooled.machine.run("systemctl", "restart", MIGRATE, "alpha-panda.service")
    pooled.wait_until_ready()
    with pooled.signals(500, 200):
        pass
    assert "login attempt: db=alpha_panda user=alpha_panda" in pooled.machine.journal(cursor, POOLER)


def test_a_pooler_of_transactions_is_refused(pooled: Service) -> None:
    pool(pooled, TRANSACTIONS)
    assert "shares its sessions between transactions" in refusal(pooled)


def test_a_pooler_that_does_not_let_the_time_limits_go_is_refused(pooled: Service) -> None:
    pool(pooled, "pool_mode = session\n")
    assert "unsupported startup parameter" in refusal(pooled)
