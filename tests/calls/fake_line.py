"""A call for the tests of processors: keeps what is sent and told, and when."""

from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from app.calls.call import CallForm, News


class FakeLine:
    """One call, whose jobs run in a task group of the test."""

    def __init__(self, group: TaskGroup, form: CallForm | None = None) -> None:
        self.form = form or CallForm()
        self.sent: list[tuple[float, bytes]] = []
        self.told: list[tuple[float, News]] = []
        self.order: list[bytes | News] = []
        self.refusal: Exception | None = None
        self.reads = anyio.Event()
        self.reads.set()
        self.jobs: set[str] = set()
        self._group = group

    @property
    def sound(self) -> bytes:
        return b"".join(sound for _, sound in self.sent)

    @property
    def news(self) -> list[News]:
        return [news for _, news in self.told]

    def post(self, sound: bytes) -> None:
        self.sent.append((anyio.current_time(), sound))
        self.order.append(sound)

    async def send(self, sound: bytes) -> None:
        await self.reads.wait()
        self.post(sound)

    def tell(self, news: News) -> None:
        self.told.append((anyio.current_time(), news))
        self.order.append(news)

    def start(self, name: str, job: Callable[[], Awaitable[None]]) -> None:
        if self.refusal is not None:
            raise self.refusal
        assert name not in self.jobs
        self.jobs.add(name)
        self._group.start_soon(self._run, name, job)

    async def _run(self, name: str, job: Callable[[], Awaitable[None]]) -> None:
        try:
            await job()
        finally:
            self.jobs.remove(name)
