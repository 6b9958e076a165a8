import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.calls.call import RATES, CallForm
from app.calls.frames import Frames
from app.errors import InvalidInput


@given(st.lists(st.binary(max_size=2_000)), st.sampled_from(RATES))
def test_frames_are_whole_and_only_the_end_is_filled(portions, rate):
    form = CallForm(rate)
    frames = Frames(form)
    pieces = [frames.push(portion) for portion in portions]
    pieces.append(frames.finish())
    assert all(len(piece) % form.frame_bytes == 0 for piece in pieces)
    came, said = b"".join(pieces), b"".join(portions)
    assert came[: len(said)] == said
    assert len(came) - len(said) < form.frame_bytes
    assert not any(came[len(said) :])
    assert frames.finish() == b""


@pytest.mark.parametrize(("rate", "size"), [(8_000, 320), (16_000, 640), (24_000, 960)])
def test_a_frame_is_20_ms(rate, size):
    assert CallForm(rate).frame_bytes == size


def test_other_rates_are_none():
    with pytest.raises(InvalidInput, match="44100"):
        CallForm(44_100)
