"""NATS over TLS, by an authority of one's own."""

from __future__ import annotations

import ipaddress
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from actors.gateway.embedded import EmbeddedNats
from tests.system.daemon import CHECKOUT, Daemon

INJECT = (sys.executable, "-c", "from console.entry import main; main()", "inject", "paper.signals.validated")


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


class Authority:
    """Signs for servers on the loopback; `certificate` is the file that makes somebody trust it."""

    def __init__(self, directory: Path) -> None:
        self._name = named(directory.name)
        self._key = generate_private_key(SECP256R1())
        self.certificate = directory / "authority.pem"
        own = self._signed(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None))
        directory.mkdir()
        self.certificate.write_bytes(own)

    def sign(self, place: Path) -> None:
        """Write a server's key and certificate into one file."""
        key = generate_private_key(SECP256R1())
        loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        certificate = self._signed(named("server"), key, x509.SubjectAlternativeName([loopback]))
        place.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate)

    def _signed(self, name: x509.Name, key: EllipticCurvePrivateKey, extension: x509.ExtensionType) -> bytes:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(
            issuer_name=self._name,
            subject_name=name,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - timedelta(days=1),
            not_valid_after=now + timedelta(days=1),
        )
        return builder.add_extension(extension, critical=True).sign(self._key, SHA256()).public_bytes(Encoding.PEM)


class EncryptedNats(EmbeddedNats):
    """A server that talks TLS only."""

    def __init__(self, directory: Path, certificate: Path) -> None:
        super().__init__(directory)
        self._certificate = certificate

    @property
    def url(self) -> str:
        return super().url.replace("nats://", "tls://")

    def _prepare(self) -> Sequence[str]:
        command = super()._prepare()
        with self._configuration.open("a") as settings:
            settings.write(f'tls {{ cert_file: "{self._certificate}", key_file: "{self._certificate}" }}\n')
        return command


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="module")
def encrypted_url(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("encrypted")
    authority.sign(directory / "server.pem")
    with EncryptedNats(directory / "data", directory / "server.pem") as server:
        yield server.url


def inject(monkeypatch: pytest.MonkeyPatch, url: str, trusted: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The command, with these settings."""
    monkeypatch.setenv("NATS__URL", url)
    monkeypatch.setenv("NATS__TLS_CA_FILE", str(trusted))
    command = [*INJECT, str(CHECKOUT / "examples" / "signal.json"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=CHECKOUT)


def test_signals_are_filled_by_tls_and_nothing_is_complained_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str, encrypted_url: str, authority: Authority
) -> None:
    places = {"DATABASE__POSTGRES_URL": database_url, "NATS__URL": encrypted_url}
    daemon = Daemon(tmp_path / "state", **places, NATS__TLS_CA_FILE=str(authority.certificate))
    with daemon:
        done = inject(monkeypatch, encrypted_url, authority.certificate, "--wait")
        assert "1 filled" in done.stdout
        assert done.stderr == ""
        assert daemon.stop() == 0
    assert "asyncio" not in daemon.log()


def test_a_server_that_our_authority_did_not_sign_is_not_talked_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, encrypted_url: str
) -> None:
    another = Authority(tmp_path / "another")
    done = inject(monkeypatch, encrypted_url, another.certificate, "--no-wait")

    assert done.returncode == 69
    assert "certificate verify failed" in done.stderr
    assert done.stderr.endswith("; check NATS__TLS_CA_FILE\n")
