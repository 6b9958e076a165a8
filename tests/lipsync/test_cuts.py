import numpy as np
import pytest

from app.audio.decode import Clip
from app.lipsync.cuts import Batches, cut


@pytest.mark.parametrize("sizes", [[1], [10], [3, 3, 3, 3, 3], [25, 1, 40], [20]])
def test_sound_is_cut_to_one_length_and_stays_whole(sizes):
    sound = np.arange(sum(sizes), dtype=np.float32)
    clips = [Clip(part, 8000) for part in np.split(sound, np.cumsum(sizes)[:-1])]

    pieces = list(cut(clips, 10))

    assert np.array_equal(np.concatenate(pieces), sound)
    assert all(len(piece) == 10 for piece in pieces[:-1]) and 1 <= len(pieces[-1]) <= 10


@pytest.mark.parametrize("sizes", [[0], [1], [8], [0, 9, 0, 30], [100], [7, 1, 16]])
def test_cues_are_cut_to_a_small_batch_and_large_ones(sizes):
    cues = np.arange(sum(sizes), dtype=np.float32)
    batches = Batches(16)

    cut = [batch for part in np.split(cues, np.cumsum(sizes)[:-1]) for batch in batches.push(part)]
    cut += batches.finish()

    assert np.array_equal(np.concatenate([np.empty(0), *(batch.cues for batch in cut)]), cues)
    assert [batch.first for batch in cut] == [batch.cues[0] for batch in cut]
    assert [len(batch.cues) for batch in cut[:-1]] == [8, *[16] * (len(cut) - 2)][: max(len(cut) - 1, 0)]
