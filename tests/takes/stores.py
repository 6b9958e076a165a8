"""Every store of takes there is, empty: the fake, SQLite and PostgreSQL (marker `postgres`)."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.runtime.database import READ_POOL, WRITE_POOL, Database
from app.runtime.workers import Workers
from app.takes.deliveries import Deliveries, Delivery, Hook
from app.takes.sql import SqlDeliveries, SqlStore
from app.takes.store import Store
from app.takes.take import Status, Take, TakeRequest, Webhook, Wording
from app.takes.voice import Design, Voice, VoiceGender, VoiceRequest
from tests.databases import postgres_url, sqlite_url
from tests.takes.fake_store import FakeStore

STATUS_URL = "https://ann.example/status"
DONE_URL = "https://ann.example/done"


@dataclass(frozen=True)
class Kept:
    """One place, as two servers see it."""

    store: Store
    deliveries: Deliveries
    other_store: Store
    other_deliveries: Deliveries


@pytest.fixture(params=["fake", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    if request.param == "fake":
        fake = FakeStore()
        yield Kept(fake, fake.deliveries, fake, fake.deliveries)
        return
    with ExitStack() as stack:
        url = sqlite_url(tmp_path) if request.param == "sqlite" else stack.enter_context(postgres_url())
        async with connect(url) as one, connect(url) as other:
            await one.migrate()
            yield Kept(SqlStore(one), SqlDeliveries(one), SqlStore(other), SqlDeliveries(other))


def connect(url: str) -> Database:
    return Database(url, Workers({READ_POOL: 2, WRITE_POOL: 2}))


@pytest.fixture
def store(kept: Kept) -> Store:
    return kept.store


def take(number: int = 1, *, owner: str = "ann", at: int = 1000, status: Status = Status.WAITING) -> Take:
    wording = Wording("Hello.", status_webhook=Webhook(STATUS_URL), done_webhook=Webhook(DONE_URL))
    return Take(f"t{number:04}", owner, TakeRequest(wording, "v0001"), status, at)


def voice(number: int = 1, *, owner: str | None = "ann", at: int = 1000, status: Status = Status.WAITING) -> Voice:
    asked = VoiceRequest("Ann", "espeak", VoiceGender.FEMALE, done_webhook=Webhook(DONE_URL))
    return Voice(f"v{number:04}", owner, asked, Design(number, VoiceGender.FEMALE), status, at)


def delivery(
    number: int = 1, *, subject: str = "t0001", hook: Hook = Hook.DONE, at: int = 0, host: str = "ann.example"
) -> Delivery:
    return Delivery(f"w{number:04}", "ann", subject, hook, f"https://{host}/", b'{"ready":1}', at)
