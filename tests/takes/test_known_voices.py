from dataclasses import replace

import anyio
import pytest

from app.errors import NotFound
from app.takes.known_voices import KEPT_SECONDS, MAX_KEPT, KnownVoices
from tests.takes.fake_store import FakeStore
from tests.takes.stage import VOICE

pytestmark = pytest.mark.anyio


class CountingStore(FakeStore):
    asked = 0

    async def find_voice(self, owner, voice_id):
        self.asked += 1
        found = await super().find_voice(owner, voice_id)
        await anyio.lowlevel.checkpoint()
        return found


def known() -> tuple[KnownVoices, CountingStore, list[float]]:
    now, store = [0.0], CountingStore()
    store.voices["v1"] = VOICE
    return KnownVoices(store, clock=lambda: now[0]), store, now


async def test_a_voice_is_looked_for_once_in_a_while():
    voices, store, now = known()
    for _ in range(3):
        assert await voices.find("ann", "v1") == VOICE
    assert store.asked == 1
    now[0] = KEPT_SECONDS
    await voices.find("ann", "v1")
    assert store.asked == 2


async def test_a_voice_that_is_not_there_is_looked_for_again():
    voices, store, _ = known()
    for _ in range(2):
        with pytest.raises(NotFound, match="voice 'v2'"):
            await voices.find("ann", "v2")
    assert store.asked == 2


async def test_what_one_account_knows_another_does_not():
    voices, _, _ = known()
    await voices.find("ann", "v1")
    with pytest.raises(NotFound):
        await voices.find("bob", "v1")


async def test_a_change_is_known_at_once():
    voices, store, _ = known()
    await voices.find("ann", "v1")
    store.voices["v1"] = changed = replace(VOICE, timestamp_ms=7)
    voices.forget("ann", "v1")
    assert await voices.find("ann", "v1") == changed


async def test_a_change_in_the_middle_of_a_look_is_known_afterwards():
    voices, store, _ = known()
    async with anyio.create_task_group() as group:
        group.start_soon(voices.find, "ann", "v1")
        await anyio.lowlevel.checkpoint()
        store.voices["v1"] = changed = replace(VOICE, timestamp_ms=7)
        voices.forget("ann", "v1")
    assert await voices.find("ann", "v1") == changed


async def test_it_knows_no_more_than_it_may():
    voices, store, _ = known()
    store.voices = {f"v{n}": replace(VOICE, id=f"v{n}") for n in range(MAX_KEPT + 1)}
    for voice_id in store.voices:
        await voices.find("ann", voice_id)
    await voices.find("ann", "v1")
    assert store.asked == MAX_KEPT + 1
    await voices.find("ann", "v0")
    assert store.asked == MAX_KEPT + 2
