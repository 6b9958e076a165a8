import io
import signal
import subprocess
import sys
import wave
from pathlib import Path

import anyio
import numpy as np
import pytest

from app.audio import wav
from app.audio.decode import decode
from app.audio.format import Format
from app.errors import InvalidAudio, InvalidInput, NotFound, Overloaded, Unavailable
from app.takes import copies
from app.takes.inventory import BLOCK_BYTES
from app.takes.recordings import BATCH, COPIES, UNKNOWN_SECONDS
from tests.takes.shelves import IDS, Clock, names, no_room_behind, recordings

pytestmark = pytest.mark.anyio

RATE = 24000


def tone(seconds: float = 1.0) -> bytes:
    times = np.arange(int(seconds * RATE)) / RATE
    return (np.sin(2 * np.pi * 440 * times) * 8000).astype("<i2").tobytes()


async def put(kept, number=0, pcm=b"abcd"):
    recording = await kept.begin(IDS[number], RATE)
    await recording.append(pcm)
    await recording.finish()
    return recording


async def test_what_is_being_made_is_found(tmp_path):
    kept = recordings(tmp_path)
    recording = await kept.begin(IDS[0], RATE)
    assert await kept.find(IDS[0]) is recording
    await recording.finish()
    assert (await kept.find(IDS[0])) is not recording


async def test_what_was_finished_is_found_after_a_restart(tmp_path):
    await put(recordings(tmp_path), pcm=tone())
    found = await recordings(tmp_path).find(IDS[0])
    assert (found.sample_rate, found.duration, found.is_finished) == (RATE, RATE, True)
    with wave.open(io.BytesIO(await found.read(0, 1 << 20))) as file:
        assert (file.getnframes(), file.getframerate(), file.getnchannels()) == (RATE, RATE, 1)


@pytest.mark.parametrize("id", [IDS[1], "", "t", "../../etc/passwd", f"{IDS[0]}/../x", "t\0" + IDS[0]])
async def test_what_was_never_made_is_not_found(tmp_path, id):
    kept = recordings(tmp_path)
    await put(kept)
    await kept.delete(id)
    assert await kept.find(id) is None
    with pytest.raises(NotFound):
        await kept.encoded(id, Format.MP3)
    assert names(tmp_path) == ["0.wav"]


async def test_a_recording_begins_once_and_only_for_an_id(tmp_path):
    kept = recordings(tmp_path)
    await kept.begin(IDS[0], RATE)
    for id in (IDS[0], "../x"):
        with pytest.raises(ValueError, match="cannot begin"):
            await kept.begin(id, RATE)


async def test_a_take_that_is_made_again_has_the_new_recording(tmp_path):
    kept = recordings(tmp_path)
    await put(kept, pcm=b"old!")
    await put(kept, pcm=b"newer!")
    assert (await (await kept.find(IDS[0])).read(wav.HEADER_BYTES, 99)) == b"newer!"


@pytest.mark.parametrize("format", COPIES)
async def test_a_copy_is_the_same_sound_and_knows_its_length(tmp_path, format):
    kept = recordings(tmp_path)
    await put(kept, pcm=tone(2.0))
    data = (await kept.encoded(IDS[0], format)).read_bytes()
    sound = decode(data, sample_rate=None, max_samples=1 << 20, max_bytes=1 << 20)
    assert abs(sound.duration - 2.0) < 0.05
    spectrum = np.abs(np.fft.rfft(sound.samples))
    assert abs(spectrum.argmax() * sound.sample_rate / len(sound.samples) - 440) < 2


async def test_a_copy_is_made_once(tmp_path, monkeypatch):
    kept, made = recordings(tmp_path), []
    await put(kept, pcm=tone())
    encode = copies.encode

    async def counted(*arguments, **options):
        made.append(arguments)
        await encode(*arguments, **options)

    monkeypatch.setattr(copies, "encode", counted)
    paths: list[Path] = []

    async def ask():
        paths.append(await kept.encoded(IDS[0], Format.MP3))

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(ask)
    await ask()
    assert (len(made), len(set(paths)), kept._turns) == (1, 1, {})


