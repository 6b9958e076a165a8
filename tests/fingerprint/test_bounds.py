import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.fingerprint.bounds import Bounds, bounds_of, find
from app.fingerprint.spread import HASH_BITS

BITS = 7
BUCKETS = 1 << BITS

sizes = st.lists(st.integers(0, 3) | st.integers(0, 5000), min_size=BUCKETS, max_size=BUCKETS)


@pytest.fixture(autouse=True, scope="module")
def compiled_kernels():
    bounds = made([1] * BUCKETS, spare=0)
    assert all_found(bounds, BUCKETS)[1].sum() == bounds.between(0, BUCKETS, BUCKETS)[-1] == BUCKETS


def made(sizes, *, spare, parts=2):
    blocks = np.split(np.array(sizes, np.int64), parts)
    return bounds_of(blocks, bits=BITS, most=sum(sizes) + spare)


def all_found(bounds, end):
    hashes = (np.arange(BUCKETS) << (HASH_BITS - BITS)).astype(np.uint32)
    return found_in(bounds, hashes, end)


def found_in(bounds, hashes, end):
    begins, sizes = np.empty(len(hashes), np.int64), np.empty(len(hashes), np.int64)
    shift = HASH_BITS - bounds.bits
    find(hashes, shift, bounds.marks, bounds.uppers, bounds.lows, bounds.low_bits, end, begins, sizes)
    return begins, sizes


@given(sizes, st.integers(0, 100_000))
@settings(max_examples=60, deadline=None)
def test_every_bucket_is_found_where_it_is(sizes, spare):
    bounds, total = made(sizes, spare=spare), sum(sizes)
    begins, found = all_found(bounds, total)
    assert bounds.bits == BITS
    assert found.tolist() == sizes
    assert begins.tolist() == (np.cumsum(sizes) - sizes).tolist()


@given(sizes, st.integers(0, BUCKETS - 1))
@settings(max_examples=60, deadline=None)
def test_buckets_are_read_one_after_the_other(sizes, first):
    bounds, ends = made(sizes, spare=0), [0, *np.cumsum(sizes).tolist()]
    assert bounds.between(first, BUCKETS - first, sum(sizes)).tolist() == ends[first:]


def test_only_the_first_bits_of_a_hash_choose():
    bounds = made([5, 7] * (BUCKETS // 2), spare=0)
    hashes = np.array([0, (1 << HASH_BITS - BITS) - 1, (1 << HASH_BITS) - 1], np.uint32)
    begins, sizes = found_in(bounds, hashes, 6 * BUCKETS)
    assert (begins.tolist(), sizes.tolist()) == ([0, 0, 6 * BUCKETS - 7], [5, 5, 7])


@pytest.mark.parametrize(("large", "most_bytes"), [(0, 65), (10, 130), (1 << 20, 400)])
def test_they_take_little_however_large_the_buckets_are(large, most_bytes):
    bounds = made([large] * BUCKETS, spare=0)
    assert sum(array.nbytes for array in (bounds.marks, bounds.uppers, bounds.lows)) <= most_bytes
    assert all_found(bounds, large * BUCKETS)[1].tolist() == [large] * BUCKETS


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_damage_leads_nobody_out_of_the_row(data):
    bounds, end = made([3] * BUCKETS, spare=0), 3 * BUCKETS
    arrays = [bounds.marks, bounds.uppers, bounds.lows]
    for array in arrays:
        for _ in range(data.draw(st.integers(0, 3))):
            array[data.draw(st.integers(0, len(array) - 1))] = data.draw(st.integers(0, 2**32 - 1))
    begins, sizes = all_found(Bounds(*arrays), end)
    assert np.all((begins >= 0) & (sizes >= 0) & (begins + sizes <= end))
    read = Bounds(*arrays).between(0, BUCKETS, end)
    assert np.all(np.diff(read) >= 0) and read[0] >= 0 and read[-1] <= end
