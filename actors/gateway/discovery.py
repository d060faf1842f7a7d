"""NATS's service protocol (ADR-32): whoever asks `$SRV.PING`, `$SRV.INFO` or `$SRV.STATS` finds every node.

`nats.micro` is not used: its endpoints answer in coroutines on nats-py's own subscriptions, ours answer from the
threads of actors.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from actors.gateway.endpoints import Endpoints
from actors.gateway.replies import encoded, log_unanswered, may_be_answered
from actors.gateway.wire import Frame, Wire, reply

SERVICE = "alpha-panda"
DESCRIPTION = "A supervised trading daemon over PostgreSQL and NATS JetStream"
NO_VERSION = "0.0.0"
"""The protocol wants a semantic version; that of a checkout that is not installed is none."""


class Discovery:
    """Says who this node is and how its endpoints do; in the gateway's loop.

    Args:
        endpoints: what it tells of.
        status: the status document, for who we are.
    """

    def __init__(self, endpoints: Endpoints, status: Callable[[], dict[str, Any]]) -> None:
        self._endpoints = endpoints
        self._status = status
        self._started = datetime.now(UTC)

    async def serve(self, wire: Wire) -> None:
        """Subscribe on this connection.

        Raises:
            nats.errors.Error: not connected.
        """
        identity = self._identity()
        documents = {"PING": self._ping, "INFO": self._info, "STATS": self._stats}
        for verb, build in documents.items():
            answer = self._answer(wire, build)
            for subject in (f"$SRV.{verb}", f"$SRV.{verb}.{SERVICE}", f"$SRV.{verb}.{SERVICE}.{identity['id']}"):
                await wire.listen(subject, answer)

    def _answer(self, wire: Wire, build: Callable[[], dict[str, Any]]) -> Callable[[Frame], None]:
        def answer(request: Frame) -> None:
            if not may_be_answered(request.reply):
                log_unanswered(request)
            elif request.reply:
                wire.post(reply(request.reply, encoded(build(), wire.client.max_payload)))

        return answer

    def _identity(self) -> dict[str, Any]:
        document = self._status()
        version = str(document["version"])
        return {
            "name": SERVICE,
            "id": f"{document['node']}-{document['pid']}",
            "version": version if version.count(".") == 2 else NO_VERSION,
            "metadata": {"node": document["node"], "host": document["host"], "state": document["state"]},
        }

    def _ping(self) -> dict[str, Any]:
        return {"type": "io.nats.micro.v1.ping_response", **self._identity()}

    def _info(self) -> dict[str, Any]:
        endpoints = [endpoint.info() for endpoint in self._endpoints.every()]
        return {
            "type": "io.nats.micro.v1.info_response",
            **self._identity(),
            "description": DESCRIPTION,
            "endpoints": endpoints,
        }

    def _stats(self) -> dict[str, Any]:
        endpoints = [endpoint.stats() for endpoint in self._endpoints.every()]
        started = self._started.isoformat(timespec="microseconds").replace("+00:00", "Z")
        return {
            "type": "io.nats.micro.v1.stats_response",
            **self._identity(),
            "started": started,
            "endpoints": endpoints,
        }
