import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.fingerprint.extent import extent, heaviest
from app.fingerprint.fingerprinter import fingerprint
from app.fingerprint.index import Index
from app.fingerprint.listener import listen
from app.fingerprint.search import search
from app.fingerprint.spectrum import SAMPLE_RATE
from tests.fingerprint.music import tune

SECONDS = 30.0


def song(number):
    return tune(number, seconds=SECONDS, sample_rate=SAMPLE_RATE)


def cut(number, start, end):
    return song(number)[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    index = Index(tmp_path_factory.mktemp("index"))
    index.add_all((number, fingerprint(song(number), sample_rate=SAMPLE_RATE)) for number in range(1, 5))
    return index.view()


def heard(view, *pieces):
    """Return from when to when each track is heard."""
    samples = np.concatenate(pieces)
    query, seconds = listen(samples), len(samples) / SAMPLE_RATE
    found = {hit.track_id: hit for hit in search(view, query)}
    return {id: extent(view, query, hit, view.reel.find(id), seconds=seconds) for id, hit in found.items()}


def test_a_track_that_is_heard_all_along_fills_the_query(view):
    [(track, (start, end))] = heard(view, cut(1, 8.0, 18.0)).items()
    assert (track, start, end) == (1, 0.0, 10.0)


@pytest.mark.parametrize("change", [3.0, 5.0, 7.0])
def test_a_change_is_found_where_it_is(view, change):
    found = heard(view, cut(1, 8.0, 8.0 + change), cut(2, 5.0, 15.0 - change))
    if 1 in found:
        assert found[1] == pytest.approx((0.0, change), abs=0.6)
    if 2 in found:
        assert found[2] == pytest.approx((change, 10.0), abs=0.6)
    assert found


def test_a_track_that_begins_within_the_query_is_not_heard_before(view):
    found = heard(view, np.zeros(4 * SAMPLE_RATE, np.float32), cut(3, 0.0, 6.0))
    assert found[3] == pytest.approx((4.0, 10.0), abs=0.6)


def test_a_track_that_ends_within_the_query_is_not_heard_after(view):
    found = heard(view, cut(3, SECONDS - 6.0, SECONDS), cut(9, 0.0, 4.0))
    assert found[3] == pytest.approx((0.0, 6.0), abs=0.6)


@given(st.lists(st.integers(-5, 5), max_size=12))
def test_law_no_stretch_is_heavier(weights):
    begin, stop = heaviest(weights)
    sums = [sum(weights[i:j]) for i in range(len(weights)) for j in range(i + 1, len(weights) + 1)]
    assert sum(weights[begin:stop]) == max([0, *sums])
    assert (begin == stop) == (max([0, *sums]) == 0)
