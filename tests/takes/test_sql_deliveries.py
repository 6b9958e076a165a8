from dataclasses import replace
from functools import partial

import anyio
import pytest

from app.takes.deliveries import Delivery, Hook
from app.takes.sql import SqlDeliveries, SqlStore
from app.takes.take import Status
from tests.databases import sqlite_url
from tests.takes.stores import DONE_URL, STATUS_URL, connect, delivery, kept, take, voice

__all__ = ["kept"]

pytestmark = pytest.mark.anyio

NOON = 43_200_000


async def claim(deliveries, *, at=NOON, until=NOON + 60_000, limit=99, busy=()):
    claimed: list[Delivery] = []
    while more := await deliveries.claim(now_ms=at, until_ms=until, limit=limit - len(claimed), busy=busy):
        claimed += more
    return claimed


def ids(deliveries):
    return [delivery.id for delivery in deliveries]


async def test_what_is_owed_comes_back_claimed(kept):
    owed = replace(delivery(at=5), body=bytes(range(256)))
    await kept.deliveries.add([owed])
    assert await claim(kept.deliveries) == [replace(owed, attempts=1, next_ms=NOON + 60_000)]


async def test_a_change_and_its_call_are_kept_together(kept):
    await kept.store.add_takes([take()], maker="m", deliveries=[delivery(1, hook=Hook.STATUS)])
    await kept.store.save_take(take(status=Status.READY), deliveries=[delivery(2, hook=Hook.DONE)])
    assert ids(await claim(kept.deliveries)) == ["w0001", "w0002"]


async def test_nothing_is_owed_twice(kept):
    await kept.deliveries.add([delivery(), delivery()])
    (claimed,) = await claim(kept.deliveries)
    await kept.deliveries.add([delivery()])
    assert await claim(kept.deliveries) == []
    assert await kept.deliveries.next_ms() == claimed.next_ms


async def test_those_due_longest_come_first_and_the_others_not_at_all(kept):
    times = [NOON, NOON + 1, NOON - 2, NOON - 1]
    await kept.deliveries.add([delivery(n, subject=f"t{n}", at=at) for n, at in enumerate(times)])
    assert ids(await claim(kept.deliveries, limit=2)) == ["w0002", "w0003"]
    assert ids(await claim(kept.deliveries)) == ["w0000"]
    assert await kept.deliveries.next_ms() == NOON + 1


async def test_a_settled_call_is_owed_no_more(kept):
    await kept.deliveries.add([delivery()])
    (claimed,) = await claim(kept.deliveries)
    assert await kept.deliveries.settle(claimed, timestamp_ms=NOON, status_code=204)
    assert await kept.deliveries.next_ms() is None
    assert not await kept.deliveries.settle(claimed, timestamp_ms=NOON, status_code=204)


async def test_a_failed_call_is_tried_again_when_it_is_time(kept):
    await kept.deliveries.add([delivery()])
    (claimed,) = await claim(kept.deliveries)
    assert await kept.deliveries.settle(claimed, timestamp_ms=NOON, status_code=503, retry_ms=NOON + 5)
    assert await claim(kept.deliveries, at=NOON + 4) == []
    (again,) = await claim(kept.deliveries, at=NOON + 5)
    assert (again.id, again.attempts) == ("w0001", 2)


async def test_what_a_dead_server_claimed_another_calls_later(kept):
    await kept.deliveries.add([delivery()])
    (dead,) = await claim(kept.deliveries, until=NOON + 60)
    assert await claim(kept.other_deliveries, at=NOON + 59) == []
    (taken,) = await claim(kept.other_deliveries, at=NOON + 60, until=NOON + 120)
    assert not await kept.deliveries.settle(dead, timestamp_ms=NOON, status_code=200)
    assert await kept.other_deliveries.settle(taken, timestamp_ms=NOON, status_code=200)


async def test_a_late_failure_does_not_disturb_who_calls_now(kept):
    await kept.deliveries.add([delivery()])
    (late,) = await claim(kept.deliveries, until=NOON + 1)
    (taken,) = await claim(kept.other_deliveries, at=NOON + 1)
    assert not await kept.deliveries.settle(late, timestamp_ms=NOON, status_code=500, retry_ms=NOON)
    await kept.deliveries.give_back(late)
    assert await kept.deliveries.next_ms() == taken.next_ms


async def test_a_call_that_was_not_made_does_not_count(kept):
    await kept.deliveries.add([delivery(at=NOON)])
    (claimed,) = await claim(kept.deliveries)
    await kept.deliveries.give_back(claimed)
    (again,) = await claim(kept.other_deliveries)
    assert again.attempts == 1


async def test_the_calls_of_one_hook_keep_their_order(kept):
    status = [delivery(n, hook=Hook.STATUS, at=10 - n) for n in (1, 2, 3)]
    await kept.deliveries.add([*status, delivery(4, hook=Hook.DONE), delivery(5, subject="t0002", hook=Hook.STATUS)])
    first = await claim(kept.deliveries)
    assert sorted(ids(first)) == ["w0001", "w0004", "w0005"]
    assert await claim(kept.other_deliveries) == []
    await kept.deliveries.settle(next(it for it in first if it.id == "w0001"), timestamp_ms=1, status_code=200)
    assert ids(await claim(kept.deliveries)) == ["w0002"]


