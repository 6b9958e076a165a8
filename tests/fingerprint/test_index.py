import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import InvalidFingerprint, Unavailable
from app.fingerprint import index as index_module
from app.fingerprint.fingerprint import VERSION, Fingerprint
from app.fingerprint.folder_lock import folder_lock
from app.fingerprint.index import Index
from app.fingerprint.merge import bits_for
from tests.fingerprint.indexes import compile_kernels, cut, extreme, filled, finds, found, track

TRACKS = range(8)


@pytest.fixture(autouse=True, scope="module")
def compiled_kernels(tmp_path_factory):
    compile_kernels(tmp_path_factory.mktemp("index"))


steps = st.lists(
    st.tuples(st.just("add"), st.lists(st.sampled_from(TRACKS), max_size=4))
    | st.tuples(st.just("remove"), st.sampled_from(TRACKS))
    | st.tuples(st.sampled_from(["merge", "reopen", "verify"]), st.none()),
    max_size=12,
)


@given(steps)
@settings(max_examples=40, deadline=None)
def test_it_finds_the_tracks_that_were_added_and_not_removed(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("index")
    index, there, stored = Index(folder), set(), set()
    for step, what in steps:
        match step:
            case "add":
                index.add_all((number, track(number)) for number in what)
                there |= set(what)
            case "remove":
                assert index.remove(what) == (what in there)
                there -= {what}
            case "merge":
                assert index.merge()
                stored = set(there)
            case "reopen":
                index.close()
                index, there = Index(folder), set(stored)
            case "verify":
                assert index.is_whole()
    view = index.view()
    assert {number for number in TRACKS if finds(view, number)} == there
    assert len(view.reel) == len(there)


def test_a_track_is_found_where_it_is(tmp_path):
    index = filled(tmp_path, range(12))
    index.add(13, track(13, seconds=60))
    assert found(index.view(), cut(track(13, seconds=60).peaks, 1612)) == (13, 1612)


def test_the_same_id_again_replaces_the_track(tmp_path):
    index = filled(tmp_path, range(3))
    index.merge()
    index.add(1, track(50))
    assert found(index.view(), cut(track(50).peaks, 100)) == (1, 100)
    assert not finds(index.view(), 1)
    assert index.figures().tracks == 3


def test_a_view_stays_as_it_was(tmp_path):
    index = filled(tmp_path, range(3))
    view = index.view()
    index.add(5, track(5))
    index.remove(2)
    index.merge()
    index.close()
    assert finds(view, 2)
    assert not finds(view, 5)


def test_a_start_finds_what_was_merged_and_says_of_which_generation_it_is(tmp_path):
    index = filled(tmp_path, range(3))
    index.reached(12)
    index.merge()
    index.add(4, track(4))
    index.reached(13)
    again = Index(tmp_path)
    assert (again.generation, index.generation) == (12, 13)
    assert finds(again.view(), 2)
    assert not finds(again.view(), 4)


def test_a_snapshot_of_another_catalogue_is_not_used(tmp_path):
    filled(tmp_path, range(3), origin="one").merge()
    assert Index(tmp_path, origin="other").figures().tracks == 0
    assert Index(tmp_path, origin="one").figures().tracks == 3


def test_a_snapshot_of_other_landmarks_is_not_used(tmp_path, monkeypatch):
    filled(tmp_path, range(3)).merge()
    monkeypatch.setattr(index_module, "recipe", lambda: "another")
    assert Index(tmp_path).figures().tracks == 0


def test_a_damaged_snapshot_is_dropped(tmp_path):
    index = filled(tmp_path, range(3))
    index.reached(4)
    index.merge()
    data = bytearray((tmp_path / "index").read_bytes())
    data[-1] ^= 1
    (tmp_path / "index").write_bytes(data)
    again = Index(tmp_path)
    assert not again.is_whole()
    again.drop()
    assert (again.generation, again.figures().tracks) == (0, 0)
    assert not (tmp_path / "index").exists()


def test_a_damaged_snapshot_that_cannot_be_removed_is_not_used_again(tmp_path, monkeypatch):
    index = filled(tmp_path, TRACKS)
    index.merge()
    again = Index(tmp_path)
    monkeypatch.setattr(index_module.Path, "unlink", lambda path, **options: (_ for _ in ()).throw(PermissionError()))
    again.drop()
    assert len(again.view().reel) == again.generation == 0
    assert not again.refresh()
    monkeypatch.undo()
    again.add(3, track(3))
    assert again.merge() and finds(Index(tmp_path).view(), 3)


def test_another_process_takes_over_what_was_merged(tmp_path):
    one, other = Index(tmp_path), Index(tmp_path)
    one.add(1, track(1))
    one.reached(5)
    one.merge()
    assert other.refresh()
    assert (other.generation, finds(other.view(), 1)) == (5, True)
    assert not other.refresh()


def test_what_has_less_than_is_known_is_not_taken_over(tmp_path):
    one, other = filled(tmp_path, range(1)), filled(tmp_path, range(2))
    one.reached(5)
    one.merge()
    other.reached(6)
    assert not other.refresh()
    assert finds(other.view(), 1)


def test_what_another_process_has_merged_is_not_replaced_by_less(tmp_path):
    one, other = Index(tmp_path), filled(tmp_path, range(2))
    one.reached(5)
    one.merge()
    assert not other.merge()
    assert other.refresh()
    assert other.merge()


def test_one_process_merges_at_a_time(tmp_path):
    index = filled(tmp_path, range(2))
    with folder_lock(tmp_path / "index.lock"):
        assert not index.merge()
    assert index.merge()


def test_a_merge_can_be_stopped(tmp_path):
    index, stop = filled(tmp_path, range(2)), threading.Event()
    stop.set()
    assert not index.merge(stop)
    assert [path.name for path in tmp_path.iterdir()] == ["index.lock"]
    assert finds(index.view(), 1)


def test_tracks_come_and_go_while_it_merges(tmp_path, monkeypatch):
    index = filled(tmp_path, range(5))
    index.remove(0)

    def while_merging(*args):
        merge(*args)
        index.remove(1)
        index.add(7, track(7))
        index.add(2, track(52))

    merge = index_module.merge
    monkeypatch.setattr(index_module, "merge", while_merging)
    assert index.merge()
    view = index.view()
    assert [number for number in TRACKS if finds(view, number)] == [3, 4, 7]
    assert found(view, cut(track(52).peaks, 100)) == (2, 100)


def test_places_are_comparable_as_long_as_no_track_moves(tmp_path):
    index = filled(tmp_path, range(3))
    epoch = index.view().epoch
    index.add(5, track(5))
    index.merge()
    assert index.view().epoch == epoch
    index.remove(5)
    index.merge()
    assert index.view().epoch == epoch
    index.remove(0)
    index.merge()
    assert index.view().epoch == epoch + 1


def test_more_postings_get_more_buckets(tmp_path, monkeypatch):
    index = filled(tmp_path, range(3))
    index.merge()
    monkeypatch.setattr("app.fingerprint.merge.SMALL", 0)
    index.remove(1)
    index.add(4, track(4))
    index.merge()
    view = index.view()
    assert view.postings.bounds.bits == 25
    assert [number for number in TRACKS if finds(view, number)] == [0, 2, 4]


@pytest.mark.parametrize(("postings", "bits"), [(0, 20), (1 << 22, 20), ((1 << 22) + 1, 25), (1 << 40, 25)])
def test_there_are_as_many_buckets_as_it_takes(postings, bits):
    assert bits_for(postings) == bits


def test_it_says_when_a_merge_is_worth_its_cost(tmp_path, monkeypatch):
    monkeypatch.setattr(index_module, "LEAST_DUE", 5000)
    index = filled(tmp_path, range(1))
    assert (index.merge_is_due(), index.merge_is_due(idle=True)) == (False, True)
    index.add_all((number, track(number)) for number in range(10))
    assert index.merge_is_due()
    index.merge()
    assert (index.merge_is_due(), index.merge_is_due(idle=True)) == (False, False)
    index.remove(3)
    assert (index.merge_is_due(), index.merge_is_due(idle=True)) == (False, True)


def test_figures_tell_how_much_there_is(tmp_path):
    index = filled(tmp_path, range(3))
    index.reached(9)
    before = index.figures()
    index.merge()
    after = index.figures()
    assert (after.tracks, after.generation, after.postings) == (3, 9, before.postings)
    assert after.seconds == pytest.approx(36, abs=0.1)
    assert before.memory_bytes > after.memory_bytes == before.snapshot_bytes == 0
    assert after.snapshot_bytes == (tmp_path / "index").stat().st_size


def test_what_no_sound_has_is_refused(tmp_path):
    index = Index(tmp_path)
    with pytest.raises(InvalidFingerprint, match="255"):
        index.add(1, Fingerprint(VERSION, 1.0, extreme([5] * 256)))
    assert index.figures().tracks == 0


def test_a_track_without_peaks_is_there_and_never_found(tmp_path):
    index = filled(tmp_path, range(2))
    index.add(5, Fingerprint(VERSION, 3.0, extreme([])))
    index.merge()
    assert index.figures().tracks == 3
    assert finds(index.view(), 1)


def test_a_folder_that_refuses_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    index = filled(tmp_path / "file", range(1))
    with pytest.raises(Unavailable, match="cannot be written"):
        index.merge()
    assert finds(index.view(), 0)


def test_searches_go_on_while_tracks_are_added(tmp_path):
    index, wrong = filled(tmp_path, range(4)), []

    def search() -> None:
        wrong.extend(number for _ in range(30) for number in range(4) if not finds(index.view(), number))

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(10, 40):
        index.add(number, track(number))
        if number % 10 == 0:
            index.remove(number - 5)
            index.merge()
    for thread in threads:
        thread.join()
    assert wrong == []
