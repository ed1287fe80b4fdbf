"""`/metrics`: how many requests there were, how they ended and how long they took, for Prometheus."""

import time
from typing import TYPE_CHECKING

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
UNKNOWN = "unknown"


class Measured:
    """Counts and times what passes; a path is named by its route, so that ids make no series of their own."""

    def __init__(self, app: "ASGIApp", registry: CollectorRegistry, prefix: str) -> None:
        self._app = app
        self._prefix = prefix
        labels = ("method", "route")
        self._requests = Counter(
            "ml_assets_http_requests", "Requests answered.", (*labels, "status"), registry=registry
        )
        self._seconds = Histogram(
            "ml_assets_http_request_seconds", "Seconds to answer.", labels, buckets=SECONDS, registry=registry
        )

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 500, time.perf_counter()

        async def watched(message: "Message") -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            route = self._route(scope)
            method = scope["method"] if route != UNKNOWN else UNKNOWN
            self._requests.labels(method, route, str(status)).inc()
            self._seconds.labels(method, route).observe(time.perf_counter() - began)

    def _route(self, scope: "Scope") -> str:
        """The path of the call as it is described; a router tells its own part of it alone."""
        path = getattr(scope.get("route"), "path", UNKNOWN)
        is_below = path != UNKNOWN and scope["path"].startswith(self._prefix)
        return f"{self._prefix}{path}" if is_below and not path.startswith(self._prefix) else path


def install(app: FastAPI, prefix: str) -> None:
    """Measure every request of the app, whose calls lie under `prefix`, and answer `/metrics`."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    app.add_middleware(Measured, registry=registry, prefix=prefix)

    @app.get(
        "/metrics",
        tags=["health"],
        response_class=Response,
        responses={200: {"description": "Prometheus text.", "content": {"text/plain": {}}}},
    )
    def metrics() -> Response:
        """What this process has answered so far, as Prometheus reads it."""
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
