"""The figures on the operator socket."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


class MetricsRoutes:
    """Answers in the HTTP thread.

    Args:
        text: of all figures.
    """

    def __init__(self, text: Callable[[], bytes]) -> None:
        self._text = text

    def routes(self) -> Sequence[Route]:
        """The one resource."""
        return (Route("/metrics", self._get),)

    async def _get(self, _: Request) -> Response:
        return Response(self._text(), headers={"Content-Type": CONTENT_TYPE_LATEST})
