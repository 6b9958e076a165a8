import pytest

from app.errors import InvalidInput
from app.lipsync.clip import Progress
from tests.lipsync.performers import order


@pytest.mark.parametrize(
    ("name", "value"), [("fps", 4.9), ("fps", 61), ("fps", float("nan")), ("crf", 52), ("mel_offset", -26)]
)
def test_an_order_out_of_bounds_is_refused_by_its_name(name, value):
    with pytest.raises(InvalidInput) as caught:
        order(**{name: value})
    assert caught.value.field == name


def test_a_picture_and_a_film_at_once_are_refused():
    with pytest.raises(InvalidInput, match="only one") as caught:
        order(video=b"film")
    assert caught.value.field == "video"
    assert order(video=b"film", image=b"").video == b"film"


@pytest.mark.parametrize(("frames", "expected", "share"), [(5, 10, 0.5), (11, 10, 1.0), (5, None, None), (5, 0, None)])
def test_progress_is_a_share_where_the_whole_is_known(frames, expected, share):
    assert Progress(frames, expected).share == share
