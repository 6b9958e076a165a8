import os
import re
import signal
import stat
import subprocess
import sys
import threading
from collections import OrderedDict
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.audio.format import Format
from app.runtime.workers import FILES_POOL, Workers
from app.tts.disk_cache import ABANDONED_SECONDS, BLOCK_BYTES, SPARE, DiskCache
from app.tts.disk_entry import name_of, pack, unpack
from app.tts.speech import Gender, Mark, MarkKind, Speech, Voice

pytestmark = pytest.mark.anyio

VOICE = Voice("v", "V", "en-US", Gender.NEUTRAL, "costly")
NAMED = re.compile(r"[0-9a-f]{2}/[0-9a-f]{64}")


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def speech(content: str, blocks: int = 1) -> Speech:
    """Return speech that takes this many blocks on disk."""
    audio = content.encode() * (blocks * BLOCK_BYTES // len(content.encode()))
    return Speech(audio[: blocks * BLOCK_BYTES - 1024], Format.WAV, 8000, 1.0, VOICE)


def make(directory: Path, *, blocks: int = 100, max_age: float = 0.0, clock=None, variant=()) -> DiskCache:
    return DiskCache(
        directory,
        workers=Workers({FILES_POOL: 4}),
        max_bytes=blocks * BLOCK_BYTES,
        max_age=max_age,
        variant=variant,
        clock=clock or Clock(),
    )


def files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


async def test_what_was_put_is_found_by_another_process_later(tmp_path):
    said = Speech(b"RIFF", Format.WAV, 8000, 1.0, VOICE, (Mark(MarkKind.WORD, "a", 0.0, 0.5),))
    await make(tmp_path).put("a", said)
    assert await make(tmp_path).get("a") == said
    assert await make(tmp_path).get("b") is None


async def test_speech_of_other_settings_is_not_found(tmp_path):
    await make(tmp_path, variant=(-16.0, 1.2)).put("a", speech("a"))
    assert await make(tmp_path, variant=(-16.0, 1.0)).get("a") is None
    assert await make(tmp_path).get("a") is None
    assert await make(tmp_path, variant=(-16.0, 1.2)).get("a") == speech("a")


async def test_every_lookup_is_told(tmp_path):
    told: list[bool] = []
    workers = Workers({FILES_POOL: 1})
    cache = DiskCache(tmp_path, workers=workers, max_bytes=10 * BLOCK_BYTES, on_lookup=told.append)
    await cache.get("a")
    await cache.put("a", speech("a"))
    await cache.get("a")
    assert told == [False, True]


async def test_the_folder_tells_nothing_and_only_its_owner_may_read(tmp_path):
    await make(tmp_path / "new" / "cache").put("secret words", speech("a"))
    (file,) = files(tmp_path)
    assert NAMED.fullmatch(str(file.relative_to(tmp_path / "new" / "cache")))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new" / "cache").stat().st_mode) == 0o700
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_the_least_recently_used_goes_first(tmp_path):
    cache = make(tmp_path, blocks=10)
    for name in "abcdefghij":
        await cache.put(name, speech(name))
    await cache.get("a")
    await cache.put("k", speech("k"))
    assert [name for name in "abcdefghijk" if await cache.get(name)] == list("acdefghijk")


async def test_use_is_remembered_over_a_restart(tmp_path):
    clock = Clock()
    before = make(tmp_path, blocks=2, clock=clock)
    await before.put("a", speech("a"))
    await before.put("b", speech("b"))
    await before.get("a")
    after = make(tmp_path, blocks=2, clock=clock)
    await after.put("c", speech("c"))
    assert [await after.get(name) is not None for name in "abc"] == [True, False, True]


async def test_what_is_too_old_is_forgotten_however_often_it_is_used(tmp_path):
    clock = Clock()
    cache = make(tmp_path, max_age=60.0, clock=clock)
    await cache.put("a", speech("a"))
    clock.now += 50.0
    assert await cache.get("a")
    clock.now += 50.0
    assert await cache.get("a") is None
    assert files(tmp_path) == []


async def test_a_sweep_removes_what_nobody_asks_for_any_more(tmp_path):
    clock = Clock()
    cache = make(tmp_path, max_age=60.0, clock=clock)
    await cache.put("a", speech("a"))
    clock.now += 100.0
    await cache.put("b", speech("b"))
    await cache.sweep()
    assert [await cache.get("a"), await cache.get("b")] == [None, speech("b")]
    assert cache.size_bytes == BLOCK_BYTES


async def test_what_would_never_fit_is_not_kept(tmp_path):
    cache = make(tmp_path, blocks=3)
    await cache.put("a", speech("a"))
    await cache.put("b", speech("b", blocks=4))
    assert [await cache.get("a"), await cache.get("b")] == [speech("a"), None]


async def test_a_smaller_bound_holds_from_the_first_sweep(tmp_path):
    clock = Clock()
    before = make(tmp_path, blocks=10, clock=clock)
    for name in "abcdef":
        await before.put(name, speech(name))
    after = make(tmp_path, blocks=2, clock=clock)
    await after.sweep()
    assert [name for name in "abcdef" if await after.get(name)] == ["e", "f"]


async def test_off_is_off_and_removes_what_is_there(tmp_path):
    await make(tmp_path).put("a", speech("a"))
    (tmp_path / "ab").mkdir(exist_ok=True)
    (tmp_path / "ab" / f"{'ab' * 32}.01234567.tmp").write_bytes(b"half")
    off = make(tmp_path, blocks=0)
    await off.sweep()
    await off.put("b", speech("b"))
    assert (await off.get("a"), await off.get("b"), files(tmp_path)) == (None, None, [])


async def test_off_makes_no_folder(tmp_path):
    off = make(tmp_path / "none", blocks=0)
    await off.sweep()
    await off.put("a", speech("a"))
    assert not (tmp_path / "none").exists()


async def test_files_of_others_are_left_alone(tmp_path):
    (tmp_path / "ab").mkdir()
    strangers = [tmp_path / "notes.txt", tmp_path / "ab" / "notes.txt", tmp_path / "ab.tmp"]
    for stranger in strangers:
        stranger.write_text("mine")
    await make(tmp_path, blocks=0).sweep()
    assert files(tmp_path) == sorted(strangers)


@pytest.mark.parametrize("damage", [b"", b"CHORUS1\n", bytes(9000)])
async def test_a_damaged_file_is_dropped(tmp_path, damage, caplog):
    cache = make(tmp_path)
    await cache.put("a", speech("a"))
    (file,) = files(tmp_path)
    file.write_bytes(damage)
    assert await cache.get("a") is None
    assert files(tmp_path) == []
    assert "damaged" in caplog.text


async def test_a_file_beyond_all_bounds_is_not_even_read(tmp_path):
    cache = make(tmp_path, blocks=2)
    await cache.put("a", speech("a"))
    (file,) = files(tmp_path)
    os.truncate(file, 1 << 40)
    assert await cache.get("a") is None
    assert files(tmp_path) == []


async def test_an_unusable_folder_is_told_once_and_harms_nobody(tmp_path, caplog):
    (tmp_path / "file").write_text("not a folder")
    cache = make(tmp_path / "file")
    for _ in range(3):
        await cache.put("a", speech("a"))
        assert await cache.get("a") is None
        await cache.sweep()
    assert len(caplog.records) == 1
    assert "goes on without" in caplog.text


async def test_a_full_disk_leaves_nothing_half(tmp_path, caplog, monkeypatch):
    cache = make(tmp_path)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        await cache.put("a", speech("a"))
    assert (files(tmp_path), await cache.get("a"), len(caplog.records)) == ([], None, 1)
    await cache.put("a", speech("a"))
    assert await cache.get("a") == speech("a")


async def test_trouble_that_comes_again_after_it_was_over_is_told_again(tmp_path, caplog):
    directory = tmp_path / "cache"
    cache = make(directory)
    for _ in range(2):
        directory.write_text("not a folder")
        await cache.get("a")
        directory.unlink()
        await cache.sweep()
    assert len(caplog.records) == 2


async def test_many_readers_and_writers_get_whole_speech(tmp_path):
    cache = make(tmp_path, blocks=20)
    wrong: list[str] = []

    async def work(n: int) -> None:
        for turn in range(10):
            name = f"{(n + turn) % 12}"
            await cache.put(name, speech(name, blocks=3))
            found = await cache.get(name)
            if found is not None and found != speech(name, blocks=3):
                wrong.append(name)

    async with anyio.create_task_group() as group:
        for n in range(8):
            group.start_soon(work, n)
    assert wrong == []
    assert cache.size_bytes == sum(file.stat().st_blocks * 512 for file in files(tmp_path)) <= 20 * BLOCK_BYTES


WRITER = """
import os, sys, itertools, threading
from pathlib import Path
import anyio
from tests.tts.test_disk_cache import make, speech

async def main(directory, blocks, stop_before):
    cache = make(Path(directory), blocks=blocks)
    real = Path.replace
    def replace(self, target):
        if stop_before == str(next(count)):
            print("stands", flush=True)
            threading.Event().wait()
        return real(self, target)
    count = itertools.count()
    Path.replace = replace
    for n in itertools.count():
        await cache.put(f"{n % 7}", speech(f"{n % 7}", blocks=40))
        print(n, flush=True)

anyio.run(main, sys.argv[1], int(sys.argv[2]), sys.argv[3])
"""


def start_writer(directory: Path, *, blocks: int = 1000, stop_before: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(directory), str(blocks), stop_before]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def read_lines(writer: subprocess.Popen[str], last: str) -> None:
    assert writer.stdout is not None
    for line in writer.stdout:
        if line.strip() == last:
            return


async def kill(writer: subprocess.Popen[str]) -> None:
    writer.send_signal(signal.SIGKILL)
    await anyio.to_thread.run_sync(writer.communicate)


async def test_killed_before_the_last_step_of_a_write_nothing_is_lost_but_that(tmp_path):
    writer = start_writer(tmp_path, stop_before="3")
    await anyio.to_thread.run_sync(read_lines, writer, "stands")
    await kill(writer)
    clock = Clock()
    clock.now = max(file.stat().st_mtime for file in files(tmp_path))
    cache = make(tmp_path, clock=clock, blocks=1000)
    assert [bool(await cache.get(f"{n}")) for n in range(5)] == [True, True, True, False, False]
    await cache.sweep()
    assert len(files(tmp_path)) == 4
    clock.now += ABANDONED_SECONDS
    await cache.sweep()
    assert len(files(tmp_path)) == 3


@pytest.mark.parametrize("lines", [8, 20, 33])
async def test_killed_at_any_moment_whatever_has_a_name_is_whole(tmp_path, lines):
    writer = start_writer(tmp_path)
    await anyio.to_thread.run_sync(read_lines, writer, str(lines))
    await kill(writer)
    named = [file for file in files(tmp_path) if "." not in file.name]
    assert len(named) == 7
    assert all(unpack(file.name, file.read_bytes()) for file in named)


async def test_two_processes_share_a_folder(tmp_path):
    writer = start_writer(tmp_path, blocks=200)
    try:
        await anyio.to_thread.run_sync(read_lines, writer, "7")
        cache = make(tmp_path, blocks=200)
        for n in range(100):
            name = f"{n % 7}"
            found = await cache.get(name)
            assert found in (None, speech(name, blocks=40))
            await cache.put(name, speech(name, blocks=40))
            await cache.sweep()
    finally:
        await kill(writer)
    named = [file for file in files(tmp_path) if "." not in file.name]
    assert all(unpack(file.name, file.read_bytes()) for file in named)


class Model:
    """What the cache should hold: names with their blocks, the least recently used first."""

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks
        self.kept: OrderedDict[str, int] = OrderedDict()

    def get(self, name: str) -> bool:
        if name in self.kept:
            self.kept.move_to_end(name)
        return name in self.kept

    def put(self, name: str, blocks: int) -> None:
        if blocks > self.blocks:
            return
        if sum(self.kept.values()) + blocks > self.blocks:
            leave = min(self.blocks - blocks, round(self.blocks * BLOCK_BYTES * (1 - SPARE)) / BLOCK_BYTES)
            while sum(self.kept.values()) > leave:
                self.kept.popitem(last=False)
        self.kept[name] = blocks
        self.kept.move_to_end(name)


STEPS = st.lists(st.tuples(st.sampled_from(["get", "put", "restart"]), st.sampled_from("abcdef"), st.integers(1, 6)))


@given(steps=STEPS)
@settings(max_examples=60, deadline=None)
def test_it_behaves_like_its_model(tmp_path_factory, steps):
    anyio.run(compare, tmp_path_factory.mktemp("cache"), steps)


async def compare(directory: Path, steps: list[tuple[str, str, int]]) -> None:
    clock = Clock()
    cache, model = make(directory, blocks=10, clock=clock), Model(10)
    for step, name, blocks in steps:
        if step == "get":
            assert (await cache.get(name) is not None) == model.get(name)
        elif step == "put":
            await cache.put(name, speech(name, blocks))
            model.put(name, blocks)
        else:
            cache = make(directory, blocks=10, clock=clock)
            await cache.sweep()
        if step != "get":
            assert cache.size_bytes == sum(model.kept.values()) * BLOCK_BYTES
    assert {file.name for file in files(directory)} == {name_of(name) for name in model.kept}


def test_the_pool_is_where_files_are_touched(tmp_path):
    threads: set[int] = set()

    class Watched(DiskCache):
        def _path(self, name: str) -> Path:
            threads.add(threading.get_ident())
            return super()._path(name)

    async def use() -> None:
        cache = Watched(tmp_path, workers=Workers({FILES_POOL: 1}), max_bytes=100 * BLOCK_BYTES)
        await cache.put("a", speech("a"))
        assert await cache.get("a") == speech("a")

    anyio.run(use)
    assert threads
    assert threading.get_ident() not in threads


def test_a_block_more_than_the_contents_is_counted_whole():
    assert len(pack("n" * 64, speech("a"))) <= BLOCK_BYTES < len(pack("n" * 64, speech("a", 2)))
