import tracemalloc

import anyio
import pytest

from app.audio.encode import FileEncoder
from app.audio.format import Format
from app.errors import InvalidAudio
from app.runtime.workers import CODEC_POOL, FILES_POOL, Workers
from app.takes import copies
from app.takes.recordings import COPIES
from app.takes.shelf import Shelf
from tests.takes.shelves import IDS, no_room_behind, recordings

pytestmark = pytest.mark.anyio

RATE = 24000


async def finished(folder, *, size_bytes=4 * copies.SLICE_BYTES):
    recording = await recordings(folder).begin(IDS[0], RATE)
    await recording.append(bytes(size_bytes))
    await recording.finish()
    return recording


def workers() -> Workers:
    return Workers({FILES_POOL: 1, CODEC_POOL: 1})


async def test_others_encode_between_the_slices(tmp_path):
    recording, pools, turns = await finished(tmp_path), workers(), []
    draft = Shelf(tmp_path).begin(IDS[0], Format.MP3)

    async def others():
        while True:
            await pools.run(CODEC_POOL, lambda: turns.append(draft.size_bytes))

    async with anyio.create_task_group() as group:
        group.start_soon(others)
        await copies.encode(recording, draft, Format.MP3, workers=pools)
        group.cancel_scope.cancel()
    assert len(set(turns)) >= 3


@pytest.mark.parametrize("end", ["cancelled", "disk full", "done"])
@pytest.mark.parametrize("format", COPIES)
async def test_whatever_happens_the_encoder_is_finished(tmp_path, format, end, monkeypatch):
    recording, done = await finished(tmp_path), []
    finish = FileEncoder.finish
    monkeypatch.setattr(FileEncoder, "finish", lambda encoder: done.append(finish(encoder)))
    draft = Shelf(tmp_path).begin(IDS[0], format)
    with anyio.CancelScope() as scope:
        if end == "cancelled":
            scope.cancel()
        if end == "disk full":
            with no_room_behind(100), pytest.raises(OSError, match="large"):
                await copies.encode(recording, draft, format, workers=workers())
        else:
            await copies.encode(recording, draft, format, workers=workers())
    assert len(done) == 1


async def test_nothing_cannot_be_encoded(tmp_path):
    recording = await finished(tmp_path, size_bytes=0)
    with pytest.raises(InvalidAudio, match="needs at least one"):
        await copies.encode(recording, Shelf(tmp_path).begin(IDS[0], Format.MP3), Format.MP3, workers=workers())


async def test_a_long_recording_is_encoded_in_little_memory(tmp_path):
    recording = await finished(tmp_path, size_bytes=64 * copies.SLICE_BYTES)
    draft = Shelf(tmp_path).begin(IDS[0], Format.FLAC)
    tracemalloc.start()
    try:
        await copies.encode(recording, draft, Format.FLAC, workers=workers())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * copies.SLICE_BYTES
