import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.fingerprint.landmarks import KEY_BITS
from app.fingerprint.postings import NewPostings, find_pairs, merged, new_postings, pair
from app.fingerprint.spread import spread

keys = st.lists(st.integers(0, 40) | st.integers(0, (1 << KEY_BITS) - 1), max_size=60)


@pytest.fixture(autouse=True, scope="module")
def compiled_kernels():
    assert located(of([1, 2, 3]).with_pairs(of([2]).pairs), 2) == [0, 1]


@given(keys)
def test_every_key_is_found_where_it_is(keys):
    postings = of(keys)
    for key in {*keys, 41}:
        assert located(postings, key) == [frame for frame, other in enumerate(keys) if other == key]


@given(keys, keys)
def test_merging_is_sorting_both(one, other):
    both = np.concatenate((of(one).pairs, of(other).pairs))
    assert np.array_equal(merged(of(one).pairs, of(other).pairs), np.sort(both))


def test_nothing_is_found_where_nothing_is():
    begins, sizes = found(NewPostings.none(), [0, 5, (1 << KEY_BITS) - 1])
    assert begins.tolist() == sizes.tolist() == [0, 0, 0]


def of(keys: list[int]) -> NewPostings:
    return new_postings(pair(np.array(keys, np.uint32), np.arange(len(keys), dtype=np.uint32)))


def found(postings: NewPostings, keys: list[int]) -> tuple[np.ndarray, np.ndarray]:
    begins, sizes = np.empty(len(keys), np.int64), np.empty(len(keys), np.int64)
    find_pairs(spread(np.array(keys, np.uint32)), postings.starts, postings.pairs, begins, sizes)
    return begins, sizes


def located(postings: NewPostings, key: int) -> list[int]:
    begins, sizes = found(postings, [key])
    return sorted((postings.pairs[begins[0] : begins[0] + sizes[0]] & np.uint64(0xFFFFFFFF)).tolist())
