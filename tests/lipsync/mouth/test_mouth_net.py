import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.lipsync.mel import BANDS, SILENCE
from app.lipsync.mouth.mouth_net import _WEIGHTS, CHANNELS, CONTEXT, DILATIONS, Layer, MouthNet, convolved, run

RNG = np.random.default_rng(0)
MEL = RNG.uniform(-4, 4, (200, BANDS)).astype(np.float32)
OPEN = 0


def heard(mel: np.ndarray) -> np.ndarray:
    net = MouthNet()
    return np.concatenate((net.push(mel), net.finish()))


def test_there_is_a_row_for_each_column():
    rows = heard(MEL)
    assert rows.shape == (200, CHANNELS) and rows.dtype == np.float32
    assert np.abs(rows).max() <= 1 and rows[:, [0, 2, 3]].min() >= 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 200), max_size=6))
def test_it_is_the_same_however_the_sound_is_cut(cuts):
    net, edges = MouthNet(), [0, *sorted(cuts), 200]
    parts = [net.push(MEL[start:end]) for start, end in zip(edges, edges[1:], strict=False)]
    np.testing.assert_allclose(np.concatenate([*parts, net.finish()]), heard(MEL), atol=1e-5)


def test_a_long_piece_is_heard_as_a_short_one():
    mel = np.tile(MEL, (6, 1))
    net = MouthNet()
    by_pieces = [net.push(mel[start : start + 100]) for start in range(0, len(mel), 100)]
    np.testing.assert_allclose(np.concatenate([*by_pieces, net.finish()]), heard(mel), atol=1e-5)


def test_silence_is_a_closed_mouth():
    rows = heard(np.full((100, BANDS), SILENCE, np.float32))
    assert (rows[:, OPEN] * (1 - rows[:, 3])).max() < 0.05


def test_nothing_farther_than_its_context_matters():
    other = MEL.copy()
    other[100] = SILENCE
    changed = np.abs(heard(other) - heard(MEL)).max(axis=1) > 1e-6
    assert changed[100] and not changed[: 100 - CONTEXT].any() and not changed[100 + CONTEXT + 1 :].any()


def test_a_convolution_is_the_sum_over_three_columns():
    weight, bias = RNG.normal(size=(3 * 5, 2)).astype(np.float32), np.float32([1, -1])
    values = RNG.normal(size=(20, 5)).astype(np.float32)
    before, middle, after = weight[:5], weight[5:10], weight[10:]
    expected = [values[i - 4] @ before + values[i] @ middle + values[i + 4] @ after + bias for i in range(4, 16)]
    np.testing.assert_allclose(convolved(values, Layer(weight, bias), 4), expected, atol=1e-5)


def test_many_sounds_are_heard_at_once():
    layers = tuple(
        Layer(RNG.normal(0, 0.1, (inside, outside)).astype(np.float32), np.zeros(outside, np.float32))
        for inside, outside in [(3 * BANDS, 8), *[(24, 8)] * (len(DILATIONS) - 1), (8, CHANNELS)]
    )
    several = np.stack([MEL[:60], MEL[60:120]])
    np.testing.assert_allclose(run(several, layers)[1], run(several[1], layers), atol=1e-5)


def test_its_weights_are_small():
    with np.load(_WEIGHTS) as stored:
        assert all(stored[name].dtype == np.float16 and np.isfinite(stored[name]).all() for name in stored.files)
    assert _WEIGHTS.stat().st_size < 180_000


@pytest.mark.parametrize("length", [1, 5, CONTEXT, 2 * CONTEXT])
def test_a_short_sound_is_heard(length):
    assert heard(MEL[:length]).shape == (length, CHANNELS)
