import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.audio.format import Format
from app.errors import NotFound, Overloaded
from app.takes.draft import Draft
from app.takes.inventory import BLOCK_BYTES, Inventory
from app.takes.shelf import GRACE_SECONDS, Shelf
from tests.takes.shelves import IDS, START, Clock, names


def shelf(folder: Path, *, blocks: int = 0, clock: Clock | None = None, **options) -> Shelf:
    return Shelf(folder, max_bytes=blocks * BLOCK_BYTES, clock=clock or Clock(), **options)


def begin(shelf: Shelf, number: int, *, blocks: int = 1, format: Format = Format.WAV) -> Draft:
    draft = shelf.begin(IDS[number], format)
    draft.write(bytes(blocks * BLOCK_BYTES))
    return draft


def put(shelf: Shelf, number: int, *, blocks: int = 1, format: Format = Format.WAV) -> None:
    begin(shelf, number, blocks=blocks, format=format).keep()


def put_later(shelf: Shelf, clock: Clock, number: int, *, blocks: int = 1) -> None:
    clock.now += GRACE_SECONDS
    put(shelf, number, blocks=blocks)


def on_disk(folder: Path) -> int:
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(size + -size % BLOCK_BYTES for size in sizes)


def test_what_is_kept_can_be_opened(tmp_path):
    put(shelf(tmp_path), 0)
    file = shelf(tmp_path).open(IDS[0], Format.WAV)
    assert os.fstat(file.number).st_size == BLOCK_BYTES
    assert shelf(tmp_path).open(IDS[0], Format.MP3) is None
    assert shelf(tmp_path).open(IDS[1], Format.WAV) is None


def test_what_is_dropped_is_gone_and_takes_nothing(tmp_path):
    kept = shelf(tmp_path)
    draft = begin(kept, 0, blocks=3)
    assert kept.size_bytes == 3 * BLOCK_BYTES
    for _ in range(2):
        draft.drop()
    assert (kept.size_bytes, names(tmp_path)) == (0, [])


def test_an_open_file_is_read_to_its_end_though_its_name_is_gone(tmp_path):
    kept = shelf(tmp_path)
    put(kept, 0)
    file = kept.open(IDS[0], Format.WAV)
    kept.remove(IDS[0])
    assert names(tmp_path) == []
    assert os.pread(file.number, BLOCK_BYTES, 0) == bytes(BLOCK_BYTES)


def test_those_finished_longest_ago_go_with_their_copies(tmp_path):
    clock = Clock()
    kept = shelf(tmp_path, blocks=10, clock=clock)
    for number in range(4):
        put_later(kept, clock, number, blocks=2)
    put(kept, 0, format=Format.MP3)
    put(kept, 1, format=Format.FLAC)
    clock.now += 2 * GRACE_SECONDS
    put(kept, 4)
    assert names(tmp_path) == ["1.flac", "1.wav", "2.wav", "3.wav", "4.wav"]
    assert kept.size_bytes == on_disk(tmp_path) == 8 * BLOCK_BYTES


def test_no_more_goes_than_must(tmp_path):
    clock = Clock()
    kept = shelf(tmp_path, blocks=20, clock=clock)
    for number in range(25):
        put_later(kept, clock, number)
    assert kept.size_bytes == on_disk(tmp_path) == 20 * BLOCK_BYTES
    clock.now += GRACE_SECONDS
    put(kept, 30, blocks=18)
    assert names(tmp_path) == ["23.wav", "24.wav", "30.wav"]


def test_the_folder_is_not_listed_for_each_take(tmp_path, monkeypatch):
    clock, listed = Clock(), []
    kept = shelf(tmp_path, blocks=20, clock=clock)
    monkeypatch.setattr("app.takes.shelf.Inventory", lambda folder: listed.append(folder) or Inventory(folder))
    for number in range(40):
        put_later(kept, clock, number)
    assert len(listed) <= 2
    assert on_disk(tmp_path) == 20 * BLOCK_BYTES


