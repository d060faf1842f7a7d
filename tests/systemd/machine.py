"""A Debian of its own, booted by systemd in a container that has no network but its loopback."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import psutil

from tests.system.daemon import eventually
from tests.systemd.image import CHECKOUT, Image

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OFFLINE = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels"}
FOLLOW = ("setpriv", "--pdeathsig", "TERM", "--")
"""However the proofs end, no machine stays behind: systemd-nspawn powers it off when told to end. Killed, it would
leave it to run, and the control groups of the next one would have processes in them that are not its own.
"""
COMMAND_S = 120.0
REBOOT = 133
"""The exit code by which systemd-nspawn asks to be started again."""


class Machine:
    """One copy of the image; what is done on it is gone with it."""

    def __init__(self, image: Image, directory: Path) -> None:
        self._image = image
        self.root = directory / "root"
        self._console = directory / "console.log"
        self._nspawn: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        subprocess.run(["cp", "-a", "--reflink=auto", self._image.root, self.root], check=True, timeout=COMMAND_S)
        try:
            self._boot()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _boot(self) -> None:
        nspawn = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--boot"]
        nspawn += [f"--machine=alpha-panda-{os.getpid()}", f"--directory={self.root}"]
        nspawn += [f"--bind-ro={CHECKOUT}:/checkout", f"--bind-ro={self._image.wheels}:/wheels"]
        script = f"mount -t cgroup2 none /sys/fs/cgroup && exec {shlex.join(nspawn)}"
        with self._console.open("ab") as console:
            self._nspawn = subprocess.Popen(
                [*FOLLOW, "unshare", "-m", "--propagation", "private", "sh", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        self.wait_until_up()

    def _end(self) -> None:
        """Have the kernel end all of it: nothing on the machine is kept."""
        assert self._nspawn is not None
        ours = psutil.Process(self._nspawn.pid).children()
        for process in ours:
            process.kill()
        try:
            self._nspawn.wait(20)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait(20)
        shutil.rmtree(self.root)

    @property
    def leader(self) -> int:
        """The process that is the machine's first one."""
        assert self._nspawn is not None
        if self._nspawn.poll() is not None:
            raise RuntimeError(f"the machine is off: {self._console.read_text(errors='replace')[-2000:]}")
        children = psutil.Process(self._nspawn.pid).children()
        assert children, "the machine is between two boots"
        return children[0].pid

    def wait_until_up(self) -> None:
        """Wait until everything that starts by itself has started."""
        eventually(
            lambda: self.run("systemctl", "is-system-running", "--wait", check=False) in {"running", "degraded"}, 60
        )

    def reboot(self) -> None:
        """Restart the machine from within, and wait until it is up again."""
        assert self._nspawn is not None
        self.run("systemctl", "reboot", check=False)
        assert self._nspawn.wait(COMMAND_S) == REBOOT
        self._boot()

    def command(self, *words: str) -> list[str]:
        """What runs the words on the machine, as root."""
        settings = [f"{name}={value}" for name, value in OFFLINE.items()]
        return ["nsenter", "--target", str(self.leader), "--all", "--wd", "env", "-i", *settings, *words]

    def run(self, *words: str, check: bool = True, text: str = "", timeout_s: float = COMMAND_S) -> str:
        """Run a command; returns what it prints."""
        done = subprocess.run(
            self.command(*words),
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
        assert not check or done.returncode == 0, f"{shlex.join(words)} gave {done.returncode}: {done.stdout[-3000:]}"
        return done.stdout.strip()

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command and do not wait."""
        return subprocess.Popen(
            self.command(*words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of the machine."""
        place = self.root / path.removeprefix("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)

    def read(self, path: str) -> str:
        return (self.root / path.removeprefix("/")).read_text()

    def show(self, unit: str = "alpha-panda.service") -> Mapping[str, str]:
        """The unit's properties."""
        lines = self.run("systemctl", "show", unit).splitlines()
        return dict(line.partition("=")[::2] for line in lines)

    def cursor(self) -> str:
        """Where the journal ends now."""
        return self.run("journalctl", "--lines=0", "--show-cursor", "--quiet").rpartition("-- cursor: ")[2].strip()

    def journal(self, cursor: str, unit: str = "alpha-panda.service") -> str:
        """What the unit has logged since, and what was logged about it."""
        return self.run("journalctl", f"--after-cursor={cursor}", f"--unit={unit}", "--output=cat", "--no-pager")

    def kill(self, number: signal.Signals, unit: str = "alpha-panda.service", whom: str = "main") -> None:
        """Send a signal to the unit's processes."""
        self.run("systemctl", "kill", f"--kill-who={whom}", f"--signal={number.name}", unit)
