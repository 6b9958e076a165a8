"""What the server measures of itself, in Prometheus' text format.

Every application has a registry of its own, so that several may live in one process. Looking a child up by its
labels costs as much as three increments, so those who count often keep the child: `metrics.backend(name)`.
No label takes what a stranger chose without a bound: beyond `MAX_CHILDREN` combinations the rest is `other`.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

import anyio
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_CHILDREN: Final = 200

_JOB_BUCKETS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
"""Seconds, from the shortest job to the longest deadline."""

_LAG_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 20)
"""Seconds, up to where a client's keepalive gives up."""

_REQUEST_BUCKETS: Final = (0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60)

_Metric = TypeVar("_Metric", Counter, Gauge, Histogram)


_NO_GOODBYE: Final = "1006"
"""What a client sees when the application just ends (RFC 6455, 7.1.5)."""

_PROTOCOL_CODES: Final = range(1000, 1016)
"""Those a client may choose freely, 3000 to 4999, are counted together."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Family(Generic[_Metric]):
    """The children of one metric, each looked up in the library once."""

    def __init__(self, metric: _Metric, labels: int) -> None:
        self._metric: _Metric = metric
        self._other = ("other",) * labels
        self._children: dict[tuple[str, ...], _Metric] = {}

    def __call__(self, *labels: str) -> _Metric:
        """Return the child with these labels, or the one for all others when there are too many."""
        child = self._children.get(labels)
        if child is None:
            if len(self._children) >= MAX_CHILDREN:
                labels = self._other
            child = self._children[labels] = self._metric.labels(*labels)
        return child


class BackendMetrics:
    """What one backend counts. Keep it: its children are ready."""

    def __init__(self, metrics: "Metrics", name: str) -> None:
        self.waiting = metrics.queue_waiting(name)
        """Gauge: jobs in its line that do not run yet."""
        self.seconds = metrics.job_seconds(name)
        """Histogram: how long its finished jobs took, waiting excluded."""
        self._failed = metrics.jobs_failed
        self._name = name

    def failed(self, kind: str) -> None:
        """Count a failed job; `kind` is the class of the error."""
        self._failed(self._name, kind).inc()


class Metrics:
    """All metrics of one application."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.event_loop_lag = Histogram(
            "event_loop_lag_seconds",
            "By how much the event loop woke up late.",
            buckets=_LAG_BUCKETS,
            registry=registry,
        )
        self.ws_open = Family(Gauge("ws_open", "Open WebSockets.", ["route"], registry=registry), 1)
        self.ws_closed = Family(Counter("ws_closed", "Closed WebSockets.", ["route", "code"], registry=registry), 2)
        self.ws_outbox_bytes = Gauge("ws_outbox_bytes", "Bytes waiting in all outboxes.", registry=registry)
        self.queue_waiting = Family(
            Gauge("queue_waiting", "Jobs that wait for their turn.", ["backend"], registry=registry), 1
        )
        self.job_seconds = Family(
            Histogram("job_seconds", "Time of jobs.", ["backend"], buckets=_JOB_BUCKETS, registry=registry), 1
        )
        self.jobs_failed = Family(
            Counter("jobs_failed", "Jobs that failed.", ["backend", "kind"], registry=registry), 2
        )
        self.cache_hits = Counter("cache_hits", "Lookups that the cache in memory answered.", registry=registry)
        self.cache_misses = Counter("cache_misses", "Lookups that it did not.", registry=registry)
        self.cache_bytes = Gauge("cache_bytes", "Bytes in the cache in memory.", registry=registry)
        self.disk_cache_bytes = Gauge("disk_cache_bytes", "Bytes in the cache on disk.", registry=registry)
        self.takes_waiting = Gauge("takes_waiting", "Takes that wait to be made.", registry=registry)
        self.takes_making = Gauge("takes_making", "Takes that are being made.", registry=registry)
        self.takes_done = Family(Counter("takes_done", "Takes that ended.", ["status"], registry=registry), 1)
        self.stream_turn_seconds = Histogram(
            "stream_turn_seconds",
            "From a live stream's complete hop to what was heard in it.",
            buckets=_LAG_BUCKETS,
            registry=registry,
        )
        self.portraits_waiting = Gauge("portraits_waiting", "Portraits that wait for their turn.", registry=registry)
        self.portraits_drawing = Gauge("portraits_drawing", "Portraits that are drawn.", registry=registry)
        self.portraits_ended = Family(
            Counter("portraits_ended", "Portraits that ended.", ["model", "outcome"], registry=registry), 2
        )
        self.portrait_seconds = Family(
            Histogram(
                "portrait_seconds",
                "Time of portraits that were done, waiting and speech included.",
                ["model"],
                buckets=_JOB_BUCKETS,
                registry=registry,
            ),
            1,
        )
        self.portrait_frames = Family(
            Counter("portrait_frames", "Frames of portraits that were done.", ["model"], registry=registry), 1
        )
        self.portrait_album_bytes = Gauge(
            "portrait_album_bytes", "Bytes of the picture files that can be named.", registry=registry
        )
        self.portrait_cache_bytes = Gauge(
            "portrait_cache_bytes", "Bytes of what was found out about pictures.", registry=registry
        )
        self.http_requests = Family(
            Counter("http_requests", "HTTP requests.", ["method", "route", "status"], registry=registry), 3
        )
        self.http_request_seconds = Family(
            Histogram(
                "http_request_seconds",
                "Time of HTTP requests.",
                ["route"],
                buckets=_REQUEST_BUCKETS,
                registry=registry,
            ),
            1,
        )

    def backend(self, name: str) -> BackendMetrics:
        """Return what the backend `name` counts."""
        return BackendMetrics(self, name)

    def render(self) -> tuple[bytes, str]:
        """Return all values and their content type. It takes about a millisecond."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    async def watch_loop(
        self,
        *,
        interval: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[Any]] = anyio.sleep,
    ) -> None:
        """Measure how late the event loop wakes, every `interval` seconds, until cancelled (which is safe)."""
        while True:
            due = clock() + interval
            await sleep(interval)
            self.event_loop_lag.observe(max(0.0, clock() - due))


class MetricsMiddleware:
    """Counts HTTP requests and WebSockets by their route (`/audio/{filename}`), never by their path."""

    def __init__(self, app: ASGIApp, metrics: Metrics, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Go on, and count how it ended, also when it is cancelled or fails."""
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "websocket":
                await self._websocket(scope, receive, send)
            case _:
                await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = "500"  # what the server answers in the place of an application that did not

        async def note_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        started = self._clock()
        try:
            await self._app(scope, receive, note_send)
        finally:
            route = _route(scope)
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.http_requests(method, route, status).inc()
            self._metrics.http_request_seconds(route).observe(self._clock() - started)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        opened: Gauge | None = None
        code: str | None = None

        async def note_receive() -> Message:
            nonlocal code
            message = await receive()
            if message["type"] == "websocket.disconnect" and code is None:
                received = message.get("code", 1005)
                code = str(received) if received in _PROTOCOL_CODES else "other"
            return message

        async def note_send(message: Message) -> None:
            nonlocal code, opened
            if message["type"] == "websocket.accept":
                opened = self._metrics.ws_open(_route(scope))
                opened.inc()
            elif message["type"] == "websocket.close" and code is None:
                code = str(message.get("code", 1000))
            await send(message)

        try:
            await self._app(scope, note_receive, note_send)
        finally:
            if opened is not None:
                opened.dec()
                self._metrics.ws_closed(_route(scope), code or _NO_GOODBYE).inc()


def _route(scope: Scope) -> str:
    """Return the template of the route that Starlette's router found, which it leaves in the scope."""
    path: str = getattr(scope.get("route"), "path", "unmatched")
    return path
