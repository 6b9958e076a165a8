import os

import pytest

from app.audio.format import Format
from app.takes.inventory import BLOCK_BYTES, Inventory, Kept, cost, cost_of, path_of
from tests.takes.shelves import IDS


def put(folder, name, *, size=1, made=5.0, used=9.0):
    path = folder / name.split(".")[0][-2:] / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(size))
    os.utime(path, (used, made))
    return str(path)


def test_what_lies_there_by_take(tmp_path):
    wav = put(tmp_path, f"{IDS[0]}.wav", size=BLOCK_BYTES + 1, made=5, used=7)
    mp3 = put(tmp_path, f"{IDS[0]}.mp3", made=6, used=8)
    draft = put(tmp_path, f"{IDS[1]}.wav.0123abcd.tmp")
    found = Inventory(tmp_path)
    kept = found.takes[IDS[0]]
    assert (kept.costs, kept.finished, kept.used) == ({wav: 2 * BLOCK_BYTES, mp3: BLOCK_BYTES}, 5.0, 8.0)
    assert (found.drafts, list(found.takes), found.cost) == ([draft], [IDS[0]], 3 * BLOCK_BYTES)


@pytest.mark.parametrize("name", ["notes.txt", "t1.wav", f"{IDS[0]}.ogv", f"{IDS[0]}.wav.tmp", f"v{IDS[0][1:]}.wav"])
def test_what_is_not_ours_is_not_seen(tmp_path, name):
    put(tmp_path, name)
    found = Inventory(tmp_path)
    assert (found.takes, found.drafts) == ({}, [])


def test_a_folder_that_is_not_there_is_empty(tmp_path):
    assert Inventory(tmp_path / "none").cost == 0


def test_a_place_is_looked_at_again(tmp_path):
    gone, grown = put(tmp_path, f"{IDS[0]}.wav"), put(tmp_path, f"{IDS[1]}.wav")
    found = Inventory(tmp_path)
    os.unlink(gone)
    put(tmp_path, f"{IDS[1]}.wav", size=BLOCK_BYTES + 1)
    new = put(tmp_path, f"{IDS[2]}.wav")
    for path in (gone, grown, new):
        found.look_again(path)
    assert [found.takes[id].costs for id in IDS[:3]] == [{}, {grown: 2 * BLOCK_BYTES}, {new: BLOCK_BYTES}]


def test_when_it_was_last_asked_for_is_looked_at_again(tmp_path):
    path = put(tmp_path, f"{IDS[0]}.wav", used=7)
    kept = Kept(IDS[0])
    kept.costs = {path: BLOCK_BYTES, f"{path}.gone": BLOCK_BYTES}
    kept.look_again()
    assert kept.used == 7.0


def test_files_take_whole_blocks(tmp_path):
    assert [cost(size) for size in (0, 1, BLOCK_BYTES, BLOCK_BYTES + 1)] == [
        0,
        BLOCK_BYTES,
        BLOCK_BYTES,
        2 * BLOCK_BYTES,
    ]
    assert cost_of(tmp_path / "none") == 0
    assert path_of(tmp_path, IDS[0], Format.MP3) == tmp_path / IDS[0][-2:] / f"{IDS[0]}.mp3"
