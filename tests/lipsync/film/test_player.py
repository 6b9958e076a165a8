from itertools import islice, pairwise

import numpy as np
import pytest

from app.lipsync.film.player import numbers


def played(times, duration, fps, count):
    return list(islice(numbers(np.array(times), duration, fps), count))


def test_a_film_is_played_forth_and_back():
    assert played(np.arange(5) / 25, 0.2, 25, 23) == [*range(5), *range(4, -1, -1)] * 2 + [0, 1, 2]


def test_another_rate_leaves_out_or_repeats():
    assert played(np.arange(6) / 50, 0.12, 25, 7) == [0, 2, 4, 5, 3, 1, 0]
    assert played(np.arange(3) / 12.5, 0.24, 25, 13) == [0, 0, 1, 1, 2, 2, 2, 2, 1, 1, 0, 0, 0]


def test_each_picture_is_shown_when_it_is_its_time():
    times = [0.0, 0.04, 0.3, 0.31, 0.5, 1.1, 1.14]
    assert played(times, 1.2, 25, 30) == [max(np.flatnonzero(np.array(times) <= n / 25 + 1e-6)) for n in range(30)]


@pytest.mark.parametrize("fps", [24, 25, 29.97, 60])
@pytest.mark.parametrize("rate", [15, 23.976, 25, 30, 59.94])
def test_nothing_jumps_and_all_is_shown_as_long(fps, rate):
    count = 50
    shown = played(np.arange(count) / rate, count / rate, fps, 5000)
    most = int(np.ceil(rate / fps)) + 1
    assert max(abs(after - before) for before, after in pairwise(shown)) <= most
    assert set(shown) == set(range(count)) or rate > fps
    share = np.bincount(shown, minlength=count) / len(shown) * count
    assert share.mean() == pytest.approx(1)


def test_a_film_of_one_picture_is_a_still():
    assert set(played([0.0], 0.04, 25, 1000)) == {0}
