"""What puts the service on a machine, and takes it off."""

from __future__ import annotations

import re
import shlex

from tests.system.daemon import CHECKOUT
from tests.systemd.machine import Machine
from tests.systemd.service import INSTALL, PAGE, Stopwatch, tell

AS_USER = "cd / && runuser -u {user} -- env COLUMNS=200 alpha-panda {words} 2>&1; echo code $?"

SESSIONS = (CHECKOUT / "docs" / "sessions.md").read_text().replace("\\\n", " ")
FORGET = next(
    shlex.split(line, comments=False)[1:] for line in SESSIONS.splitlines() if line.startswith("# systemd-run ")
)


def is_there(machine: Machine, path: str) -> bool:
    return machine.run("sh", "-c", f"[ -e {path} ] && echo yes", check=False) == "yes"


def leave_alone_while_stopped(machine: Machine) -> None:
    """With the service stopped root is sent to systemd, breaks nothing, and can still have lost keys forgotten."""
    machine.write("/etc/alpha-panda/credentials/token-keys", machine.run("alpha-panda", "sessions", "new-key"), 0o600)
    machine.run("systemctl", "stop", "alpha-panda")
    assert "`systemctl start alpha-panda`" in " ".join(machine.run("alpha-panda", "status", check=False).split())
    refused = machine.run("alpha-panda", "run", check=False)
    assert "/var/lib/alpha-panda belongs to " in refused
    assert refused.endswith(": `systemctl start alpha-panda`")
    assert machine.run(*FORGET).endswith("no session is unreadable")
    machine.run("systemctl", "start", "alpha-panda")
    assert machine.show()["ActiveState"] == "active"
    tell("stopped, left alone by root, lost keys forgotten by a unit of its own, and started again")


def only_root_and_operators_get_at_it(machine: Machine) -> None:
    for user in ("trader", "stranger"):
        machine.run("useradd", user)
    machine.run("gpasswd", "-a", "trader", "alpha-panda-operators")
    told = {user: machine.run("sh", "-c", AS_USER.format(user=user, words="status")) for user in ("trader", "stranger")}
    assert told["trader"].startswith("Alpha Panda ready")
    assert told["trader"].endswith("code 0")
    assert "gpasswd -a USER alpha-panda-operators" in told["stranger"]
    assert told["stranger"].endswith("code 3")

    for place in ("/var/lib/alpha-panda/", "/etc/alpha-panda/credentials", "/run/credentials/alpha-panda.service"):
        refused = machine.run("runuser", "-u", "trader", "--", "ls", place, check=False)
        assert "Permission denied" in refused, place
    closed = machine.run("sh", "-c", AS_USER.format(user="trader", words="db check"))
    assert "run this as root" in closed
    tell("a member of the group gets its status, somebody else the cure; state and secrets are closed to both")


def who_did_what_is_logged(machine: Machine) -> None:
    machine.run("sh", "-c", AS_USER.format(user="trader", words="restart trading.paper"))
    member = machine.run("id", "-u", "trader")
    (line,) = re.findall(
        "operator command.*trading.paper.*", machine.run("journalctl", "--no-pager", "-u", "alpha-panda")
    )
    assert f"uid={member} user=trader" in line
    tell(f"who did what is logged: {line}")


def root_works_on_the_database_beside_the_service(machine: Machine) -> None:
    machine.write("/dump.csv", "instrument_token,tradingsymbol,name,exchange\n408065,INFY,INFOSYS,NSE\n", 0o600)
    assert "catalogue: 1 active of 1" in machine.run("alpha-panda", "instruments", "load", "/dump.csv")
    assert "at head" in machine.run("alpha-panda", "db", "check")
    assert "in use by process" in machine.run("alpha-panda", "run", check=False)
    tell("root loads instruments and checks the schema beside the service")


