from dataclasses import replace

import pytest

from app.takes.hooks import Hooks
from app.takes.ids import Ids
from app.takes.take import Status, Take
from app.takes.upkeep import CUT_OFF, OVERDUE, OVERDUE_MS, PAGE, Upkeep
from tests.takes.fake_store import FakeStore
from tests.takes.stores import take, voice

pytestmark = pytest.mark.anyio

NOW_MS = 10 * OVERDUE_MS


class Server:
    """What upkeep is done for."""

    def __init__(self) -> None:
        self.store = FakeStore()
        self.enqueued: list[str] = []
        self.forgotten: list[str] = []
        self.made_here: set[str] = set()
        self.owed = 0
        self.upkeep = Upkeep(
            self.store,
            Hooks(lambda item: str(item.status).encode(), Ids()),
            maker="here",
            enqueue=lambda owner, take_id: self.enqueued.append(take_id),
            forget=self.forget,
            stop=self.stop,
            on_owed=self.owe,
            clock=lambda: NOW_MS / 1000,
        )

    async def forget(self, take_id: str) -> None:
        self.forgotten.append(take_id)

    async def stop(self, take: Take, status: Status, error: str) -> bool:
        return take.id in self.made_here

    def owe(self) -> None:
        self.owed += 1

    async def keep(self, *takes: Take, maker: str = "here") -> None:
        await self.store.add_takes(takes, maker=maker)


async def test_what_waits_is_made_in_the_order_of_its_ids_however_much_it_is():
    server = Server()
    await server.keep(*[take(number) for number in range(1, PAGE + 10)])
    await server.upkeep.recover()
    assert server.enqueued == [f"t{number:04}" for number in range(1, PAGE + 10)]


@pytest.mark.parametrize("status", [Status.STARTED, Status.PROGRESS_25, Status.PROGRESS_75])
async def test_what_was_being_made_ends_as_error_without_audio_and_is_told(status):
    server = Server()
    await server.keep(take(status=status))
    await server.upkeep.recover()
    kept = server.store.takes["t0001"]
    assert (kept.status, kept.error, server.forgotten, server.owed) == (Status.ERROR, CUT_OFF, ["t0001"], 1)
    assert [each.body for each in server.store.deliveries.owed.values()] == [b"error", b"error"]


async def test_what_is_done_or_of_another_server_is_left_alone():
    server = Server()
    await server.keep(take(1, status=Status.READY))
    await server.keep(take(2, status=Status.STARTED), maker="elsewhere")
    await server.upkeep.recover()
    assert (server.enqueued, server.forgotten, server.owed) == ([], [], 0)


@pytest.mark.parametrize("maker", ["here", "elsewhere"])
async def test_what_is_a_day_old_and_not_done_ends_as_timeout(maker):
    server = Server()
    old, young = NOW_MS - OVERDUE_MS - 1, NOW_MS - OVERDUE_MS + 1
    await server.keep(take(1, at=old), take(2, at=young), take(3, at=old, status=Status.READY), maker=maker)
    await server.upkeep.look()
    ends = {take_id: (kept.status, kept.error) for take_id, kept in server.store.takes.items()}
    assert ends["t0001"] == (Status.TIMEOUT, OVERDUE)
    assert [ends["t0002"][0], ends["t0003"][0], server.owed] == [Status.WAITING, Status.READY, 1]


async def test_what_is_being_made_here_is_ended_by_its_making():
    server = Server()
    server.made_here = {"t0001"}
    await server.keep(take(status=Status.STARTED))
    await server.upkeep.look()
    assert (server.store.takes["t0001"].status, server.owed) == (Status.STARTED, 0)


@pytest.mark.parametrize(
    ("example", "end"),
    [
        (Status.READY, Status.READY),
        (Status.STARTED, Status.ERROR),
        (Status.TIMEOUT, Status.TIMEOUT),
        (None, Status.ERROR),
    ],
)
async def test_a_voice_ends_as_its_example_did(example, end):
    server = Server()
    await server.store.add_voice(replace(voice(), example_take_id="t0001"), maker="here")
    if example is not None:
        await server.keep(take(status=example))
    await server.upkeep.recover()
    assert server.store.voices["v0001"].status is end


async def test_a_voice_whose_example_waits_waits_too():
    server = Server()
    await server.store.add_voice(replace(voice(), example_take_id="t0001"), maker="here")
    await server.keep(take())
    await server.upkeep.recover()
    assert server.store.voices["v0001"].status is Status.WAITING