def test_what_was_asked_for_after_the_folder_was_listed_goes_last_too(tmp_path):
    clock = Clock()
    kept = shelf(tmp_path, blocks=4, clock=clock)
    for number in range(5):
        put_later(kept, clock, number)
    kept.open(IDS[1], Format.WAV)
    put(kept, 5)
    assert names(tmp_path) == ["1.wav", "3.wav", "4.wav", "5.wav"]


def test_a_copy_made_after_the_folder_was_listed_goes_with_its_wav(tmp_path):
    clock = Clock()
    kept = shelf(tmp_path, blocks=4, clock=clock)
    for number in range(5):
        put_later(kept, clock, number)
    kept.remove(IDS[4])
    put(kept, 1, format=Format.MP3)
    clock.now += GRACE_SECONDS
    put(kept, 5)
    assert names(tmp_path) == ["2.wav", "3.wav", "5.wav"]


def test_what_was_asked_for_in_the_last_minute_goes_last(tmp_path):
    clock = Clock()
    kept = shelf(tmp_path, blocks=3, clock=clock)
    for number in range(3):
        put_later(kept, clock, number)
    clock.now += 2 * GRACE_SECONDS
    kept.open(IDS[0], Format.WAV)
    put(kept, 3)
    assert names(tmp_path) == ["0.wav", "2.wav", "3.wav"]


def test_the_bound_holds_even_if_all_was_just_asked_for(tmp_path):
    kept = shelf(tmp_path, blocks=3)
    for number in range(5):
        put(kept, number)
    assert on_disk(tmp_path) <= 3 * BLOCK_BYTES


def test_a_smaller_bound_holds_from_the_first_sweep(tmp_path):
    clock = Clock()
    before = shelf(tmp_path, clock=clock)
    for number in range(6):
        put_later(before, clock, number)
    shelf(tmp_path, blocks=2, clock=clock).sweep()
    assert names(tmp_path) == ["4.wav", "5.wav"]


def test_what_is_made_counts_and_stays(tmp_path):
    kept = shelf(tmp_path, blocks=4)
    put(kept, 0, blocks=2)
    first = begin(kept, 1, blocks=3)
    assert names(tmp_path) == ["1.wav.tmp"]
    with pytest.raises(Overloaded):
        begin(kept, 2, blocks=2)
    first.keep()
    assert names(tmp_path) == ["1.wav", "2.wav.tmp"]


def test_no_bound_is_no_bound(tmp_path):
    kept = shelf(tmp_path)
    for number in range(8):
        put(kept, number, blocks=100)
    kept.sweep()
    assert len(names(tmp_path)) == 8


def test_what_is_too_old_goes_at_the_next_sweep(tmp_path):
    clock = Clock()
    kept = shelf(tmp_path, max_age=100, clock=clock)
    put(kept, 0)
    put(kept, 0, format=Format.WEBM)
    clock.now += 100
    put(kept, 1)
    kept.sweep()
    assert len(names(tmp_path)) == 3
    clock.now += 1
    kept.open(IDS[0], Format.WAV)  # its use makes it no younger
    kept.sweep()
    assert names(tmp_path) == ["1.wav"]


def test_what_a_killed_server_left_goes_and_what_is_being_made_stays(tmp_path):
    begin(shelf(tmp_path), 0)
    kept = shelf(tmp_path)
    begin(kept, 1)
    put(kept, 2)
    kept.sweep()
    assert names(tmp_path) == ["1.wav.tmp", "2.wav"]
    assert kept.size_bytes == on_disk(tmp_path)


def test_a_copy_without_its_wav_means_nothing(tmp_path):
    kept = shelf(tmp_path)
    put(kept, 0)
    put(kept, 0, format=Format.MP3)
    kept.path(IDS[0], Format.WAV).unlink()
    kept.sweep()
    assert names(tmp_path) == []


def test_no_copy_is_kept_of_what_was_removed_meanwhile(tmp_path):
    kept = shelf(tmp_path)
    put(kept, 0)
    copy = begin(kept, 0, format=Format.MP3)
    kept.remove(IDS[0])
    with pytest.raises(NotFound):
        copy.keep()
    copy.drop()
    assert names(tmp_path) == []