async def test_a_copy_is_found_after_a_restart(tmp_path):
    kept = recordings(tmp_path)
    await put(kept, pcm=tone())
    path = await kept.encoded(IDS[0], Format.FLAC)
    path.write_bytes(b"as it was left")
    assert (await recordings(tmp_path).encoded(IDS[0], Format.FLAC)).read_bytes() == b"as it was left"


async def test_wav_is_the_recording_itself(tmp_path):
    recording = await put(recordings(tmp_path))
    assert await recordings(tmp_path).encoded(IDS[0], Format.WAV) == recording.path


@pytest.mark.parametrize("format", [Format.PCM, Format.OGG, Format.AAC])
async def test_other_formats_are_refused(tmp_path, format):
    with pytest.raises(InvalidInput, match="wav, mp3, flac, m4a, webm"):
        await recordings(tmp_path).encoded(IDS[0], format)


async def test_what_is_being_made_has_no_copies_yet(tmp_path):
    kept = recordings(tmp_path)
    await kept.begin(IDS[0], RATE)
    with pytest.raises(NotFound, match="finished"):
        await kept.encoded(IDS[0], Format.MP3)


@pytest.mark.parametrize("format", COPIES)
async def test_silence_of_no_length_has_no_copies(tmp_path, format):
    kept = recordings(tmp_path)
    await put(kept, pcm=b"")
    with pytest.raises(InvalidAudio):
        await kept.encoded(IDS[0], format)
    assert names(tmp_path) == ["0.wav"]


async def test_who_waits_makes_the_copy_if_its_maker_is_cancelled(tmp_path, monkeypatch):
    kept, begun, made = recordings(tmp_path), anyio.Event(), []
    await put(kept, pcm=tone())
    encode = copies.encode

    async def hang_once(*arguments, **options):
        if not begun.is_set():
            begun.set()
            await anyio.sleep_forever()
        await encode(*arguments, **options)

    monkeypatch.setattr(copies, "encode", hang_once)

    async def ask():
        made.append(await kept.encoded(IDS[0], Format.MP3))

    async with anyio.create_task_group() as second, anyio.create_task_group() as first:
        first.start_soon(ask)
        await begun.wait()
        second.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        first.cancel_scope.cancel()
    assert names(tmp_path) == ["0.mp3", "0.wav"]
    assert len(made) == 1


async def test_a_cancelled_copy_leaves_nothing(tmp_path):
    kept = recordings(tmp_path)
    await put(kept, pcm=tone(60.0))
    async with anyio.create_task_group() as group:
        group.start_soon(kept.encoded, IDS[0], Format.MP3)
        while names(tmp_path) == ["0.wav"]:
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    assert (names(tmp_path), kept._turns) == (["0.wav"], {})


@pytest.mark.parametrize("format", COPIES)
async def test_a_disk_that_is_full_for_a_copy_is_said_and_leaves_nothing(tmp_path, format):
    kept = recordings(tmp_path)
    await put(kept, pcm=tone(3.0))
    with no_room_behind(1000), pytest.raises(Unavailable, match="File too large"):
        await kept.encoded(IDS[0], format)
    assert names(tmp_path) == ["0.wav"]


async def test_a_copy_counts_and_is_refused_where_it_does_not_fit(tmp_path):
    pcm = tone(2.0)
    kept = recordings(tmp_path, max_bytes=len(pcm) + 3 * BLOCK_BYTES)
    await put(kept, pcm=pcm)
    growing = await kept.begin(IDS[1], RATE)
    with pytest.raises((Overloaded, NotFound)):
        await kept.encoded(IDS[0], Format.FLAC)
    assert kept.size_bytes <= len(pcm) + 3 * BLOCK_BYTES
    await growing.discard()


async def test_a_take_deleted_while_it_is_copied_leaves_nothing(tmp_path, monkeypatch):
    kept = recordings(tmp_path)
    await put(kept, pcm=tone())
    encode = copies.encode

    async def delete_first(*arguments, **options):
        await kept.delete(IDS[0])
        await encode(*arguments, **options)

    monkeypatch.setattr(copies, "encode", delete_first)
    with pytest.raises(NotFound):
        await kept.encoded(IDS[0], Format.MP3)
    assert names(tmp_path) == []


