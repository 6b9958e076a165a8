from typing import Any

import anyio
import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from starlette.types import Message, Receive, Scope, Send

from app.runtime.metrics import MAX_CHILDREN, Metrics, MetricsMiddleware

pytestmark = pytest.mark.anyio


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_rendered_text_is_prometheus(metrics: Metrics) -> None:
    metrics.cache_hits.inc()
    metrics.backend("espeak").waiting.set(3)
    body, content_type = metrics.render()
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    assert content_type.startswith("text/plain")
    assert families["cache_hits"].samples[0].value == 1
    assert families["queue_waiting"].samples[0].labels == {"backend": "espeak"}
    assert {"event_loop_lag_seconds", "process_resident_memory_bytes", "ws_open", "ws_closed"} <= set(families)


def test_applications_in_one_process_count_apart(metrics: Metrics) -> None:
    metrics.cache_misses.inc()
    assert value(Metrics(), "cache_misses_total") == 0
    assert value(metrics, "cache_misses_total") == 1


def test_backend_counts_its_jobs(metrics: Metrics) -> None:
    backend = metrics.backend("espeak")
    backend.waiting.inc()
    backend.seconds.observe(0.02)
    backend.failed("WorkerLost")
    assert value(metrics, "queue_waiting", backend="espeak") == 1
    assert value(metrics, "job_seconds_sum", backend="espeak") == pytest.approx(0.02)
    assert value(metrics, "jobs_failed_total", backend="espeak", kind="WorkerLost") == 1


@given(st.sets(st.text(max_size=5), max_size=20))
def test_law_a_child_is_the_librarys_own(names: set[str]) -> None:
    metrics = Metrics()
    for name in names:
        metrics.jobs_failed("b", name).inc()
        assert metrics.jobs_failed("b", name) is metrics.jobs_failed("b", name)
        assert value(metrics, "jobs_failed_total", backend="b", kind=name) == 1


def test_labels_beyond_the_bound_are_other(metrics: Metrics) -> None:
    for code in range(MAX_CHILDREN + 50):
        metrics.ws_closed("/ws", str(code)).inc()
    assert value(metrics, "ws_closed_total", route="/ws", code="0") == 1
    assert value(metrics, "ws_closed_total", route="other", code="other") == 50


async def test_loop_lag_is_what_the_sleep_took_too_long(metrics: Metrics) -> None:
    now = 0.0
    late = iter([0.0, 0.25, -0.1])

    async def sleep(seconds: float) -> None:
        nonlocal now
        try:
            now += seconds + next(late)
        except StopIteration:
            raise EOFError from None

    with pytest.raises(EOFError):
        await metrics.watch_loop(interval=0.5, clock=lambda: now, sleep=sleep)
    assert value(metrics, "event_loop_lag_seconds_count") == 3
    assert value(metrics, "event_loop_lag_seconds_sum") == pytest.approx(0.25)


def application() -> FastAPI:
    app, router = FastAPI(), APIRouter(prefix="/audio")

    @router.get("/{filename}")
    async def audio(filename: str) -> str:
        if filename == "broken":
            raise KeyError(filename)
        return filename

    app.include_router(router)

    @app.websocket("/play/{filename}")
    async def play(socket: WebSocket, filename: str) -> None:
        if filename != "refused":
            await socket.accept()
        if filename == "listened":
            await socket.receive()
        if filename in ("closed", "listened"):
            await socket.close(4001)

    return app


async def call(metrics: Metrics, kind: str, path: str, method: str = "GET", *received: Message) -> list[Message]:
    sent: list[Message] = []
    waiting = list(received)

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": kind, "path": path, "headers": [], "query_string": b"", "method": method}
    await MetricsMiddleware(application(), metrics, clock=iter([1.0, 3.5]).__next__)(scope, receive, send)
    return sent


async def test_requests_are_counted_by_route(metrics: Metrics) -> None:
    await call(metrics, "http", "/audio/a.wav")
    await call(metrics, "http", "/nowhere", "POST")
    route = "/audio/{filename}"
    assert value(metrics, "http_requests_total", method="GET", route=route, status="200") == 1
    assert value(metrics, "http_requests_total", method="POST", route="unmatched", status="404") == 1
    await call(metrics, "http", "/nowhere", "BREW")
    assert value(metrics, "http_requests_total", method="other", route="unmatched", status="404") == 1
    assert value(metrics, "http_request_seconds_sum", route=route) == pytest.approx(2.5)


async def test_failed_requests_are_counted(metrics: Metrics) -> None:
    with pytest.raises(KeyError):
        await call(metrics, "http", "/audio/broken")
    labels = {"method": "GET", "route": "/audio/{filename}", "status": "500"}
    assert value(metrics, "http_requests_total", **labels) == 1


CONNECT: Message = {"type": "websocket.connect"}


@pytest.mark.parametrize(
    ("filename", "received", "code"),
    [
        ("closed", [CONNECT], "4001"),
        ("left", [CONNECT], "1006"),
        ("listened", [CONNECT, {"type": "websocket.disconnect", "code": 1001}], "1001"),
        ("listened", [CONNECT, {"type": "websocket.disconnect"}], "1005"),
        ("listened", [CONNECT, {"type": "websocket.disconnect", "code": 3999}], "other"),
        ("listened", [CONNECT, {"type": "websocket.receive", "text": ""}], "4001"),
    ],
)
async def test_websockets_are_counted_by_route_and_code(
    metrics: Metrics, filename: str, received: list[Message], code: str
) -> None:
    await call(metrics, "websocket", f"/play/{filename}", "GET", *received)
    route = "/play/{filename}"
    assert value(metrics, "ws_open", route=route) == 0
    assert value(metrics, "ws_closed_total", route=route, code=code) == 1


async def test_refused_websockets_were_never_open(metrics: Metrics) -> None:
    await call(metrics, "websocket", "/play/refused", "GET", CONNECT)
    assert b"ws_closed_total{" not in metrics.render()[0]


async def test_open_websockets_are_a_gauge(metrics: Metrics) -> None:
    accepted = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        accepted.set()
        await anyio.sleep_forever()

    async def nothing(*_: object) -> Any: ...

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(MetricsMiddleware(app, metrics), {"type": "websocket"}, nothing, nothing)
        await accepted.wait()
        assert value(metrics, "ws_open", route="unmatched") == 1
        tasks.cancel_scope.cancel()
    assert value(metrics, "ws_open", route="unmatched") == 0


async def test_lifespan_passes(metrics: Metrics) -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def nothing(*_: object) -> Any: ...

    await MetricsMiddleware(app, metrics)({"type": "lifespan"}, nothing, nothing)
    assert seen == [{"type": "lifespan"}]