def test_files_of_others_are_left_alone(tmp_path):
    kept = shelf(tmp_path, max_age=1)
    put(kept, 0)
    strangers = ["notes.txt", "3v/notes.txt", "3v/t123.wav", f"{IDS[0]}.wav", f"longer/{IDS[0]}.wav"]
    for stranger in strangers:
        (tmp_path / stranger).parent.mkdir(exist_ok=True)
        (tmp_path / stranger).write_text("mine")
    kept.remove(IDS[0])
    kept.sweep()
    assert all((tmp_path / stranger).exists() for stranger in strangers)


def test_which_takes_were_finished_before(tmp_path):
    clock = Clock()
    kept = shelf(tmp_path, clock=clock)
    put(kept, 0)
    put(kept, 0, format=Format.MP3)
    clock.now += 10
    put(kept, 1)
    begin(kept, 2)
    assert kept.finished_before(START + 10) == [IDS[0]]
    assert sorted(kept.finished_before(START + 11)) == IDS[:2]


def test_a_folder_is_made_only_when_it_is_needed(tmp_path):
    kept = shelf(tmp_path / "none", blocks=3)
    kept.sweep()
    kept.remove(IDS[0])
    assert kept.open(IDS[0], Format.WAV) is None
    assert not (tmp_path / "none").exists()


def test_what_changes_while_the_folder_is_listed_is_seen(tmp_path, monkeypatch):
    kept = shelf(tmp_path)
    for number in range(3):
        put(kept, number)

    def list_slowly(folder):
        before = Inventory(folder)
        put(kept, 3, blocks=2)
        put(kept, 0, format=Format.MP3)
        put(kept, 1, blocks=3)
        kept.remove(IDS[2])
        begin(kept, 4)
        return before

    monkeypatch.setattr("app.takes.shelf.Inventory", list_slowly)
    kept.sweep()
    assert names(tmp_path) == ["0.mp3", "0.wav", "1.wav", "3.wav", "4.wav.tmp"]
    assert kept.size_bytes == on_disk(tmp_path)


def test_threads_share_a_shelf(tmp_path):
    kept = shelf(tmp_path, blocks=30)

    def work(thread):
        for turn in range(40):
            number = thread * 10 + turn % 10
            put(kept, number, blocks=1 + turn % 3)
            if turn % 7 == 0:
                kept.remove(IDS[number])
            if turn % 11 == thread:
                kept.sweep()
        return kept.size_bytes

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(work, range(4))) <= 30 * BLOCK_BYTES
    assert kept.size_bytes == on_disk(tmp_path)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "copy", "keep", "drop", "open", "remove", "sweep", "restart"]),
        st.integers(0, 5),
        st.integers(1, 4),
    ),
    max_size=30,
)


@given(steps=STEPS)
@settings(max_examples=100, deadline=None)
def test_whatever_happens_the_count_is_the_truth_and_within_the_bound(tmp_path_factory, steps):
    folder, clock, drafts = tmp_path_factory.mktemp("shelf"), Clock(), []
    kept = shelf(folder, blocks=8, clock=clock, max_age=20 * GRACE_SECONDS)
    kept.sweep()
    for step, number, blocks in steps:
        clock.now += GRACE_SECONDS / 2
        try:
            if step in ("begin", "copy"):
                format = Format.WAV if step == "begin" else Format.MP3
                drafts.append(kept.begin(IDS[number], format))
                drafts[-1].write(bytes(blocks * BLOCK_BYTES - 7))
            elif step in ("keep", "drop") and drafts:
                getattr(drafts[0], step)()
                drafts.pop(0)
            elif step == "open":
                kept.open(IDS[number], Format.WAV)
            elif step == "remove":
                kept.remove(IDS[number])
            elif step == "sweep":
                kept.sweep()
            elif step == "restart":
                kept, drafts = shelf(folder, blocks=8, clock=clock, max_age=20 * GRACE_SECONDS), []
                kept.sweep()
        except (NotFound, Overloaded):
            if step in ("keep", "begin", "copy"):
                drafts.pop(0 if step == "keep" else -1).drop()
        assert kept.size_bytes == on_disk(folder) <= 8 * BLOCK_BYTES
