import threading

import numpy as np
import pytest

from app.fingerprint.snapshot import SLICE_BYTES, Stamp, new_snapshot, open_snapshot, remove_drafts

STAMP = Stamp("1-abc", "here", 7)


def test_what_is_written_is_read(tmp_path):
    write(tmp_path / "index")
    snapshot = open_snapshot(tmp_path / "index")
    assert snapshot.stamp == STAMP
    assert snapshot.array("numbers", np.uint32).tolist() == [1, 2, 3, 4, 5]
    assert snapshot.array("nothing", np.uint8).tolist() == []
    assert snapshot.array("bytes", np.uint8).tolist() == [9] * 5000
    assert snapshot.size_bytes == (tmp_path / "index").stat().st_size
    assert snapshot.is_whole()


def test_nobody_writes_into_it(tmp_path):
    write(tmp_path / "index")
    with pytest.raises(ValueError, match="read-only"):
        open_snapshot(tmp_path / "index").array("numbers", np.uint32)[0] = 3


def test_there_is_none(tmp_path):
    assert open_snapshot(tmp_path / "index") is None


@pytest.mark.parametrize("place", [0, 9, 20, 300])
def test_a_damaged_description_is_not_believed(tmp_path, place):
    write(tmp_path / "index")
    damage(tmp_path / "index", place)
    assert open_snapshot(tmp_path / "index") is None


@pytest.mark.parametrize("length", [0, 100, 4096, 8191])
def test_a_torn_file_is_none(tmp_path, length):
    write(tmp_path / "index")
    data = (tmp_path / "index").read_bytes()
    (tmp_path / "index").write_bytes(data[:length])
    assert open_snapshot(tmp_path / "index") is None


def test_a_damaged_array_shows_when_all_is_read(tmp_path):
    write(tmp_path / "index")
    damage(tmp_path / "index", (tmp_path / "index").stat().st_size - 1)
    assert not open_snapshot(tmp_path / "index").is_whole()


def test_reading_all_can_be_stopped(tmp_path):
    write(tmp_path / "index", size=SLICE_BYTES + 1)
    damage(tmp_path / "index", (tmp_path / "index").stat().st_size - 1)
    stop = threading.Event()
    stop.set()
    assert open_snapshot(tmp_path / "index").is_whole(stop)


def test_a_snapshot_stays_as_it_was_when_another_takes_its_name(tmp_path):
    write(tmp_path / "index")
    before = open_snapshot(tmp_path / "index")
    write(tmp_path / "index", size=3, stamp=Stamp("1-abc", "here", 8))
    assert len(before.array("bytes", np.uint8)) == 5000
    assert before.is_whole()
    assert open_snapshot(tmp_path / "index").stamp.generation == 8


def test_nothing_is_left_of_one_that_fails(tmp_path):
    write(tmp_path / "index")
    with pytest.raises(RuntimeError, match="no"), new_snapshot(tmp_path / "index", STAMP) as draft:
        draft.put("numbers", np.uint32, [np.arange(5)])
        raise RuntimeError("no")
    assert [path.name for path in tmp_path.iterdir()] == ["index"]
    assert open_snapshot(tmp_path / "index").is_whole()


def test_what_a_killed_writer_left_is_removed(tmp_path):
    write(tmp_path / "index")
    (tmp_path / "index.0123abcd.tmp").write_bytes(b"half")
    remove_drafts(tmp_path / "index")
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_a_description_has_its_bounds(tmp_path):
    with pytest.raises(ValueError, match="does not fit"), new_snapshot(tmp_path / "index", STAMP) as draft:
        for number in range(100):
            draft.put(f"array {number}", np.uint8, [])
    assert not list(tmp_path.iterdir())


def write(path, *, size: int = 5000, stamp: Stamp = STAMP) -> None:
    with new_snapshot(path, stamp) as draft:
        draft.put("numbers", np.uint32, [np.array([1, 2]), np.array([3, 4, 5], np.int64)])
        draft.put("nothing", np.uint8, [])
        draft.put("bytes", np.uint8, [np.full(size, 9, np.uint8)])


def damage(path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
