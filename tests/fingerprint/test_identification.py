import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.fingerprint.cues import Cue
from app.fingerprint.identification import HOP_SECONDS, WINDOW_SECONDS, Windows, identify
from app.fingerprint.score import DEFAULT_THRESHOLD
from app.fingerprint.spectrum import SAMPLE_RATE

pytestmark = pytest.mark.anyio


class Ear:
    """Hears the track whose number stands in the samples, where they stand."""

    def __init__(self):
        self.lengths = []
        self.score = 9.0

    async def look(self, samples):
        self.lengths.append(len(samples) / SAMPLE_RATE)
        cues = []
        for track in np.unique(samples[samples > 0]):
            first = int(np.argmax(samples == track))
            last = len(samples) - int(np.argmax(samples[::-1] == track))
            start, end = first / SAMPLE_RATE, last / SAMPLE_RATE
            cues.append(Cue(int(track), start, end, 100.0 * track, 1.0, self.score, 0.9, 0.8))
        return cues


async def pieces(samples, size):
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


def recording(*parts):
    """Return seconds of tracks, one after the other; 0 is silence."""
    return np.concatenate([np.full(round(seconds * SAMPLE_RATE), track, np.float32) for track, seconds in parts])


async def test_a_clip_is_looked_at_as_a_whole():
    ear = Ear()
    found = await identify(pieces(recording((1, 3.0)), 1000), ear.look)
    assert (found.seconds, ear.lengths) == (3.0, [3.0])
    assert [(cue.track_id, cue.start, cue.end) for cue in found.cues] == [(1, 0.0, 3.0)]


async def test_a_long_recording_is_looked_at_in_windows():
    ear = Ear()
    found = await identify(pieces(recording((0, 33.0)), 50_000), ear.look)
    assert (found.seconds, found.cues) == (33.0, [])
    assert ear.lengths == [10.0] * 6


@pytest.mark.parametrize(("seconds", "lengths"), [(10.0, [10.0]), (10.4, [10.0]), (10.6, [10.0, 10.0]), (0.1, [0.1])])
async def test_the_last_window_has_something_new(seconds, lengths):
    ear = Ear()
    await identify(pieces(recording((0, seconds)), 50_000), ear.look)
    assert ear.lengths == pytest.approx(lengths, abs=1e-4)


async def test_nothing_is_not_looked_at():
    ear = Ear()
    found = await identify(pieces(np.empty(0, np.float32), 1), ear.look)
    assert (found.seconds, found.cues, ear.lengths) == (0.0, [], [])


async def test_many_windows_need_more_certainty():
    ear = Ear()
    for seconds, heard in ((10.0, 9.0), (54.9, 8.0)):
        found = await identify(pieces(recording((1, 4.0), (0, seconds - 4.0)), 50_000), ear.look)
        assert [cue.score for cue in found.cues] == pytest.approx([heard])
    ear.score = DEFAULT_THRESHOLD + 0.9
    assert (await identify(pieces(recording((1, 4.0), (0, 51.0)), 50_000), ear.look)).cues == []


@given(st.lists(st.integers(1, 200_000), max_size=12))
def test_law_windows_are_the_same_however_the_recording_is_cut(sizes):
    samples = np.arange(sum(sizes), dtype=np.float32)
    cut, whole = Windows(), Windows()
    found, start = [], 0
    for size in sizes:
        found += [(window.first, len(window.samples)) for window in cut.push(samples[start : start + size])]
        start += size
    assert found == [(window.first, len(window.samples)) for window in whole.push(samples)]
    assert all(first % round(HOP_SECONDS * SAMPLE_RATE) == 0 for first, _ in found)
    assert all(length == round(WINDOW_SECONDS * SAMPLE_RATE) for _, length in found)
    assert (cut.rest() is None) == (whole.rest() is None)
