import gc
import os
import random
import tracemalloc
from itertools import count

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.audio import wav
from app.errors import InvalidAudio, NotFound, Unavailable
from app.takes.recording import MAX_READ_BYTES, Recording
from tests.takes.shelves import IDS, names, no_room_behind, recordings

pytestmark = pytest.mark.anyio

RATE = 16000
HEADER = wav.HEADER_BYTES


async def read_all(recording: Recording, most: int = 7) -> bytes:
    data = b""
    while piece := await recording.read(len(data), most):
        assert len(piece) <= most
        data += piece
    return data


async def test_a_finished_recording_is_a_wav(tmp_path):
    recording = await recordings(tmp_path).begin(IDS[0], RATE)
    await recording.append(b"abcd")
    await recording.append(b"ef")
    await recording.finish()
    assert recording.path.read_bytes() == wav.encode(b"abcdef", sample_rate=RATE) == await read_all(recording)
    assert (recording.is_finished, recording.duration, recording.sample_rate) == (True, 3, RATE)
    assert recording.size_bytes == HEADER + 6


async def test_while_it_is_made_its_header_knows_no_length(tmp_path):
    recording = await recordings(tmp_path).begin(IDS[0], RATE)
    assert await recording.read(0, 100) == wav.header(sample_rate=RATE, data_bytes=None)
    assert (recording.is_finished, recording.duration, recording.path.exists()) == (False, 0, False)


async def test_a_reader_follows_the_growth_to_the_end(tmp_path):
    recording = await recordings(tmp_path).begin(IDS[0], RATE)
    pieces = [bytes([number]) * 2 * number for number in range(1, 20)]
    read: list[bytes] = []

    async def follow():
        read.append(await read_all(recording, most=11))

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(follow)
        for piece in pieces:
            await recording.append(piece)
        await recording.finish()
    assert [data[HEADER:] for data in read] == [b"".join(pieces)] * 3


async def test_a_reader_at_the_end_waits_and_polls_nothing(tmp_path):
    recording = await recordings(tmp_path).begin(IDS[0], RATE)
    read: list[bytes] = []

    async def follow():
        read.append(await recording.read(HEADER, 100))

    async with anyio.create_task_group() as group:
        group.start_soon(follow)
        await anyio.wait_all_tasks_blocked()
        assert read == []
        await recording.append(b"abcd")
    assert read == [b"abcd"]


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_reads_joined_are_the_whole_however_it_was_cut(tmp_path_factory, data):
    pieces = data.draw(st.lists(st.binary(max_size=30).map(lambda piece: piece * 2), max_size=8))
    most = data.draw(st.integers(1, 50))

    async def main():
        recording = await recordings(tmp_path_factory.mktemp("takes")).begin(IDS[0], RATE)
        async with anyio.create_task_group() as group:
            group.start_soon(make, recording)
            assert (await read_all(recording, most))[HEADER:] == b"".join(pieces)
        assert recording.path.read_bytes() == wav.encode(b"".join(pieces), sample_rate=RATE)

    async def make(recording):
        for piece in pieces:
            await recording.append(piece)
        await recording.finish()

    anyio.run(main)


async def test_a_discarded_recording_leaves_nothing_and_its_readers_are_told(tmp_path):
    recording = await recordings(tmp_path).begin(IDS[0], RATE)
    told: list[str] = []

    async def wait(what):
        with pytest.raises(NotFound):
            await what
        told.append("gone")

    async with anyio.create_task_group() as group:
        group.start_soon(wait, recording.read(HEADER, 10))
        group.start_soon(wait, recording.wait_finished())
        await anyio.wait_all_tasks_blocked()
        await recording.discard()
    assert (told, names(tmp_path)) == (["gone", "gone"], [])


async def test_after_it_was_discarded_nothing_can_be_done_with_it(tmp_path):
    recording = await recordings(tmp_path).begin(IDS[0], RATE)
    await recording.append(b"ab")
    await recording.discard()
    await recording.discard()
    for what in (recording.append(b"ab"), recording.finish(), recording.read(0, 1), recording.wait_finished()):
        with pytest.raises(NotFound):
            await what


async def test_what_is_finished_stays(tmp_path):
    recording = await recordings(tmp_path).begin(IDS[0], RATE)
    await recording.finish()
    await recording.discard()
    await recording.wait_finished()
    for what in (recording.append(b"ab"), recording.finish()):
        with pytest.raises(ValueError, match="finished"):
            await what
    assert names(tmp_path) == ["0.wav"]


