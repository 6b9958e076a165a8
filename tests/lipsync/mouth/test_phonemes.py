import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.lipsync.mouth.mouth import OPEN, UPPER, WIDE
from app.lipsync.mouth.phonemes import SpokenMouth, TimedPhoneme, spoken

FPS = 25


def said(*sounds: tuple[str, float], start: float = 0.5) -> list[TimedPhoneme]:
    """Sounds, each so many seconds long, one after the other; `_` is silence."""
    found = []
    for ipa, seconds in sounds:
        if ipa != "_":
            found.append(TimedPhoneme(ipa, start, start + seconds))
        start += seconds
    return found


def at(rows: np.ndarray, time: float, fps: float = FPS) -> np.ndarray:
    return rows[round(time * fps - 0.5)]


def test_silence_is_a_closed_mouth():
    assert not spoken([], fps=FPS, frames=10).any()


def test_a_vowel_opens_and_silence_closes():
    rows = spoken(said(("a", 0.3)), fps=FPS, frames=50)
    assert at(rows, 0.65)[OPEN] > 0.7
    assert rows[:8, OPEN].max() < 0.02 and rows[-15:, OPEN].max() < 0.02


def test_a_mouth_opens_before_it_is_heard():
    rows = spoken(said(("a", 0.3)), fps=100, frames=100)
    assert at(rows, 0.475, 100)[OPEN] > 0.15


@pytest.mark.parametrize("fps", [12.5, 25, 30, 60])
@settings(deadline=None)
@given(offset=st.floats(0, 0.1))
def test_lips_that_meet_are_seen_at_any_rate(fps, offset):
    rows = spoken(said(("ˈa", 0.1), ("m", 0.05), ("ˈa", 0.1), start=offset), fps=fps, frames=int(0.4 * fps))
    assert rows[int(0.06 * fps) :, OPEN].min() < 0.02


def test_a_stop_is_closed_in_the_silence_before_it_and_open_when_it_sounds():
    rows = spoken(said(("ˈa", 0.15), ("_", 0.06), ("p", 0.03), ("ˈa", 0.15)), fps=100, frames=120)
    assert at(rows, 0.68, 100)[OPEN] < 0.01
    assert at(rows, 0.78, 100)[OPEN] > 0.3


def test_a_pause_closes_and_a_breath_does_not():
    with_pause = spoken(said(("a", 0.2), ("_", 0.3), ("a", 0.2)), fps=FPS, frames=40)
    with_breath = spoken(said(("a", 0.2), ("_", 0.06), ("a", 0.2)), fps=FPS, frames=40)
    assert at(with_pause, 0.85)[OPEN] < 0.05 and at(with_breath, 0.73)[OPEN] > 0.4


def test_neighbours_colour_a_consonant():
    round_ = spoken(said(("u", 0.1), ("t", 0.06), ("u", 0.1)), fps=FPS, frames=30)
    spread = spoken(said(("i", 0.1), ("t", 0.06), ("i", 0.1)), fps=FPS, frames=30)
    assert at(round_, 0.63)[WIDE] < -0.5 and at(spread, 0.63)[WIDE] > 0.5


def test_f_raises_the_upper_lip():
    rows = spoken(said(("a", 0.1), ("f", 0.1), ("a", 0.1)), fps=FPS, frames=30)
    assert at(rows, 0.65)[UPPER] > 0.3 and at(rows, 0.65)[OPEN] < 0.3


def test_a_diphthong_moves():
    rows = spoken(said(("ˈaɪ", 0.3)), fps=FPS, frames=40)
    assert at(rows, 0.58)[OPEN] > 1.5 * at(rows, 0.74)[OPEN]


sounds = st.tuples(
    st.sampled_from(["a", "i", "u", "p", "m", "f", "s", "t", "k", "ˈaɪ", "tɕʰ", "ʲ", "_"]), st.floats(0, 0.3)
)


@settings(deadline=None)
@given(st.lists(sounds, max_size=30), st.sampled_from([25.0, 29.97, 80.0]))
def test_rows_are_a_mouth(parts, fps):
    rows = spoken(said(*parts), fps=fps, frames=40)
    assert rows.shape == (40, 3) and np.isfinite(rows).all()
    assert rows[:, [OPEN, UPPER]].min(initial=0) >= 0 and np.abs(rows).max() <= 1


@settings(deadline=None)
@given(st.lists(sounds, max_size=30), st.lists(st.floats(0, 10), max_size=10))
def test_it_is_the_same_however_the_phonemes_come(parts, cuts):
    phonemes = said(*parts)
    whole = spoken(phonemes, fps=FPS, frames=100)
    mouth, found, known = SpokenMouth(FPS), [], 0
    for until in sorted(cuts):
        new = [each for each in phonemes[known:] if each.start < until]
        known += len(new)
        found.append(mouth.push(new, until=until))
    found += [mouth.push(phonemes[known:], until=10.0), mouth.finish(100)]
    joined = np.concatenate(found)
    np.testing.assert_allclose(joined[:100], whole[: len(joined)], atol=1e-6)


def test_memory_is_that_of_half_a_second():
    mouth = SpokenMouth(FPS)
    for second in range(100):
        mouth.push(said(*[("a", 0.1)] * 10, start=float(second)), until=second + 1.0)
    assert len(mouth._pulls) < 15
