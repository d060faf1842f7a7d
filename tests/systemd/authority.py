"""An operator of a NATS server with accounts: who may log in is what it has signed."""

from __future__ import annotations

import base64
import json
import secrets
import time
from typing import Any

import nkeys

LIMITS = ("subs", "data", "payload", "imports", "exports", "conn", "leaf", "streams", "consumer")
ACCOUNT_LIMITS = {**dict.fromkeys(LIMITS, -1), "mem_storage": -1, "disk_storage": -1, "wildcards": True}


class Authority:
    """One operator with an account for the system, one for the service, and one user in that."""

    def __init__(self) -> None:
        operator, system, account, user = (
            _pair(prefix)
            for prefix in (
                nkeys.PREFIX_BYTE_OPERATOR,
                nkeys.PREFIX_BYTE_ACCOUNT,
                nkeys.PREFIX_BYTE_ACCOUNT,
                nkeys.PREFIX_BYTE_USER,
            )
        )
        keys = {name: pair.public_key.decode() for name, pair in (("SYS", system), ("PANDA", account))}
        self.seed = user.seed.decode()
        self._operator = _sign(operator, operator, "operator", {"system_account": keys["SYS"]})
        self._system = keys["SYS"]
        self._accounts = {
            keys["SYS"]: _sign(operator, system, "account", {"limits": dict.fromkeys(LIMITS, -1)}),
            keys["PANDA"]: _sign(operator, account, "account", {"limits": ACCOUNT_LIMITS}),
        }
        self._user = _sign(account, user, "user", {"subs": -1, "data": -1, "payload": -1})

    @property
    def server_settings(self) -> str:
        """The part of the server's configuration that says whom it trusts."""
        preload = "\n".join(f"  {key}: {token}" for key, token in self._accounts.items())
        return (
            f"operator: {self._operator}\nsystem_account: {self._system}\n"
            f"resolver: MEMORY\nresolver_preload: {{\n{preload}\n}}\n"
        )

    @property
    def credentials(self) -> str:
        """The user's credentials file."""
        return (
            f"-----BEGIN NATS USER JWT-----\n{self._user}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{self.seed}\n------END USER NKEY SEED------\n"
        )


def _pair(prefix: int) -> Any:
    return nkeys.from_seed(nkeys.encode_seed(secrets.token_bytes(32), prefix))


def _sign(issuer: Any, subject: Any, kind: str, claims: dict[str, Any]) -> str:
    body = {
        "jti": secrets.token_hex(16),
        "iat": int(time.time()),
        "iss": issuer.public_key.decode(),
        "name": kind,
        "sub": subject.public_key.decode(),
        "nats": {**claims, "type": kind, "version": 2},
    }
    signed = f"{_part({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{_part(body)}"
    return f"{signed}.{_encoded(issuer.sign(signed.encode()))}"


def _part(value: dict[str, Any]) -> str:
    return _encoded(json.dumps(value).encode())


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