async def test_half_a_sample_is_refused(tmp_path):
    recording = await recordings(tmp_path).begin(IDS[0], RATE)
    with pytest.raises(InvalidAudio):
        await recording.append(b"abc")
    await recording.finish()
    assert recording.duration == 0


async def test_more_than_a_wav_holds_is_refused(tmp_path):
    recording = await recordings(tmp_path, max_data_bytes=4).begin(IDS[0], RATE)
    await recording.append(b"abcd")
    with pytest.raises(InvalidAudio, match="holds 4"):
        await recording.append(b"ef")
    await recording.finish()
    assert recording.path.read_bytes() == wav.encode(b"abcd", sample_rate=RATE)


async def test_no_recording_is_longer_than_a_wav_can_say(tmp_path):
    recording = await recordings(tmp_path, max_data_bytes=1 << 40).begin(IDS[0], RATE)
    os.truncate(recording._file.number, HEADER + wav.MAX_DATA_BYTES - 2)  # sparse: it takes no room
    recording._size_bytes = HEADER + wav.MAX_DATA_BYTES - 2
    with pytest.raises(InvalidAudio):
        await recording.append(b"abcd")


async def test_a_full_disk_is_said_and_leaves_nothing(tmp_path):
    kept = recordings(tmp_path)
    recording = await kept.begin(IDS[0], RATE)
    with no_room_behind(HEADER + 5), pytest.raises(Unavailable, match="cannot be written: File too large"):
        await recording.append(b"abcdef")
    assert (names(tmp_path), kept.size_bytes, await kept.find(IDS[0])) == ([], 0, None)
    with pytest.raises(NotFound):
        await recording.append(b"ab")


async def test_a_folder_that_refuses_the_name_is_said_and_leaves_nothing(tmp_path):
    recording = await recordings(tmp_path).begin(IDS[0], RATE)
    recording.path.mkdir()
    with pytest.raises(Unavailable):
        await recording.finish()
    assert names(tmp_path) == []


async def test_a_file_cut_off_by_others_is_said(tmp_path):
    recording = await recordings(tmp_path).begin(IDS[0], RATE)
    await recording.append(bytes(100))
    await recording.finish()
    os.truncate(recording.path, 50)
    with pytest.raises(Unavailable, match="ends before"):
        await recording.read(0, 100)


async def test_a_disk_that_cannot_be_read_is_said(tmp_path, monkeypatch):
    recording = await recordings(tmp_path).begin(IDS[0], RATE)

    def fail(*arguments):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", fail)
    with pytest.raises(Unavailable, match="cannot be read: Input/output error"):
        await recording.read(0, 1)


async def test_a_read_returns_no_more_than_its_bound(tmp_path):
    recording = await recordings(tmp_path).begin(IDS[0], RATE)
    await recording.append(bytes(MAX_READ_BYTES + 2))
    assert len(await recording.read(HEADER, 1 << 40)) == MAX_READ_BYTES
    assert await recording.read(HEADER, 0) == b""


async def test_cancelled_appends_are_in_or_they_are_not(tmp_path):
    rng, recording = random.Random(1), await recordings(tmp_path, threads=1).begin(IDS[0], RATE)
    numbers = count(1)
    for _ in range(30):
        async with anyio.create_task_group() as group:
            group.start_soon(recording.append, next(numbers).to_bytes(2, "big") * 5000)
            for _ in range(rng.randrange(4)):
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
    await recording.finish()
    data = recording.path.read_bytes()[HEADER:]
    pieces = [data[start : start + 10000] for start in range(0, len(data), 10000)]
    assert all(piece == piece[:2] * 5000 for piece in pieces)
    assert sorted(pieces) == pieces


async def test_a_discard_is_done_even_if_it_is_cancelled(tmp_path):
    recording = await recordings(tmp_path).begin(IDS[0], RATE)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await recording.discard()
    assert names(tmp_path) == []


async def test_its_file_closes_when_nobody_has_it(tmp_path):
    kept = recordings(tmp_path)
    recording = await kept.begin(IDS[0], RATE)
    number = recording._file.number
    await recording.finish()
    del recording
    gc.collect()
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(number)


async def test_a_long_recording_is_read_in_little_memory(tmp_path):
    recording = await recordings(tmp_path).begin(IDS[0], RATE)
    minute = bytes(4 * 1024 * 1024)
    for _ in range(25):
        await recording.append(minute)
    await recording.finish()
    tracemalloc.start()
    try:
        size = 0
        while piece := await recording.read(size, 1 << 30):
            size += len(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size == HEADER + 25 * len(minute)
    assert peak < 4 * MAX_READ_BYTES
