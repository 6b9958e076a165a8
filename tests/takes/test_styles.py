import pytest

from app.errors import InvalidInput
from app.takes.shape import Shape
from app.takes.styles import GROUPS, shape_of


def test_no_style_changes_nothing():
    assert shape_of([]) == Shape()


def test_styles_of_two_groups_add_up():
    assert shape_of(["calm", "loud"]) == GROUPS[0]["calm"] + GROUPS[1]["loud"]


def test_no_two_styles_sound_the_same():
    shapes = [shape for group in GROUPS for shape in group.values()]
    assert len(set(shapes)) == len(shapes)


def test_styles_of_one_group_exclude_each_other():
    with pytest.raises(InvalidInput, match="'calm' and 'lively' exclude each other"):
        shape_of(["calm", "lively"])


def test_an_unknown_style_is_told_the_known_ones():
    with pytest.raises(InvalidInput, match="style 'angelic' must be of neutral, lively"):
        shape_of(["angelic"])
