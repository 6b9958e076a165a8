import asyncio
import sys
import threading
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from app.sdk.stream import MissingPackage, SoundFile, SourceFailed

RATE = 22050

pytestmark = pytest.mark.anyio


@pytest.fixture
def without_av(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)


def sine(rate: int, seconds: float = 1.0, hz: float = 440.0) -> NDArray[np.float64]:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)


def write_wav(path: Path, *channels: NDArray[np.float64], rate: int = RATE) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.round(32768 * np.stack(channels, 1)).astype("<i2").tobytes())
    return path


def write(path: Path, codec: str, rate: int, sound: NDArray[np.float64]) -> Path:
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="stereo")
        stereo = np.stack([sound, sound]).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(stereo, format="fltp", layout="stereo")
        frame.sample_rate = rate
        for made in (frame, None):
            container.mux(stream.encode(made))
    return path


async def played(path: Path, rate: int = RATE) -> NDArray[np.float32]:
    return np.frombuffer(b"".join([block async for block in SoundFile(path).blocks(rate)]), "<f4")


def likeness(heard: NDArray[np.float32], wanted: NDArray[np.float64]) -> float:
    """Of two sounds, the one shifted to fit: 1 is the same."""
    middle = wanted[RATE // 4 : RATE // 2]
    found = np.correlate(heard.astype(float), middle, "valid")
    best = int(np.argmax(found))
    return float(np.corrcoef(heard[best : best + len(middle)], middle)[0, 1])


async def test_a_plain_file_is_sent_as_it_is(tmp_path: Path) -> None:
    sound = sine(RATE)

    heard = await played(write_wav(tmp_path / "a.wav", sound))

    assert np.allclose(heard, sound, atol=1 / 32768) and len(heard) == RATE


@pytest.mark.parametrize(("name", "codec"), [("a.mp3", "libmp3lame"), ("a.ogg", "libopus"), ("a.flac", "flac")])
async def test_any_kind_of_file_is_sent_at_the_rate_of_the_client(tmp_path: Path, name: str, codec: str) -> None:
    path = write(tmp_path / name, codec, 48000, sine(48000))

    heard = await played(path)

    assert len(heard) == pytest.approx(RATE, rel=0.06)
    assert likeness(heard, sine(RATE)) > 0.98
    assert np.max(np.abs(heard)) == pytest.approx(0.5, abs=0.05)


async def test_channels_are_mixed_within_their_range(tmp_path: Path) -> None:
    loud = np.sign(sine(RATE)) * 0.999

    heard = await played(write_wav(tmp_path / "a.wav", loud, loud))

    assert 0.99 < np.max(np.abs(heard)) <= 1.0


async def test_broken_packets_end_no_song(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp3", "libmp3lame", 44100, sine(44100, 4.0))
    broken = bytearray(path.read_bytes())
    broken[20_000:21_000] = b"\xff" * 1000
    path.write_bytes(broken)

    assert len(await played(path)) > 3 * RATE


@pytest.mark.parametrize("content", [b"", b"no sound at all" * 100])
async def test_what_is_no_sound_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp3").write_bytes(content)

    with pytest.raises(SourceFailed, match=r"a\.mp3 cannot be read"):
        await played(tmp_path / "a.mp3")


async def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match=r"gone\.wav cannot be read: No such file"):
        await played(tmp_path / "gone.wav")


async def test_giving_up_leaves_no_thread(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", sine(RATE, 20.0))
    before = set(threading.enumerate())

    async def play() -> None:
        async for _ in SoundFile(path).blocks(RATE):
            await asyncio.sleep(0)

    playing = asyncio.Task(play())
    await asyncio.sleep(0)
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing
    await asyncio.get_running_loop().shutdown_asyncgens()

    assert set(threading.enumerate()) == before


@pytest.mark.usefixtures("without_av")
async def test_without_pyav_a_plain_file_is_sent(tmp_path: Path) -> None:
    left, right = sine(RATE), np.zeros(RATE)

    heard = await played(write_wav(tmp_path / "a.wav", left, right))

    assert np.allclose(heard, left / 2, atol=2 / 32768)


@pytest.mark.usefixtures("without_av")
async def test_without_pyav_anything_else_asks_for_it(tmp_path: Path) -> None:
    other_rate = write_wav(tmp_path / "a.wav", sine(44100), rate=44100)
    (tmp_path / "a.mp3").write_bytes(b"ID3" * 100)

    with pytest.raises(MissingPackage, match="44100 Hz; anything but 16 bits at 22050 Hz needs PyAV: pip install av"):
        await played(other_rate)
    with pytest.raises(MissingPackage, match="pip install av"):
        await played(tmp_path / "a.mp3")
    with pytest.raises(SourceFailed, match="No such file"):
        await played(tmp_path / "gone.wav")