async def test_a_call_that_waits_to_be_tried_again_holds_up_those_behind_it(kept):
    await kept.deliveries.add([delivery(1, at=0), delivery(2, at=0)])
    (first,) = await claim(kept.deliveries)
    await kept.deliveries.settle(first, timestamp_ms=NOON, status_code=500, retry_ms=NOON + 9)
    assert await claim(kept.deliveries) == []
    assert await kept.deliveries.next_ms() == NOON + 9


async def test_who_steps_back_into_line_is_never_forgotten(kept):
    await kept.deliveries.add([delivery(0)])
    for number in range(1, 15):
        (first,) = await claim(kept.deliveries)
        async with anyio.create_task_group() as group:
            group.start_soon(kept.other_deliveries.add, [delivery(number)])
            group.start_soon(partial(kept.deliveries.settle, first, timestamp_ms=NOON, status_code=200))
    assert ids(await claim(kept.deliveries)) == ["w0014"]


async def test_each_receiver_has_one_at_a_time(kept):
    await kept.deliveries.add([delivery(n, subject=f"t{n}", host=f"{n % 2}.example", at=9 - n) for n in range(6)])
    assert ids(await kept.deliveries.claim(now_ms=9, until_ms=99, limit=9)) == ["w0005", "w0004"]
    assert ids(await kept.deliveries.claim(now_ms=9, until_ms=99, limit=1)) == ["w0003"]


async def test_busy_receivers_are_left_alone(kept):
    hosts = ["slow.example", "FAST.example", "slow.example:8443"]
    await kept.deliveries.add([delivery(n, subject=f"t{n}", host=host) for n, host in enumerate(hosts)])
    assert await kept.deliveries.next_ms(busy=["fast.example", "slow.example", "slow.example:8443"]) is None
    assert ids(await claim(kept.deliveries, busy=["slow.example"])) == ["w0001", "w0002"]
    assert await kept.deliveries.next_ms(busy=["other.example"]) == 0


async def test_how_the_last_call_went_is_kept_with_the_take(kept):
    await kept.store.add_takes([take()], maker="m", deliveries=[delivery(1, hook=Hook.STATUS), delivery(2)])
    status, done = await claim(kept.deliveries)
    await kept.deliveries.settle(status, timestamp_ms=5, status_code=None, retry_ms=9)
    await kept.deliveries.settle(done, timestamp_ms=7, status_code=410)
    wording = (await kept.store.find_take("ann", "t0001")).request.wording
    assert (wording.status_webhook.timestamp_ms, wording.status_webhook.status_code) == (5, None)
    assert (wording.done_webhook.timestamp_ms, wording.done_webhook.status_code) == (7, 410)
    assert (wording.status_webhook.post_url, wording.done_webhook.post_url) == (STATUS_URL, DONE_URL)


async def test_the_making_of_a_take_does_not_forget_its_calls(kept):
    await kept.store.add_takes([take()], maker="m", deliveries=[delivery(hook=Hook.STATUS)])
    (claimed,) = await claim(kept.deliveries)
    await kept.deliveries.settle(claimed, timestamp_ms=5, status_code=200)
    await kept.store.save_take(take(status=Status.STARTED))
    found = await kept.store.find_take("ann", "t0001")
    assert (found.status, found.request.wording.status_webhook.status_code) == (Status.STARTED, 200)


async def test_how_the_last_call_went_is_kept_with_the_voice(kept):
    await kept.store.add_voice(voice(), deliveries=[delivery(subject="v0001")])
    (claimed,) = await claim(kept.deliveries)
    await kept.deliveries.settle(claimed, timestamp_ms=5, status_code=200)
    told = (await kept.store.find_voice("ann", "v0001")).request.done_webhook
    assert (told.timestamp_ms, told.status_code) == (5, 200)


async def test_a_call_of_a_take_that_is_gone_is_settled_all_the_same(kept):
    await kept.store.add_takes([take()], maker="m", deliveries=[delivery()])
    await kept.store.delete_take("ann", "t0001")
    (claimed,) = await claim(kept.deliveries)
    assert await kept.deliveries.settle(claimed, timestamp_ms=5, status_code=200)


async def test_an_account_writes_to_no_others_takes(kept):
    await kept.store.add_takes([take(owner="bob")], maker="m", deliveries=[delivery()])
    (claimed,) = await claim(kept.deliveries)
    await kept.deliveries.settle(claimed, timestamp_ms=5, status_code=200)
    assert await kept.store.find_take("bob", "t0001") == take(owner="bob")


async def test_servers_that_claim_at_once_take_each_call_once(kept):
    await kept.deliveries.add([delivery(n, subject=f"t{n}") for n in range(60)])
    taken: list[str] = []

    async def call(deliveries):
        while claimed := await claim(deliveries, limit=4):
            for each in claimed:
                taken.append(each.id)
                assert await deliveries.settle(each, timestamp_ms=NOON, status_code=200)

    async with anyio.create_task_group() as group:
        for deliveries in (kept.deliveries, kept.other_deliveries) * 2:
            group.start_soon(call, deliveries)
    while claimed := await claim(kept.deliveries):  # what another held locked was skipped
        taken += ids(claimed)
    assert sorted(taken) == [f"w{n:04}" for n in range(60)]


async def test_what_is_owed_outlives_the_server(tmp_path):
    for turn in range(2):
        async with connect(sqlite_url(tmp_path)) as database:
            await database.migrate()
            if turn == 0:
                await SqlStore(database).add_takes([take()], maker="m", deliveries=[delivery()])
            else:
                assert ids(await claim(SqlDeliveries(database))) == ["w0001"]
