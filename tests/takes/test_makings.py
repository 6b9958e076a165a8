import anyio
import pytest

from app.errors import Draining, Unavailable
from app.takes.backlog import Backlog
from app.takes.makings import OUTAGE_SECONDS, Makings
from app.takes.take import Status, Take
from tests.fakes import VIRTUAL_TIME, settle
from tests.takes.stores import take

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return VIRTUAL_TIME


class FakeMaking:
    """Lasts until it is told to end, or is cancelled."""

    def __init__(self, take: Take) -> None:
        self.take = take
        self.is_recorded = False
        self.is_running = False
        self.ended = anyio.Event()
        self.verdict: tuple[Status, str] | None = None
        self._over = anyio.Event()

    def finish(self) -> None:
        self._over.set()

    def end(self, status: Status, error: str) -> None:
        self.verdict = status, error
        self._over.set()

    async def run(self) -> None:
        self.is_running = True
        try:
            await self._over.wait()
        finally:
            self.is_running = False
            self.ended.set()


class Room:
    """Makings of takes t0001 and so on, each prepared as a fake."""

    def __init__(self, *, at_once: int = 2) -> None:
        self.made: dict[str, FakeMaking] = {}
        self.failures: list[Exception | None] = []
        self.makings = Makings(Backlog(per_account=0, total=0), self.prepare, at_once=at_once)

    async def prepare(self, owner: str, take_id: str) -> FakeMaking | None:
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        self.made[take_id] = FakeMaking(take(int(take_id[1:]), owner=owner))
        return self.made[take_id]

    def enqueue(self, *numbers: int) -> None:
        for number in numbers:
            self.makings.enqueue("ann", f"t{number:04}")

    @property
    def running(self) -> list[str]:
        return [take_id for take_id, making in self.made.items() if making.is_running]


async def test_so_many_takes_of_the_backlog_are_made_at_once():
    room = Room(at_once=2)
    async with room.makings:
        room.enqueue(1, 2, 3)
        await settle()
        assert room.running == ["t0001", "t0002"]
        room.made["t0001"].finish()
        await settle()
        assert room.running == ["t0002", "t0003"]


async def test_what_somebody_listens_to_is_made_at_once():
    room = Room(at_once=1)
    live = FakeMaking(take(9))
    async with room.makings:
        room.enqueue(1)
        room.makings.start(live)
        await settle()
        assert live.is_running and room.running == ["t0001"]


async def test_what_is_ended_while_it_waits_is_never_made():
    room = Room(at_once=1)
    async with room.makings:
        room.enqueue(1, 2)
        await settle()
        assert not await room.makings.end("ann", "t0002", Status.ERROR, "deleted")
        room.made["t0001"].finish()
        await settle()
    assert set(room.made) == {"t0001"}


async def test_what_is_ended_while_it_is_made_has_ended_afterwards():
    room = Room()
    async with room.makings:
        room.enqueue(1)
        await settle()
        assert not await room.makings.end("bob", "t0001", Status.ERROR, "deleted")
        assert await room.makings.end("ann", "t0001", Status.ERROR, "deleted")
        assert (room.made["t0001"].verdict, room.running) == ((Status.ERROR, "deleted"), [])


async def test_a_store_that_is_away_lets_the_take_wait():
    room = Room(at_once=1)
    room.failures = [Unavailable("away")]
    async with room.makings:
        room.enqueue(1)
        await settle()
        assert room.running == []
        await anyio.sleep(OUTAGE_SECONDS + 1)
        assert room.running == ["t0001"]


async def test_a_fault_before_a_take_is_made_does_not_stop_the_next(caplog):
    room = Room(at_once=1)
    room.failures = [ZeroDivisionError("a bug")]
    async with room.makings:
        room.enqueue(1, 2)
        await settle()
        assert room.running == ["t0002"]
        await room.makings.ended("t0001")
    assert "a bug" in caplog.text


async def test_one_can_wait_for_the_first_sound_and_for_the_end():
    room, seen = Room(), []

    async def watch(what: str) -> None:
        await getattr(room.makings, what)("t0001")
        seen.append(what)

    async with room.makings, anyio.create_task_group() as group:
        room.enqueue(1)
        group.start_soon(watch, "recorded")
        group.start_soon(watch, "ended")
        await settle()
        assert seen == []
        room.made["t0001"].is_recorded = True
        room.makings.tell("t0001")
        await settle()
        assert seen == ["recorded"]
        room.made["t0001"].finish()
    assert seen == ["recorded", "ended"]


async def test_nobody_waits_for_what_is_not_here():
    async with Room().makings as makings:
        await makings.recorded("t0404")
        await makings.ended("t0404")


async def test_the_end_of_the_server_cancels_and_frees_who_waits():
    room, seen = Room(at_once=1), []

    async def watch() -> None:
        await room.makings.ended("t0002")
        seen.append("t0002")

    async with anyio.create_task_group() as group, room.makings as makings:
        room.enqueue(1, 2)
        group.start_soon(watch)
        await settle()
    assert (room.running, seen, set(room.made)) == ([], ["t0002"], {"t0001"})
    with pytest.raises(Draining):
        makings.start(FakeMaking(take(3)))
    with pytest.raises(Draining), makings.room("ann", 1):
        pass
