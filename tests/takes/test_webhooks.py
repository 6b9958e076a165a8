import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest

from app.errors import DeadlineExceeded, ForbiddenAddress, Unavailable
from app.runtime.http import Reply
from app.takes.deliveries import Hook
from app.takes.take import Status
from app.takes.webhooks import (
    AT_ONCE,
    FIRST_RETRY_SECONDS,
    OUTAGE_SECONDS,
    PER_RECEIVER,
    Webhooks,
)
from tests.fakes import VIRTUAL_TIME, settle
from tests.takes.fake_store import FakeDeliveries, FakeStore
from tests.takes.stores import delivery, take

pytestmark = pytest.mark.anyio

SECRET = b"s" * 32
DEADLINE = 10.0


@pytest.fixture
def anyio_backend():
    return VIRTUAL_TIME


@dataclass
class FakeReceiver:
    """Answers what it is told to, after a while; remembers who called when."""

    answers: Callable[[str], int | Exception] = lambda url: 200
    seconds: Callable[[str], float] = lambda url: 0.0
    calls: list[tuple[float, str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    most: int = 0

    async def call(self, method, url, *, headers=None, content=b"") -> Reply:
        self.calls.append((anyio.current_time(), url, headers["webhook-id"]))
        self.bodies.append(content)
        self.headers.append(headers)
        self.running.append(url)
        self.most = max(self.most, len(self.running))
        try:
            await anyio.sleep(self.seconds(url))
        finally:
            self.running.remove(url)
        answer = self.answers(url)
        if isinstance(answer, Exception):
            raise answer
        return Reply(answer, {}, b"", False)

    @property
    def times(self) -> list[float]:
        return [time for time, _, _ in self.calls]


@asynccontextmanager
async def calling(receiver: FakeReceiver, deliveries: FakeDeliveries, attempts: int = 4) -> AsyncIterator[Webhooks]:
    start = anyio.current_time()
    webhooks = Webhooks(
        deliveries,
        receiver,
        secret=SECRET,
        attempts=attempts,
        deadline=DEADLINE,
        clock=lambda: anyio.current_time() - start,
        rng=lambda: 0.0,
    )
    async with webhooks:
        yield webhooks


def owing(*owed) -> FakeDeliveries:
    return FakeDeliveries(FakeStore(), {each.id: each for each in owed})


async def test_what_is_owed_is_called_once_signed_and_settled():
    receiver, deliveries = FakeReceiver(), owing(delivery())
    async with calling(receiver, deliveries):
        await anyio.sleep(300)
    (headers,) = receiver.headers
    signed = f"w0001.{headers['webhook-timestamp']}.".encode() + receiver.bodies[0]
    code = base64.b64encode(hmac.digest(SECRET, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{code}"
    assert headers["content-type"] == "application/json"
    assert (receiver.bodies, deliveries.owed) == ([b'{"ready":1}'], {})


async def test_what_is_owed_later_is_called_when_it_is_told():
    receiver, deliveries = FakeReceiver(), owing()
    async with calling(receiver, deliveries) as webhooks:
        await settle()
        await deliveries.add([delivery()])
        webhooks.look()
        await settle()
        assert len(receiver.calls) == 1


async def test_what_another_server_left_is_found_in_time():
    receiver, deliveries = FakeReceiver(), owing()
    async with calling(receiver, deliveries):
        await settle()
        await deliveries.add([delivery()])
        await anyio.sleep(60)
    assert len(receiver.calls) == 1


async def test_a_failure_is_tried_again_later_each_time_and_given_up(caplog):
    receiver, deliveries = FakeReceiver(lambda url: 503), owing(delivery())
    async with calling(receiver, deliveries, attempts=4):
        await anyio.sleep(600)
    waits = [round(later - earlier) for earlier, later in zip(receiver.times, receiver.times[1:], strict=False)]
    assert waits == [FIRST_RETRY_SECONDS, 4 * FIRST_RETRY_SECONDS, 16 * FIRST_RETRY_SECONDS]
    assert len({id for _, _, id in receiver.calls}) == 1
    assert deliveries.owed == {} and "given up after 4 attempts" in caplog.text


@pytest.mark.parametrize(
    ("answer", "calls"),
    [
        (200, 1),
        (204, 1),
        (410, 1),
        (302, 4),
        (404, 4),
        (500, 4),
        (ForbiddenAddress("not there"), 1),
        (Unavailable("refused"), 4),
        (DeadlineExceeded("too slow"), 4),
        (ZeroDivisionError("a bug"), 4),
    ],
)
async def test_what_ends_a_call_and_what_does_not(answer, calls):
    receiver, deliveries = FakeReceiver(lambda url: answer), owing(delivery())
    async with calling(receiver, deliveries, attempts=4):
        await anyio.sleep(300)
    assert (len(receiver.calls), deliveries.owed) == (calls, {})


@pytest.mark.parametrize(("answer", "code"), [(503, 503), (200, 200), (Unavailable("refused"), None)])
async def test_how_the_last_call_went_is_kept_with_the_take(answer, code):
    deliveries = owing(delivery(at=5000))
    deliveries.store.takes["t0001"] = take(status=Status.READY)
    async with calling(FakeReceiver(lambda url: answer), deliveries, attempts=1):
        await anyio.sleep(60)
    webhook = deliveries.store.takes["t0001"].request.wording.done_webhook
    assert (webhook.timestamp_ms, webhook.status_code) == (pytest.approx(5000, abs=5), code)


async def test_statuses_of_one_take_are_told_in_order_though_one_fails():
    failures = iter([503, 503])
    receiver = FakeReceiver(lambda url: next(failures, 200))
    owed = [delivery(number, hook=Hook.STATUS) for number in range(1, 4)]
    async with calling(receiver, owing(*owed)):
        await anyio.sleep(300)
    assert [id for _, _, id in receiver.calls] == ["w0001", "w0001", "w0001", "w0002", "w0003"]


async def test_a_receiver_that_hangs_holds_up_nobody_else():
    receiver = FakeReceiver(seconds=lambda url: DEADLINE if "slow" in url else 0.0)
    slow = [delivery(number, subject=f"t{number}", host="slow.example") for number in range(1, 60)]
    fast = [delivery(number, subject=f"t{number}", host="fast.example") for number in range(60, 160)]
    async with calling(receiver, owing(*slow, *fast)):
        await anyio.sleep(DEADLINE / 2)
        called = [url for _, url, _ in receiver.calls]
        assert called.count("https://fast.example/") == 100
        assert called.count("https://slow.example/") == PER_RECEIVER


async def test_all_together_have_no_more_calls_than_they_may():
    receiver = FakeReceiver(seconds=lambda url: 1.0)
    owed = [delivery(number, subject=f"t{number}", host=f"host{number}.example") for number in range(1, 60)]
    deliveries = owing(*owed)
    async with calling(receiver, deliveries):
        await anyio.sleep(60)
    assert (receiver.most, deliveries.owed) == (AT_ONCE, {})


async def test_calls_that_are_made_when_the_server_stops_come_to_their_end():
    receiver = FakeReceiver(seconds=lambda url: 5.0)
    deliveries = owing(*[delivery(number, subject=f"t{number}") for number in range(1, 9)])
    async with calling(receiver, deliveries):
        await settle()
    assert (len(receiver.calls), len(deliveries.owed)) == (PER_RECEIVER, 8 - PER_RECEIVER)


async def test_a_store_that_is_away_is_asked_again_and_said_once(caplog):
    class Away(FakeDeliveries):
        is_away = True

        async def claim(self, **options):
            if self.is_away:
                raise Unavailable("the database is away")
            return await super().claim(**options)

    receiver, deliveries = FakeReceiver(), Away(FakeStore(), {"w0001": delivery()})
    async with calling(receiver, deliveries):
        await anyio.sleep(4 * OUTAGE_SECONDS)
        deliveries.is_away = False
        await anyio.sleep(2 * OUTAGE_SECONDS)
    assert (len(receiver.calls), caplog.text.count("the database is away")) == (1, 1)


async def test_a_call_that_could_not_be_settled_is_made_again_under_its_id():
    class Forgetful(FakeDeliveries):
        failures = 1

        async def settle(self, *arguments, **options):
            if self.failures:
                self.failures -= 1
                raise Unavailable("the database is away")
            return await super().settle(*arguments, **options)

    receiver, deliveries = FakeReceiver(), Forgetful(FakeStore(), {"w0001": delivery()})
    async with calling(receiver, deliveries):
        await anyio.sleep(120)
    assert [id for _, _, id in receiver.calls] == ["w0001", "w0001"]
    assert deliveries.owed == {}
