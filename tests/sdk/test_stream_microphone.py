import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager

import numpy as np
import pytest
from anyio import to_thread

from app.sdk.stream import Microphone, MissingPackage, SourceFailed
from tests.eventually import eventually
from tests.sdk.fake_sounddevice import FakeSounddevice

RATE = 22050

pytestmark = pytest.mark.anyio


@pytest.fixture
def sounddevice(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSounddevice]:
    fake = FakeSounddevice()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    yield fake
    assert not any(stream.is_active for stream in fake.streams)


def sound(value: float, samples: int = 1102) -> bytes:
    return np.full(samples, value, "<f4").tobytes()


@asynccontextmanager
async def listening(microphone: Microphone, rate: int = RATE) -> AsyncIterator[asyncio.Queue[bytes]]:
    """Take blocks in a task of its own."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def listen() -> None:
        async with aclosing(microphone.blocks(rate)) as blocks:
            async for block in blocks:
                heard.put_nowait(block)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(listen())
        yield heard
        task.cancel()


async def test_what_it_hears_arrives_in_order(sounddevice: FakeSounddevice) -> None:
    async with listening(Microphone("usb")) as heard:
        await eventually(lambda: bool(sounddevice.streams))
        [stream] = sounddevice.streams
        for value in (0.1, 0.2, 0.3):
            await to_thread.run_sync(stream.hear, sound(value))
        blocks = [await heard.get() for _ in range(3)]

    assert blocks == [sound(0.1), sound(0.2), sound(0.3)]
    assert stream.options == {
        "samplerate": RATE,
        "blocksize": 1102,
        "device": "usb",
        "channels": 1,
        "dtype": "float32",
    }


async def test_what_nobody_takes_for_two_seconds_is_dropped(sounddevice: FakeSounddevice) -> None:
    async with aclosing(Microphone().blocks(RATE)) as blocks:
        first = asyncio.Task(anext(blocks))  # type: ignore[arg-type]
        await eventually(lambda: bool(sounddevice.streams))
        for value in range(101):
            sounddevice.streams[0].hear(sound(float(value)))
        assert await first == sound(61.0)
        assert await anext(blocks) == sound(62.0)


async def test_a_microphone_that_ends_is_said(sounddevice: FakeSounddevice) -> None:
    async with aclosing(Microphone().blocks(RATE)) as blocks:
        next_block = asyncio.Task(anext(blocks))  # type: ignore[arg-type]
        await eventually(lambda: bool(sounddevice.streams))
        sounddevice.streams[0].end()
        with pytest.raises(SourceFailed, match="has ended"):
            await next_block


async def test_a_rate_that_it_does_not_have_is_said(sounddevice: FakeSounddevice) -> None:
    with pytest.raises(SourceFailed, match=r"cannot be used at 48000 Hz: .*Invalid sample rate"):
        await anext(Microphone().blocks(48000))


async def test_without_sounddevice_it_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)

    with pytest.raises(MissingPackage, match="pip install sounddevice"):
        await anext(Microphone().blocks(RATE))


async def test_without_portaudio_it_asks_for_it(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)

    with pytest.raises(MissingPackage, match="libportaudio2: PortAudio library not found"):
        await anext(Microphone().blocks(RATE))
