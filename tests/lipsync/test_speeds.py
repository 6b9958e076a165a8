import pytest

from app.lipsync.speeds import Speeds


def test_nothing_is_known_of_what_was_never_drawn():
    speeds = Speeds()
    speeds.learn("warp", pixels=100, frames=100, seconds=1.0)
    assert speeds.predict("other", pixels=100) is None


def test_a_frame_takes_what_it_took_by_the_size_of_its_picture():
    speeds = Speeds()
    for pixels, each in ((1_000_000, 0.02), (250_000, 0.008)):
        speeds.learn("warp", pixels=pixels, frames=50, seconds=50 * each)
    assert speeds.predict("warp", pixels=1_000_000) == pytest.approx(0.02)
    assert speeds.predict("warp", pixels=625_000) == pytest.approx(0.014)


def test_a_few_frames_say_nothing():
    speeds = Speeds()
    speeds.learn("warp", pixels=100, frames=24, seconds=9.0)
    assert speeds.predict("warp", pixels=100) is None
