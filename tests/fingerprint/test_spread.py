import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.fingerprint.landmarks import KEY_BITS, landmarks, pack, probes
from app.fingerprint.peaks import BIN_PARTS
from app.fingerprint.spectrum import END_BIN, FIRST_BIN
from app.fingerprint.spread import EXACT_BITS, HASH_BITS, spread
from tests.fingerprint.constellations import ordered


def first_bits(keys):
    return spread(keys) >> np.uint32(HASH_BITS - EXACT_BITS)


@given(st.lists(st.integers(0, (1 << KEY_BITS) - 1), unique=True))
def test_all_keys_differ(keys):
    assert len(np.unique(spread(np.array(keys, np.uint32)))) == len(keys)


def test_all_keys_of_some_frequencies_differ():
    for column in (0, FIRST_BIN - 1, FIRST_BIN, 500, END_BIN, 1023):
        keys = np.arange(column << 17, column + 1 << 17).astype(np.uint32)
        assert len(np.unique(spread(keys))) == len(keys)


def test_keys_of_music_differ_in_their_first_bits():
    columns = np.arange(FIRST_BIN, END_BIN)[:, None]
    rows = np.arange(FIRST_BIN, END_BIN, 0.5)[None, :]
    steps = (2 * (rows - columns)).astype(np.int64)
    within = (rows / columns < 2**0.8) & (columns / rows < 2**0.8)
    keys = np.array([pack(0, 0, 2)], np.uint32) + (columns << 17) + (steps << 6)
    for gap in (0, 14, 28):
        music = (keys[within] + gap).astype(np.uint32)
        assert len(np.unique(first_bits(music))) == len(music)


def test_what_a_track_and_a_query_ask_for_are_keys_of_music():
    """Those of peaks at the edges of the spectrum, and as far apart as two of a pair can be, are too."""
    rng = np.random.default_rng(1)
    frequencies = rng.uniform(FIRST_BIN - 0.5, END_BIN - 0.5, 4000) * BIN_PARTS
    peaks = ordered(np.arange(4000) // 4, frequencies.astype(np.int64), np.full(4000, 9))
    for asked in (landmarks(peaks), probes(peaks), probes(peaks, speed=0.952), probes(peaks, speed=1.048)):
        keys = np.unique(asked.keys[(asked.keys >> np.uint32(17)) < END_BIN])
        assert len(np.unique(first_bits(keys))) == len(keys)


def test_any_part_of_the_hashes_is_evenly_filled():
    columns = np.arange(FIRST_BIN, 300)
    keys = np.concatenate([[pack(int(column), step, 9) for step in range(-20, 20)] for column in columns])
    counts = np.bincount(spread(keys.astype(np.uint32)) >> np.uint32(HASH_BITS - 8), minlength=256)
    assert counts.max() < 2 * counts.mean()