async def test_a_deleted_take_leaves_nothing(tmp_path):
    kept = recordings(tmp_path)
    await put(kept, 0, pcm=tone())
    await kept.encoded(IDS[0], Format.MP3)
    growing = await kept.begin(IDS[1], RATE)
    for number in (0, 1):
        await kept.delete(IDS[number])
    assert (names(tmp_path), await kept.find(IDS[0]), await kept.find(IDS[1])) == ([], None, None)
    with pytest.raises(NotFound):
        await growing.append(b"ab")


async def test_who_reads_a_deleted_take_reads_it_to_its_end(tmp_path):
    kept = recordings(tmp_path)
    await put(kept, pcm=tone())
    found = await kept.find(IDS[0])
    begun = await found.read(0, 1000)
    await kept.delete(IDS[0])
    assert begun + await found.read(1000, 1 << 20) == wav.encode(tone(), sample_rate=RATE)


async def test_a_bound_reached_by_what_is_being_made_discards_it(tmp_path):
    kept = recordings(tmp_path, max_bytes=2 * BLOCK_BYTES)
    recording = await kept.begin(IDS[0], RATE)
    with pytest.raises(Overloaded):
        await recording.append(bytes(3 * BLOCK_BYTES))
    assert (names(tmp_path), kept.size_bytes, await kept.find(IDS[0])) == ([], 0, None)


@pytest.mark.parametrize("damage", [b"", b"RIFF", bytes(100), wav.header(sample_rate=RATE, data_bytes=100)])
async def test_a_damaged_recording_is_removed(tmp_path, damage, caplog):
    kept = recordings(tmp_path)
    (await put(kept)).path.write_bytes(damage)
    assert await kept.find(IDS[0]) is None
    assert names(tmp_path) == []
    assert "damaged" in caplog.text


async def test_recordings_of_no_take_are_swept(tmp_path):
    clock = Clock()
    kept = recordings(tmp_path, clock=clock)
    for number in range(3):
        await put(kept, number)
    clock.now += UNKNOWN_SECONDS + 1
    await put(kept, 3)
    growing = await kept.begin(IDS[4], RATE)

    async def known(ids):
        assert len(ids) <= BATCH
        return {IDS[1]} & set(ids)

    await kept.sweep(known)
    assert names(tmp_path) == ["1.wav", "3.wav", "4.wav.tmp"]
    await growing.discard()


async def test_a_sweep_whose_question_fails_removes_nothing(tmp_path):
    clock = Clock()
    kept = recordings(tmp_path, clock=clock)
    await put(kept)
    clock.now += UNKNOWN_SECONDS + 1

    async def known(ids):
        raise Unavailable("the database is away")

    with pytest.raises(Unavailable):
        await kept.sweep(known)
    assert names(tmp_path) == ["0.wav"]


async def test_an_unusable_folder_is_said(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    kept = recordings(tmp_path / "file")
    with pytest.raises(Unavailable, match="cannot be used"):
        await kept.begin(IDS[0], RATE)
    with pytest.raises(Unavailable):
        await kept.sweep()


async def test_a_disk_full_at_the_beginning_leaves_nothing(tmp_path):
    kept = recordings(tmp_path)
    with no_room_behind(10), pytest.raises(Unavailable):
        await kept.begin(IDS[0], RATE)
    assert (names(tmp_path), await kept.find(IDS[0])) == ([], None)


SERVER = """
import sys
import anyio
from pathlib import Path
from tests.takes.shelves import IDS, recordings

async def main(folder):
    kept = recordings(Path(folder))
    finished, growing = await kept.begin(IDS[0], 8000), await kept.begin(IDS[1], 8000)
    await finished.append(bytes(1000))
    await finished.finish()
    while True:
        await growing.append(bytes(1000))
        print("grew", flush=True)

anyio.run(main, sys.argv[1])
"""


def start_server(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SERVER, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


async def test_a_killed_server_leaves_no_half_for_a_whole(tmp_path):
    server = start_server(tmp_path)
    await anyio.to_thread.run_sync(server.stdout.readline)
    server.send_signal(signal.SIGKILL)
    await anyio.to_thread.run_sync(server.communicate)
    kept = recordings(tmp_path)
    assert names(tmp_path) == ["0.wav", "1.wav.tmp"]
    assert await kept.find(IDS[1]) is None
    await kept.sweep()
    assert names(tmp_path) == ["0.wav"]
    assert (await kept.find(IDS[0])).duration == 500
