from dataclasses import replace

import anyio
import pytest

from app.errors import Unavailable
from app.takes.hooks import Hooks
from app.takes.ids import Ids
from app.takes.ledger import RETRY_SECONDS, Ledger
from app.takes.take import Status
from tests.fakes import VIRTUAL_TIME, settle
from tests.takes.fake_store import FakeStore
from tests.takes.stores import take, voice

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return VIRTUAL_TIME


class SlowStore(FakeStore):
    """Takes a second to save, and remembers what it saved."""

    def __init__(self) -> None:
        super().__init__()
        self.saved: list[Status] = []
        self.is_down = False

    async def save_take(self, take, **options):
        await anyio.sleep(1)
        if self.is_down:
            raise Unavailable("the database is away")
        self.saved.append(take.status)
        return await super().save_take(take, **options)


def ledger(store: FakeStore, owed: list[int] | None = None) -> Ledger:
    told = [] if owed is None else owed
    hooks = Hooks(lambda item: str(item.status).encode(), Ids())
    return Ledger(store, hooks, maker="here", on_owed=lambda: told.append(1))


def bodies(store: FakeStore) -> list[str]:
    return [each.body.decode() for _, each in sorted(store.deliveries.owed.items()) if each.hook == "status"]


async def test_a_new_take_is_kept_with_its_maker_and_its_calls():
    store, owed = FakeStore(), []
    await ledger(store, owed).open([take()], voice())
    assert (store.makers, owed, bodies(store)) == ({"v0001": "here", "t0001": "here"}, [1], ["waiting"])


async def test_a_cancelled_opening_is_done_all_the_same():
    store = FakeStore()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await ledger(store).open([take()], None)
    assert "t0001" in store.takes


async def test_only_the_newest_of_what_waits_is_written_and_every_call_is_owed():
    store = SlowStore()
    book = ledger(store)
    await book.open([take()], None)
    async with anyio.create_task_group() as group:
        group.start_soon(book.run, lambda: None)
        for status in (Status.STARTED, Status.PROGRESS_25, Status.PROGRESS_50):
            book.note(take(status=status), None)
            await settle()
        await anyio.sleep(5)
        group.cancel_scope.cancel()
    assert store.saved == [Status.STARTED, Status.PROGRESS_50]
    assert bodies(store) == ["waiting", "started", "progress_25", "progress_50"]


async def test_flush_returns_when_all_is_written():
    store = SlowStore()
    book = ledger(store)
    await book.open([take()], None)
    book.note(take(status=Status.READY), None)
    assert await book.flush()
    assert store.takes["t0001"].status is Status.READY


async def test_a_store_that_is_away_is_asked_again_and_owes_each_call_once():
    store = SlowStore()
    book = ledger(store)
    await book.open([take()], None)
    store.is_down = True
    async with anyio.create_task_group() as group:
        group.start_soon(book.run, lambda: None)
        book.note(take(status=Status.STARTED), None)
        await anyio.sleep(1 + RETRY_SECONDS / 2)
        store.is_down = False
        await anyio.sleep(5)
        group.cancel_scope.cancel()
    assert (store.saved, bodies(store)) == ([Status.STARTED], ["waiting", "started"])


async def test_flush_raises_and_keeps_what_the_store_did_not_take():
    store = SlowStore()
    book = ledger(store)
    await book.open([take()], None)
    store.is_down = True
    book.note(take(status=Status.READY), None)
    with pytest.raises(Unavailable):
        await book.flush()
    store.is_down = False
    await book.flush()
    assert store.takes["t0001"].status is Status.READY


async def test_a_take_that_was_deleted_is_void_and_owes_nothing():
    store, void = SlowStore(), []
    book = ledger(store)
    await book.open([take()], None)
    store.takes.clear()
    async with anyio.create_task_group() as group:
        group.start_soon(book.run, lambda: void.append(1))
        book.note(take(status=Status.STARTED), None)
        await anyio.sleep(2)
        group.cancel_scope.cancel()
    assert (void, bodies(store)) == ([1], ["waiting"])


async def test_a_write_that_began_is_written_to_its_end():
    store = SlowStore()
    book = ledger(store)
    await book.open([take()], None)
    async with anyio.create_task_group() as group:
        group.start_soon(book.run, lambda: None)
        book.note(take(status=Status.STARTED), None)
        await settle()
        group.cancel_scope.cancel()
    assert store.saved == [Status.STARTED]


async def test_the_voice_is_written_with_its_example():
    store = SlowStore()
    book = ledger(store)
    await book.open([take()], voice())
    store.voices["v0001"] = replace(store.voices["v0001"], request=replace(voice().request, name="Renamed"))
    book.note(take(status=Status.READY), voice(status=Status.READY))
    await book.flush()
    kept = store.voices["v0001"]
    assert (kept.status, kept.request.name) == (Status.READY, "Renamed")
    assert [each.body for each in store.deliveries.owed.values() if each.subject == "v0001"] == [b"ready"]
