import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.lipsync.smoothing import Smoother


def smoothed(values: list[float], width: int) -> list[float]:
    smoother = Smoother(width)
    made = [place for value in values for place in smoother.push(np.array([value], np.float32))]
    return [float(place[0]) for place in made + smoother.finish()]


@given(values=st.lists(st.integers(-100, 100), max_size=20), width=st.sampled_from([1, 3, 5, 9]))
def test_each_is_the_mean_of_those_around(values: list[int], width: int) -> None:
    half = width // 2
    wanted = [np.mean(values[max(0, i - half) : i + half + 1]) for i in range(len(values))]
    assert smoothed([float(value) for value in values], width) == pytest.approx(wanted, abs=1e-4)


def test_a_face_that_moves_evenly_stays_where_it_is() -> None:
    assert smoothed([10.0 * number for number in range(9)], 5)[2:-2] == [10.0 * number for number in range(2, 7)]


def test_it_waits_for_half_its_width_only() -> None:
    smoother = Smoother(5)
    assert [len(smoother.push(np.zeros((468, 2), np.float32))) for _ in range(6)] == [0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize("width", [0, 2, -1])
def test_an_even_width_is_refused(width: int) -> None:
    with pytest.raises(ValueError, match="odd"):
        Smoother(width)
