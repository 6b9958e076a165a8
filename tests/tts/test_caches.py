from pathlib import Path

import anyio
import pytest

from app.audio.format import Format
from app.runtime.workers import FILES_POOL, Workers
from app.tts import caches as module
from app.tts.cache import SpeechCache
from app.tts.caches import SWEEP_SECONDS, Caches
from app.tts.disk_cache import DiskCache
from app.tts.speech import Gender, Speech, Voice

pytestmark = pytest.mark.anyio

VOICE = Voice("v", "V", "en-US", Gender.NEUTRAL, "costly")
SPEECH = Speech(b"RIFF" * 100, Format.WAV, 8000, 1.0, VOICE)


def disk(directory: Path, *, max_bytes: int = 1_000_000) -> DiskCache:
    return DiskCache(directory, workers=Workers({FILES_POOL: 2}), max_bytes=max_bytes)


def make(directory: Path, **options) -> Caches:
    return Caches(SpeechCache(max_bytes=1_000_000), disk(directory), **options)


class StuckDisk(DiskCache):
    """A disk on which nothing ever ends."""

    async def put(self, plan: object, speech: Speech) -> None:
        await anyio.sleep_forever()


async def test_costly_speech_outlives_the_server(tmp_path):
    async with make(tmp_path) as before:
        before.put("a", SPEECH, is_costly=True)
        assert before.get("a") == SPEECH
    async with make(tmp_path) as after:
        assert after.get("a") is None
        assert await after.recall("a") == SPEECH
        assert after.get("a") == SPEECH
    assert (after.hits, after.misses, after.disk_hits) == (2, 0, 1)


async def test_cheap_speech_stays_in_memory(tmp_path):
    async with make(tmp_path) as caches:
        caches.put("a", SPEECH)
        assert "a" in caches
    assert await disk(tmp_path).get("a") is None


async def test_nothing_is_kept_under_the_name_of_who_should_have_spoken(tmp_path):
    fallen = Speech(b"RIFF", Format.WAV, 8000, 1.0, VOICE, fallback_from="edge")
    async with make(tmp_path) as caches:
        caches.put("a", fallen, is_costly=True)
        assert "a" not in caches
    assert await disk(tmp_path).get("a") is None


async def test_a_miss_of_both_is_a_miss(tmp_path):
    async with make(tmp_path) as caches:
        assert caches.get("a") is None
        assert await caches.recall("a") is None
    assert (caches.hits, caches.misses) == (0, 1)


async def test_without_a_disk_there_is_memory():
    async with Caches(SpeechCache(max_bytes=1_000_000)) as caches:
        caches.put("a", SPEECH, is_costly=True)
        assert caches.get("a") == SPEECH
        assert await caches.recall("b") is None
    assert (caches.size_bytes > 0, caches.disk_bytes) == (True, 0)


async def test_before_and_after_its_time_nothing_is_written(tmp_path):
    caches = make(tmp_path)
    caches.put("a", SPEECH, is_costly=True)
    async with caches:
        caches.put("b", SPEECH, is_costly=True)
    caches.put("c", SPEECH, is_costly=True)
    assert [await disk(tmp_path).get(name) for name in "abc"] == [None, SPEECH, None]
    assert caches.disk_bytes == 4096


@pytest.mark.parametrize(("bound", "value"), [("MAX_UNWRITTEN_BYTES", 800), ("MAX_UNWRITTEN", 2)])
async def test_speech_goes_unkept_when_the_disk_is_too_slow(tmp_path, monkeypatch, bound, value):
    monkeypatch.setattr(module, bound, value)
    async with make(tmp_path) as caches:
        for name in "abcd":
            caches.put(name, SPEECH, is_costly=True)
    assert [bool(await disk(tmp_path).get(name)) for name in "abcd"] == [True, True, False, False]


async def test_a_disk_that_is_stuck_holds_nobody_up_for_long(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "DRAIN_SECONDS", 0.0)
    stuck = StuckDisk(tmp_path, workers=Workers({FILES_POOL: 1}), max_bytes=1_000_000)
    with anyio.fail_after(5):
        async with Caches(SpeechCache(max_bytes=1_000_000), stuck) as caches:
            caches.put("a", SPEECH, is_costly=True)
            assert caches.get("a") == SPEECH


async def test_the_disk_is_swept_at_the_start_and_again_and_again(tmp_path):
    pauses: list[float] = []
    slept = anyio.Event()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            slept.set()
            await anyio.sleep_forever()

    async with make(tmp_path, sleep=sleep):
        await slept.wait()
    assert pauses == [SWEEP_SECONDS] * 3


async def test_turned_off_it_removes_what_is_there(tmp_path):
    await disk(tmp_path).put("a", SPEECH)
    swept = anyio.Event()

    async def sleep(seconds: float) -> None:
        swept.set()
        await anyio.sleep_forever()

    async with Caches(SpeechCache(max_bytes=1_000_000), disk(tmp_path, max_bytes=0), sleep=sleep):
        await swept.wait()
    assert await disk(tmp_path).get("a") is None
