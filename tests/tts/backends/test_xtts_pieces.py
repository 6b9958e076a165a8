from hypothesis import given
from hypothesis import strategies as st

from app.tts.backends.xtts_pieces import fitting


@given(st.text(), st.integers(1, 20))
def test_parts_fit_and_join_to_the_text(text: str, most: int) -> None:
    parts = list(fitting(text, lambda part: len(part) <= most))
    assert "".join(parts) == text
    assert all(len(part) <= most for part in parts)


def test_text_that_fits_is_left_alone() -> None:
    assert list(fitting("one two", lambda part: True)) == ["one two"]


def test_cut_is_at_a_space_near_the_middle() -> None:
    assert list(fitting("one two three", lambda part: len(part) < 10)) == ["one two ", "three"]


def test_single_character_that_does_not_fit_is_yielded() -> None:
    assert list(fitting("ab", lambda part: False)) == ["a", "b"]
