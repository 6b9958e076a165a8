import os
from contextlib import aclosing

import anyio
import numpy as np
import pytest

from app.audio.encode import encode
from app.audio.format import Format
from app.audio.pcm import from_bytes, to_bytes
from app.calls.audio_files import FORMATS, AudioFiles
from app.calls.call import CallForm
from app.calls.sounds import Sounds
from app.errors import InvalidAudio
from app.runtime.workers import CODEC_POOL, FILES_POOL, Workers
from tests.api.telephony.door import tone, wav_file

pytestmark = pytest.mark.anyio

FORM = CallForm(16_000)


@pytest.fixture
def workers() -> Workers:
    return Workers({CODEC_POOL: 2, FILES_POOL: 1})


async def heard(sounds: Sounds, workers: Workers, folder, name: str, form: CallForm = FORM) -> bytes:
    file = await AudioFiles(folder, workers).find(name)
    async with aclosing(sounds.portions(file, form)) as portions:
        return b"".join([portion async for portion in portions])


@pytest.mark.parametrize("kept_seconds", [10.0, 0.1])
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000])
async def test_every_format_is_decoded_to_every_form(tmp_path, workers, format, rate, kept_seconds):
    pcm = to_bytes(tone(1.0, 24_000))
    encoded = encode(
        pcm, sample_rate=24_000, format=format, bitrate=None if format in (Format.WAV, Format.FLAC) else 96_000
    )
    (tmp_path / f"a.{format}").write_bytes(encoded.data)
    sounds = Sounds(workers, kept_seconds=kept_seconds)
    samples = from_bytes(await heard(sounds, workers, tmp_path, f"a.{format}", CallForm(rate)))
    assert len(samples) % (rate // 50) == 0
    assert 1.0 <= len(samples) / rate <= 1.2  # the padding of lossy codecs, and of the last frame
    spectrum = np.abs(np.fft.rfft(samples[: rate // 50 * 50][:rate] * np.hanning(min(rate, len(samples)))))
    assert np.argmax(spectrum) == pytest.approx(441.7, abs=2)


async def test_what_is_short_is_decoded_once_for_all(tmp_path, workers):
    (tmp_path / "a.wav").write_bytes(wav_file(tone(0.5)))
    sounds, came = Sounds(workers), []

    async def listen() -> None:
        came.append(await heard(sounds, workers, tmp_path, "a.wav"))

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(listen)
    assert (len(came), set(came), sounds.decodings) == (100, {to_bytes(tone(0.5))}, 1)


async def test_a_file_that_has_changed_is_decoded_anew(tmp_path, workers):
    sounds = Sounds(workers)
    (tmp_path / "a.wav").write_bytes(wav_file(tone(0.5)))
    await heard(sounds, workers, tmp_path, "a.wav")
    (tmp_path / "a.wav").write_bytes(wav_file(tone(0.52)[320:]))
    os.utime(tmp_path / "a.wav", ns=(1, 1))
    assert await heard(sounds, workers, tmp_path, "a.wav") == to_bytes(tone(0.52)[320:])


async def test_what_is_kept_is_bounded(tmp_path, workers):
    sounds = Sounds(workers, max_bytes=3 * 16_000)
    for name in ("a.wav", "b.wav", "c.wav", "d.wav"):
        (tmp_path / name).write_bytes(wav_file(tone(0.5)))
        await heard(sounds, workers, tmp_path, name)
    assert sounds._size == sum(len(pcm or b"") for pcm in sounds._kept.values()) <= 3 * 16_000
    decodings = sounds.decodings
    await heard(sounds, workers, tmp_path, "d.wav")
    assert sounds.decodings == decodings
    await heard(sounds, workers, tmp_path, "a.wav")
    assert sounds.decodings == decodings + 1


async def test_what_is_long_is_never_whole_in_memory(tmp_path, workers):
    (tmp_path / "a.wav").write_bytes(wav_file(tone(60.0)))
    sounds = Sounds(workers, kept_seconds=1.0)
    file = await AudioFiles(tmp_path, workers).find("a.wav")
    async with aclosing(sounds.portions(file, FORM)) as portions:
        sizes = [len(portion) async for portion in portions]
    assert sum(sizes) == 60 * 32_000
    assert max(sizes) <= 2 * 65_536 + 640
    assert sounds._size == 0


async def test_what_is_not_taken_to_its_end_is_let_go(tmp_path, workers):
    (tmp_path / "a.wav").write_bytes(wav_file(tone(60.0)))
    sounds = Sounds(workers, kept_seconds=1.0)
    file = await AudioFiles(tmp_path, workers).find("a.wav")
    before = len(os.listdir("/proc/self/fd"))
    async with aclosing(sounds.portions(file, FORM)) as portions:
        await anext(portions)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("data", [b"", b"hello", b"RIFF\0\0\0\0WAVE"])
async def test_what_holds_no_sound_is_refused_each_time(tmp_path, workers, data):
    (tmp_path / "a.wav").write_bytes(data)
    sounds = Sounds(workers)
    for _ in range(2):
        with pytest.raises(InvalidAudio):
            await heard(sounds, workers, tmp_path, "a.wav")
    assert not sounds._turns


async def test_what_is_larger_than_a_cd_is_not_decoded_twice(tmp_path, workers):
    (tmp_path / "a.wav").write_bytes(wav_file(np.zeros(70 * 48_000, np.int16), 48_000))
    sounds = Sounds(workers, kept_seconds=1.0)
    assert len(await heard(sounds, workers, tmp_path, "a.wav", CallForm(8_000))) == 70 * 16_000
    assert sounds.decodings == 1
