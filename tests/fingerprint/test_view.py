import numpy as np
import pytest

from app.fingerprint.fingerprint import VERSION, Fingerprint
from app.fingerprint.index import Index
from app.fingerprint.landmarks import landmarks, probes
from app.fingerprint.votes import LEAST_WEIGHT, ORIGIN, PARTS_PER_BIT
from tests.fingerprint.constellations import ordered, same
from tests.fingerprint.indexes import compile_kernels, cut, filled, track

MOST = 1 << 20


@pytest.fixture(autouse=True, scope="module")
def compiled_kernels(tmp_path_factory):
    compile_kernels(tmp_path_factory.mktemp("index"))


@pytest.fixture(params=["in memory", "in a snapshot", "in both"])
def index(request, tmp_path):
    index = filled(tmp_path, range(5))
    if request.param != "in memory":
        index.merge()
    if request.param != "in a snapshot":
        index.add_all((number, track(number)) for number in (5, 6))
    return index


def test_every_landmark_of_a_track_is_found_at_its_place(index):
    view = index.view()
    asked = landmarks(track(3).peaks)
    votes = view.votes(asked.keys, asked.frames, most=MOST)
    here = int(view.reel.first_frames[3])
    assert np.count_nonzero(votes.places == here) >= len(asked.keys)
    assert np.all(votes.weights[votes.places == here] > LEAST_WEIGHT)


def test_ballots_are_what_is_heard_in_order(index):
    view = index.view()
    asked = probes(cut(track(3).peaks, 100))
    votes = view.votes(asked.keys, asked.frames, most=MOST)
    ballots = view.gather(asked.keys, asked.frames, most=MOST)
    places = ((ballots >> 8) - ORIGIN).astype(np.uint32)
    assert np.array_equal(ballots, np.sort(ballots))
    assert sorted(zip(places, ballots & 255, strict=True)) == sorted(zip(votes.places, votes.weights, strict=True))


def test_a_key_weighs_what_chance_it_has(tmp_path):
    view = filled(tmp_path, range(8)).view()
    key = landmarks(track(3).peaks).keys[:1]
    votes = view.votes(key, np.zeros(1, np.uint32), most=MOST)
    bits = np.log2(view.reel.frames / len(votes.places))
    assert votes.weights.tolist() == [int(bits * PARTS_PER_BIT)] * len(votes.places)


@pytest.mark.parametrize("most", [0, 10, 300])
def test_there_is_a_bound_and_the_rarest_keys_come_first(index, most):
    view = index.view()
    asked = probes(track(3).peaks)
    votes = view.votes(asked.keys, asked.frames, most=most)
    everything = view.votes(asked.keys, asked.frames, most=MOST)
    assert len(votes.places) <= most
    left_out = np.sort(everything.weights)[: len(everything.weights) - len(votes.weights)]
    assert not len(votes.weights) or left_out.max() <= votes.weights.min()


def test_a_key_that_is_everywhere_says_nothing(tmp_path):
    index = Index(tmp_path)
    short = ordered(np.array([0, 5]), np.array([6400, 7000]), np.array([9, 9]))
    index.add_all((number, Fingerprint(VERSION, 0.2, short)) for number in range(50))
    asked = landmarks(short)
    assert len(asked.keys) == 1
    assert len(index.view().votes(asked.keys, asked.frames, most=MOST).places) == 0


def test_peaks_of_a_track_are_those_it_came_with(index):
    view = index.view()
    for number in range(len(view.reel)):
        first, length = int(view.reel.first_frames[number]), int(view.reel.lengths[number])
        assert same(cut(view.peaks(first, first + length), first, length), track(number).peaks)
        assert same(cut(view.peaks(first + 50, first + 90), first + 50, 40), cut(track(number).peaks, 50, 40))


def test_what_begins_before_a_track_has_the_peaks_of_that_track(index):
    view = index.view()
    assert len(view.peaks(-100, 0)) == 0
    for first in view.reel.first_frames.tolist():
        assert same(view.peaks(first - 100, first + 50), view.peaks(first, first + 50))


def test_keys_of_one_bucket_are_told_apart_while_they_are_in_memory(tmp_path):
    view = filled(tmp_path, range(3)).view()
    missing = np.setdiff1d(np.arange(1 << 16, dtype=np.uint32), landmarks(track(0).peaks).keys)
    votes = view.votes(missing, np.zeros(len(missing), np.uint32), most=MOST)
    others = np.concatenate([landmarks(track(number).peaks).keys for number in range(3)])
    assert len(votes.places) == np.count_nonzero(np.isin(others, missing))