def its_state_is_moved_as_the_page_says(machine: Machine) -> None:
    disk = "mkdir -p /disk /mnt/large && echo '/disk /mnt/large none bind 0 0' >>/etc/fstab"
    machine.run("sh", "-c", f"{disk} && systemctl daemon-reload && mount /mnt/large")
    block = PAGE.read_text().partition("## The state on another disk")[2].split("```")[1].removeprefix("console\n")
    machine.run("sh", "-c", "set -e\n" + re.sub(r"^# ", "", block, flags=re.MULTILINE))
    assert '"fills":1' in machine.run("alpha-panda", "status", "--json").replace(" ", "")
    assert is_there(machine, "/disk/alpha-panda/postgres/data")
    refused = machine.run(*INSTALL, "--uninstall", "--purge", check=False)
    assert "/var/lib/private/alpha-panda is mounted" in refused

    machine.run("systemctl", "stop", "alpha-panda.service")
    machine.run("umount", "/var/lib/private/alpha-panda", "/mnt/large")
    machine.run("sed", "-i", "s,^/disk .*,/no /mnt/large ext4 loop 0 0,", "/etc/fstab")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "alpha-panda.service", check=False)
    assert machine.show()["ActiveState"] == "inactive"
    assert machine.run("ls", "-A", "/var/lib/private/alpha-panda") == ""
    machine.run("sh", "-c", "sed -i '/large/d' /etc/fstab && systemctl daemon-reload")
    tell("its state is moved to another disk; without that disk it does not start")


def test_one_command_makes_a_running_service_and_can_be_run_again_and_another_takes_it_off(bare: Machine) -> None:
    watch = Stopwatch()
    first = bare.run("sh", "-c", f"umask 077 && {' '.join(INSTALL)}")
    tell(f"installed and started, with servers of its own, in {watch}")
    assert "+ systemctl enable" in first
    assert is_there(bare, "/usr/local/share/man/man1/alpha-panda.1")
    assert bare.show()["ActiveState"] == "active"
    only_root_and_operators_get_at_it(bare)
    who_did_what_is_logged(bare)
    root_works_on_the_database_beside_the_service(bare)
    pid = bare.show()["MainPID"]
    assert "1 filled" in bare.run(
        "alpha-panda", "inject", "paper.signals.validated", "/checkout/examples/signal.json", "--wait"
    )

    bare.write(
        "/etc/alpha-panda/alpha-panda.env", "# mine\nSTATE_DIR=/var/lib/alpha-panda\nRUNTIME_DIR=/run/alpha-panda\n"
    )
    again = bare.run(*INSTALL)
    assert "nothing has changed, and the service runs" in again
    assert bare.show()["MainPID"] == pid
    assert bare.read("/etc/alpha-panda/alpha-panda.env").startswith("# mine")

    tell("run again: nothing changed, same process")
    leave_alone_while_stopped(bare)
    bare.run(*INSTALL, "--uninstall")
    assert bare.show()["LoadState"] == "not-found"
    assert not is_there(bare, "/opt/alpha-panda")
    assert is_there(bare, "/var/lib/private/alpha-panda/postgres/data")
    assert is_there(bare, "/etc/alpha-panda/alpha-panda.env")

    bare.run("tar", "-C", "/var/lib/private", "-cf", "/alpha-panda.tar", "alpha-panda")
    bare.run("sh", "-c", "rm -r /var/lib/private/alpha-panda && tar -C /var/lib/private -xf /alpha-panda.tar")
    bare.run(*INSTALL)
    assert bare.show()["ActiveState"] == "active"
    assert '"fills":1' in bare.run("alpha-panda", "status", "--json").replace(" ", "")
    tell("uninstalled, restored from a backup and installed again: the books are there")
    its_state_is_moved_as_the_page_says(bare)
    bare.run(*INSTALL, "--uninstall", "--purge")
    assert not is_there(bare, "/var/lib/private/alpha-panda")
    assert not is_there(bare, "/etc/alpha-panda")
    assert bare.run("getent", "group", "alpha-panda-operators", check=False) == ""


def test_without_root_it_says_so_and_a_dry_run_does_nothing(bare: Machine) -> None:
    refused = bare.run("runuser", "-u", "nobody", "--", *INSTALL, check=False)
    assert refused == "install.sh: it needs root: run it by sudo"

    bare.run(*INSTALL, "--dry-run")
    assert not is_there(bare, "/opt/alpha-panda")
    assert not is_there(bare, "/etc/alpha-panda")
