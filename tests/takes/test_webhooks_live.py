"""Webhooks by the real client, on a real socket, to receivers that misbehave."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import pytest

from app.runtime.http import HttpClient
from app.takes.webhooks import Webhooks
from tests.eventually import eventually
from tests.takes.fake_store import FakeDeliveries, FakeStore
from tests.takes.receiver import receiving
from tests.takes.stores import delivery, take

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def calling(
    *urls: str, networks: tuple[str, ...] = ("127.0.0.0/8",), ports: tuple[int, ...]
) -> AsyncIterator[FakeDeliveries]:
    deliveries = FakeDeliveries(FakeStore())
    deliveries.store.takes["t0001"] = take()
    await deliveries.add([replace(delivery(number), url=url) for number, url in enumerate(urls, 1)])
    async with (
        HttpClient(ports=ports, allowed_networks=networks, deadline=0.5) as client,
        Webhooks(deliveries, client, secret=b"s" * 32, attempts=3, deadline=0.5, first_retry=0.001),
    ):
        yield deliveries


@pytest.mark.parametrize("fault", ["error", "garbage", "half", "nothing", "redirect", "hang"])
async def test_a_receiver_that_fails_once_is_called_again_with_the_same_call(fault):
    async with receiving(fault) as receiver, calling(receiver.url, ports=(receiver.port,)) as deliveries:
        with anyio.fail_after(10):
            await receiver.has_got(2)
            await eventually(lambda: not deliveries.owed)
    (first, body), (second, body_again) = receiver.got
    assert (first["webhook-id"], body) == (second["webhook-id"], body_again) == ("w0001", b'{"ready":1}')


@pytest.mark.parametrize("answer", ["ok", "gone", "endless"])
async def test_a_receiver_that_answers_is_called_once(answer):
    async with receiving(answer) as receiver, calling(receiver.url, ports=(receiver.port,)) as deliveries:
        await eventually(lambda: not deliveries.owed)
    assert len(receiver.got) == 1


async def test_one_that_always_fails_is_given_up():
    async with receiving(*["error"] * 9) as receiver, calling(receiver.url, ports=(receiver.port,)) as deliveries:
        await eventually(lambda: not deliveries.owed)
    assert len(receiver.got) == 3
    assert deliveries.store.takes["t0001"].request.wording.done_webhook.status_code == 503


async def test_an_address_that_may_not_be_called_is_not_called():
    async with receiving() as receiver:
        async with calling(receiver.url, ports=(receiver.port,), networks=()) as deliveries:
            await eventually(lambda: not deliveries.owed)
        async with calling(receiver.url, ports=(80, 443)) as deliveries:
            await eventually(lambda: not deliveries.owed)
    assert receiver.got == []


async def test_nobody_listening_is_no_fault_of_the_take():
    async with calling("http://127.0.0.1:1/hook", ports=(1,)) as deliveries:
        await eventually(lambda: not deliveries.owed)
    kept = deliveries.store.takes["t0001"]
    assert (kept.status, kept.request.wording.done_webhook.status_code) == (take().status, None)
