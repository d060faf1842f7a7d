"""The service as systemd runs it: what it promises its administrator, with PostgreSQL and NATS on the same machine."""

from __future__ import annotations

import re
import signal

import pytest

from tests.system.daemon import eventually
from tests.systemd.service import Service, Stopwatch, tell

STATUS = re.compile(r"ready: 1 broker, [1-9]\d* signals/s, postgres up, nats up")
STOP_LIMIT_S = 75.0
WATCHDOG_S = 6


def test_it_says_that_it_is_ready_and_how_it_fares(service: Service) -> None:
    shown = service.machine.show()
    assert (shown["Type"], shown["ActiveState"], shown["SubState"]) == ("notify", "active", "running")

    with service.signals(1000, 50):
        line = eventually(lambda: STATUS.fullmatch(service.machine.show()["StatusText"]), 30, 0.5)
    tell(f"Status: {line[0]}")
    assert shown["WatchdogUSec"] == "30s"


def test_it_is_hardened(service: Service) -> None:
    for unit in ("alpha-panda.service", "alpha-panda-migrate.service"):
        verdict = service.machine.run("systemd-analyze", "security", "--no-pager", unit).splitlines()[-1]
        tell(verdict)
        assert float(verdict.partition(": ")[2].split()[0]) <= 1.5


def test_its_secrets_are_in_no_environment_no_command_line_and_no_log(service: Service) -> None:
    machine = service.machine
    words = "cat /proc/$(systemctl show -P MainPID alpha-panda)/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'"
    seen = machine.run("sh", "-c", words) + machine.run("journalctl", "--no-pager")
    assert "CREDENTIALS_DIRECTORY=" in seen
    for secret in service.secrets:
        assert secret not in seen
    assert "unencrypted" not in machine.run("journalctl", "--no-pager", "--boot", "--unit=alpha-panda", "--lines=20")

    status = service.status()
    assert (status["database"]["embedded"], status["nats"]["embedded"]) == (False, False)
    tell("password, NATS seed and token key are in no environment, no command line, no journal")


def test_prometheus_takes_its_rules_and_its_figures(service: Service) -> None:
    machine = service.machine
    rules = machine.run("promtool", "check", "rules", "/checkout/deploy/prometheus/alpha-panda.rules.yml")
    assert re.search(r"SUCCESS: [1-9]\d* rules found", rules)
    tell(rules.splitlines()[-1].strip())

    service.configure("METRICS__PORT=9464\n")
    machine.run("systemctl", "restart", "alpha-panda.service")
    service.wait_until_ready()
    with service.signals(20, 100):
        pass
    fetch = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9464/metrics').read().decode(), end='')"
    machine.run("sh", "-c", f'python3 -c "{fetch}" >/figures')
    assert "trading_connection_status{" in machine.read("/figures")
    assert machine.run("sh", "-c", "promtool check metrics </figures") == ""


def test_killed_under_load_it_is_restarted_and_nothing_is_lost(service: Service) -> None:
    before, pid = service.restarts(), service.pid
    with service.signals(2000, 400) as filled:
        done = eventually(lambda: filled() > 200 and filled(), 30, 0.05)
        service.machine.kill(signal.SIGKILL)
        watch = Stopwatch()
        eventually(lambda: service.pid not in {0, pid}, 30, 0.1)
        service.wait_until_ready()
        tell(f"killed with {done} of 2000 filled; ready again after {watch}")
    assert service.restarts() == before + 1


@pytest.mark.parametrize("thread", ["supervisor", "database", "gateway-loop"])
def test_a_frozen_thread_is_found_by_the_watchdog_with_all_stacks_and_nothing_is_lost(
    service: Service, thread: str
) -> None:
    service.limit(WatchdogSec=str(WATCHDOG_S))
    before, pid, cursor = service.restarts(), service.pid, service.machine.cursor()
    with service.signals(200, 20), service.frozen(thread):
        watch = Stopwatch()
        eventually(lambda: service.restarts() == before + 1, 60, 0.2)
        tell(f"{thread} frozen; ended and restarted after {watch}")
        assert service.pid != pid
        service.wait_until_ready()
    log = service.machine.journal(cursor)
    assert "frozen; the service manager is no longer told that all is well" in log
    stacks = set(re.findall(r"^stack (?:actor|thread)=(\S+)", log, re.MULTILINE))
    assert {"supervisor", "database", "trading.paper", "gateway", "gateway-loop", "MainThread"} <= stacks
    assert "Watchdog timeout (limit 6s)!" in log
    assert "Fatal Python error: Aborted" in log
    assert "(most recent call first)" in log


def test_a_frozen_server_does_not_trip_the_watchdog(service: Service) -> None:
    service.limit(WatchdogSec=str(WATCHDOG_S))
    before, pid, cursor = service.restarts(), service.pid, service.machine.cursor()
    words = ["alpha-panda", "inject", "paper.signals.validated", "/checkout/examples/signal.json", "--no-wait"]
    fills = service.books().fills
    service.machine.kill(signal.SIGSTOP, service.postgres_unit, "all")
    try:
        service.machine.run(*words)
        watch = Stopwatch()
        eventually(lambda: "connections cut" in service.machine.journal(cursor), 60, 0.5)
        tell(f"PostgreSQL frozen for {watch}, the watchdog's limit being {WATCHDOG_S} s; the service runs on")
    finally:
        service.machine.kill(signal.SIGCONT, service.postgres_unit, "all")
    eventually(lambda: service.books().fills == fills + 1, 60, 0.2)
    assert (service.restarts(), service.pid) == (before, pid)
    assert "Watchdog timeout" not in service.machine.journal(cursor)


