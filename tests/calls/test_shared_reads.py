import os
import threading
from pathlib import Path

import anyio
import pytest

from app.calls import shared_reads
from app.calls.shared_reads import CHUNK_BYTES, SharedReads
from app.errors import NotFound, Unavailable
from app.runtime.workers import FILES_POOL, Workers

pytestmark = pytest.mark.anyio


@pytest.fixture
def reads() -> SharedReads:
    return SharedReads(Workers({FILES_POOL: 4}), window_bytes=4 * CHUNK_BYTES)


def put(folder: Path, chunks: float, name: str = "a.mp3") -> tuple[Path, bytes]:
    data = os.urandom(round(chunks * CHUNK_BYTES))
    (folder / name).write_bytes(data)
    return folder / name, data


async def read(reads: SharedReads, path: Path) -> bytes:
    async with reads.open(path) as reading:
        return b"".join([chunk async for chunk in reading.chunks()])


@pytest.mark.parametrize("chunks", [0, 0.1, 1, 3.5, 10])
async def test_a_file_is_read_whole(reads, tmp_path, chunks):
    path, data = put(tmp_path, chunks)
    assert await read(reads, path) == data


async def test_a_thousand_readers_cost_one_read(reads, tmp_path):
    path, data = put(tmp_path, 10.5)
    came = []

    async def listen() -> None:
        came.append(await read(reads, path) == data)

    async with anyio.create_task_group() as group:
        for _ in range(1_000):
            group.start_soon(listen)
    assert (len(came), all(came), reads.reads) == (1_000, True, 11)


async def test_the_window_is_bounded(reads, tmp_path):
    path, data = put(tmp_path, 100)
    assert await read(reads, path) == data
    assert sum(map(len, reads._window.values())) == 4 * CHUNK_BYTES


async def test_who_begins_later_reads_again_what_is_gone(reads, tmp_path):
    path, data = put(tmp_path, 6)
    assert await read(reads, path) == data
    assert await read(reads, path) == data
    assert reads.reads == 12


async def test_a_reader_who_leaves_keeps_nobody_from_what_he_was_reading(reads, tmp_path, monkeypatch):
    path, data = put(tmp_path, 1)
    began, may_end, pread = anyio.Event(), threading.Event(), shared_reads._pread

    def slow(*place: int) -> bytes:
        anyio.from_thread.run_sync(began.set)
        may_end.wait()  # which, unlike one of the loop, does not end with the reader
        return pread(*place)

    monkeypatch.setattr(shared_reads, "_pread", slow)
    came: list[bytes] = []

    async def listen() -> None:
        came.append(await read(reads, path))

    async with anyio.create_task_group() as group, anyio.create_task_group() as impatient:
        impatient.start_soon(read, reads, path)
        await began.wait()
        group.start_soon(listen)
        impatient.cancel_scope.cancel()
        may_end.set()
    assert (came, reads.reads) == ([data], 1)


async def test_all_readers_of_a_file_share_one_descriptor(reads, tmp_path):
    path, _ = put(tmp_path, 1)
    async with reads.open(path) as first, reads.open(path) as second:
        assert first._descriptor == second._descriptor
        number = first._descriptor
        os.fstat(number)
    with pytest.raises(OSError):
        os.fstat(number)


async def test_a_file_that_is_replaced_is_another_file(reads, tmp_path):
    path, old = put(tmp_path, 2)
    async with reads.open(path) as reading:
        new_path, new = put(tmp_path, 3, "new")
        os.replace(new_path, path)
        assert await read(reads, path) == new
        assert b"".join([chunk async for chunk in reading.chunks()]) == old


async def test_what_is_appended_is_not_read_and_what_is_cut_off_is_a_fault(reads, tmp_path):
    path, data = put(tmp_path, 2)
    async with reads.open(path) as reading:
        with path.open("ab") as file:
            file.write(b"more")
        assert b"".join([chunk async for chunk in reading.chunks()]) == data
    async with reads.open(path) as reading:
        os.truncate(path, 10)
        with pytest.raises(Unavailable, match="shorter"):
            await anext(reading.chunks())


async def test_what_is_no_file_is_not_found(reads, tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("none", "folder", "pipe"):
        with pytest.raises(NotFound):
            await read(reads, tmp_path / name)
