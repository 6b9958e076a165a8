import os
from contextlib import aclosing

import anyio
import numpy as np
import pytest

from app.errors import InvalidAudio, NotFound, Unavailable
from app.fingerprint.fingerprint import Fingerprint
from app.fingerprint.readers import Readers
from app.fingerprint.spectrum import SAMPLE_RATE
from tests.audio.signals import chirp, likeness
from tests.audio.sound_files import write_sound
from tests.eventually import eventually

pytestmark = pytest.mark.anyio

PROGRAM = "tests.fingerprint.reader_program"


@pytest.fixture
async def readers():
    async with Readers(2, program=PROGRAM) as readers:
        yield readers


def song(folder, *, seconds=2.0, name="song.wav", codec="pcm_s16le", **tags):
    return write_sound(folder / name, chirp(seconds, 22_050), sample_rate=22_050, codec=codec, **tags)


async def heard(readers, path, **options):
    async with aclosing(readers.samples(path, max_seconds=60, **options)) as blocks:
        return [block async for block in blocks]


async def test_a_file_is_listened_to(tmp_path, readers):
    path = song(tmp_path, name="song.flac", codec="flac", title=" One\nsong ", artist="Ann")
    listened = await readers.listen(path, max_seconds=60)
    facts, sound = listened.facts, Fingerprint.from_bytes(listened.fingerprint)
    assert (facts.title, facts.artist, facts.damage) == ("One song", "Ann", None)
    assert facts.duration == sound.duration == 2.0
    assert facts.peaks == len(sound.peaks) == 100


async def test_a_long_fingerprint_comes_in_pieces(tmp_path, readers):
    loud = write_sound(tmp_path / "loud.wav", 3 * chirp(30.0, 8000), sample_rate=8000, codec="pcm_s16le")
    listened = await readers.listen(loud, max_seconds=60)
    assert len(listened.fingerprint) > 600_000
    assert len(Fingerprint.from_bytes(listened.fingerprint).peaks) == 240_000


async def test_the_sound_of_a_file_comes_as_it_is(tmp_path, readers):
    blocks = await heard(readers, song(tmp_path, seconds=20.0))
    assert len(blocks) > 3
    assert likeness(chirp(20.0, SAMPLE_RATE), np.concatenate(blocks)) > 0.999


async def test_who_stops_listening_frees_the_process(tmp_path, readers):
    path = song(tmp_path, seconds=40.0)
    for _ in range(5):
        async with aclosing(readers.samples(path, max_seconds=60)) as blocks:
            assert len(await anext(blocks))
    assert sum(map(len, await heard(readers, path))) == 40 * SAMPLE_RATE


@pytest.mark.parametrize("sound", [True, False])
async def test_what_cannot_be_read_is_said(tmp_path, readers, sound):
    (tmp_path / "text.mp3").write_text("hello " * 1000)

    async def ask(path, **options):
        if sound:
            await heard(readers, path, **options)
        else:
            await readers.listen(path, max_seconds=options.pop("max_seconds", 60), **options)

    with pytest.raises(NotFound, match="No such file"):
        await ask(tmp_path / "none.mp3")
    with pytest.raises(InvalidAudio, match="not a sound file"):
        await ask(tmp_path / "text.mp3")
    with pytest.raises(InvalidAudio, match="not a sound file"):
        await ask(song(tmp_path, name="a.tta", codec="tta"), guarded=True)


async def test_too_long_a_file_is_refused(tmp_path, readers):
    with pytest.raises(InvalidAudio, match="longer than 1 s"):
        await readers.listen(song(tmp_path), max_seconds=1)


async def test_a_file_that_ends_its_process_costs_nobody_else(tmp_path, readers):
    silence = write_sound(tmp_path / "no.wav", 0 * chirp(1.0, 22_050), sample_rate=22_050, codec="pcm_s16le")
    good = [song(tmp_path, seconds=1.0 + n, name=f"{n}.wav") for n in range(4)]
    durations: list[float] = []

    async def listen(path):
        if path == silence:
            with pytest.raises(InvalidAudio, match="ended the process"):
                await readers.listen(path, max_seconds=60)
        else:
            durations.append((await readers.listen(path, max_seconds=60)).facts.duration)

    async with anyio.create_task_group() as group:
        for path in (*good[:2], silence, *good[2:]):
            group.start_soon(listen, path)
    assert sorted(durations) == [1.0, 2.0, 3.0, 4.0]


async def test_processes_are_there_only_while_they_are_needed(tmp_path):
    async with Readers(2, program=PROGRAM, idle_seconds=0.05) as readers:
        assert readers.alive == 0
        for _ in range(2):
            await readers.listen(song(tmp_path), max_seconds=60)
            assert readers.alive > 0
            await eventually(lambda: readers.alive == 0)


async def test_a_long_job_is_not_taken_for_idleness(tmp_path):
    async with Readers(1, program=PROGRAM, idle_seconds=0.0) as readers:
        blocks = await heard(readers, song(tmp_path, seconds=50.0))
        assert sum(map(len, blocks)) == 50 * SAMPLE_RATE


async def test_a_program_that_does_not_start_is_said(tmp_path):
    async with Readers(1, program="tests.no_such_program") as readers:
        with pytest.raises(Unavailable, match="no worker process"):
            await readers.listen(song(tmp_path), max_seconds=60)


async def test_who_is_cancelled_leaves_nothing_behind(tmp_path, readers):
    os.mkfifo(tmp_path / "endless.wav")  # nobody will ever write into it
    with anyio.move_on_after(0.2):
        await readers.listen(tmp_path / "endless.wav", max_seconds=60)
    listened = await readers.listen(song(tmp_path), max_seconds=60)
    assert listened.facts.duration == 2.0