def test_stopped_under_load_it_ends_in_time_and_nothing_is_lost(service: Service) -> None:
    with service.signals(2000, 400) as filled:
        eventually(lambda: filled() > 200, 30, 0.05)
        watch = Stopwatch()
        service.machine.run("systemctl", "stop", "alpha-panda.service")
        tell(f"stopped in {watch} with {filled()} of 2000 filled")
        shown = service.machine.show()
        assert (shown["Result"], shown["ExecMainCode"], shown["ExecMainStatus"]) == ("success", "1", "0")
        assert watch.s < STOP_LIMIT_S
        service.machine.run("systemctl", "start", "alpha-panda.service")
        service.wait_until_ready()


def test_a_reload_changes_what_may_change_and_names_what_needs_a_restart(service: Service) -> None:
    pid, cursor = service.pid, service.machine.cursor()
    changed = "LOG__LEVEL=warning\nDATABASE__POOL_SIZE=7\nACTIVE_BROKERS=paper,zerodha\nDATABASE__PASSWORD=another\n"
    service.configure(changed)
    service.machine.run("systemctl", "reload", "alpha-panda.service")
    eventually(lambda: "settings reloaded changed=2" in service.machine.journal(cursor), 20, 0.1)
    log = service.machine.journal(cursor)
    for line in log.splitlines():
        if "setting" in line:
            tell(line)
    assert "setting changed change=LOG__LEVEL info -> warning" in log
    assert "setting changed change=DATABASE__POOL_SIZE 20 -> 7" in log
    assert "setting needs a restart change=ACTIVE_BROKERS paper -> paper,zerodha" in log
    assert "setting needs a restart change=DATABASE__POSTGRES_URL a secret -> a secret" in log
    eventually(lambda: service.machine.show()["SubState"] == "running", 10, 0.1)
    assert service.pid == pid

    service.configure("LOG__LEVEL=loud\n")
    cursor = service.machine.cursor()
    service.machine.run("systemctl", "reload", "alpha-panda.service")
    eventually(lambda: "settings not reloaded" in service.machine.journal(cursor), 20, 0.1)
    service.configure()
    assert service.status()["state"] == "ready"
    assert service.pid == pid


def test_wrong_configuration_is_not_started_again(service: Service) -> None:
    service.configure("LOG__LEVEL=loud\n")
    cursor = service.machine.cursor()
    service.machine.run("systemctl", "restart", "alpha-panda.service", check=False)
    shown = service.machine.show()
    assert (shown["ActiveState"], shown["ExecMainStatus"], shown["NRestarts"]) == ("failed", "78", "0")
    line = next(line for line in service.machine.journal(cursor).splitlines() if line.startswith("alpha-panda: "))
    tell(f"exit 78, not restarted: {line}")
    assert "LOG__LEVEL" in line


def test_an_upgrade_under_load_loses_nothing_and_can_be_taken_back(service: Service) -> None:
    machine = service.machine
    copy = "mkdir /newer && tar -C /checkout --exclude=./.venv --exclude=./.git -cf - . | tar -C /newer -xf -"
    machine.run("sh", "-c", f"{copy} && sed -i 's/^version = .*/version = 99.0/' /newer/setup.cfg")
    machine.run("sh", "/newer/deploy/install.sh", "--no-start")
    with service.signals(3000, 200) as filled:
        done = eventually(lambda: filled() > 50 and filled(), 30, 0.05)
        watch = Stopwatch()
        assert "+ systemctl restart" in machine.run("sh", "/newer/deploy/install.sh")
        service.wait_until_ready()
        tell(f"upgraded to version {service.status()['version']} with {done} of 3000 filled; ready after {watch}")
    assert service.status()["version"] == "99.0"
    assert "nothing has changed, and the service runs" in machine.run("sh", "/newer/deploy/install.sh")

    machine.run("sh", "-c", 'ln -sfn "$(readlink /opt/alpha-panda/previous)" /opt/alpha-panda/venv')
    machine.run("systemctl", "restart", "alpha-panda.service")
    service.wait_until_ready()
    tell(f"taken back to version {service.status()['version']}")
    assert service.status()["version"] != "99.0"


def test_a_dump_is_restored_and_the_streams_make_up_for_what_came_later(service: Service) -> None:
    machine = service.machine
    with service.signals(100, 200):
        pass
    as_postgres = "runuser -u postgres --"
    machine.run("sh", "-c", f"{as_postgres} pg_dump -Fc alpha_panda >/alpha_panda.dump")
    dumped = service.books()
    with service.signals(100, 200):
        pass
    books, events = service.books(), service.event_ids()

    machine.run("systemctl", "stop", "alpha-panda.service")
    machine.run("sh", "-c", f"{as_postgres} dropdb alpha_panda")
    machine.run("sh", "-c", f"{as_postgres} createdb --owner alpha_panda alpha_panda")
    machine.run("sh", "-c", f"{as_postgres} pg_restore -d alpha_panda </alpha_panda.dump")
    assert service.books() == dumped
    service.forget_consumers()
    machine.run("systemctl", "start", "alpha-panda.service")
    service.wait_for_fills(books)

    assert service.event_ids() == events
    tell(f"restored a dump of {dumped.fills} fills; the stream made them {books.fills} again, by the same ids")


def test_after_a_reboot_it_runs_again_with_all_its_books(service: Service) -> None:
    with service.signals(50, 100):
        pass
    books = service.books()
    watch = Stopwatch()
    service.machine.reboot()
    service.wait_until_ready()
    tell(f"rebooted and ready again after {watch}")
    assert service.books() == books
    with service.signals(50, 100):
        pass
