import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audio.pcm import Encoding
from app.errors import InvalidAudio, InvalidInput
from app.fingerprint.sound_form import LOUDEST, MAX_RATE, MIN_RATE, SoundForm


@given(st.lists(st.floats(-LOUDEST, LOUDEST, width=32)))
def test_law_floats_are_read_as_they_were_written(values):
    data = np.array(values, "<f4").tobytes()
    assert SoundForm().count(data) == len(values)
    assert SoundForm().samples(data).tolist() == values


def test_integers_of_16_bits_are_read_as_parts_of_full_scale():
    form = SoundForm(8000, Encoding.S16)
    samples = form.samples(np.array([-32768, 0, 16384], "<i2").tobytes())
    assert (samples.dtype, samples.tolist()) == (np.float32, [-1.0, 0.0, 0.5])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30])
def test_what_is_no_audio_is_refused(value):
    with pytest.raises(InvalidAudio, match="finite"):
        SoundForm().samples(np.array([0.1, value, 0.1], "<f4").tobytes())


def test_quiet_16_bit_samples_read_as_floats_are_found_out():
    data = np.array([5, -3] * 100, "<i2").tobytes()  # what a client sends that forgot to convert
    with pytest.raises(InvalidAudio):
        SoundForm().samples(data)


@pytest.mark.parametrize(("encoding", "size"), [(Encoding.F32, 6), (Encoding.S16, 7)])
def test_half_a_sample_is_refused(encoding, size):
    with pytest.raises(InvalidAudio, match="a sample has"):
        SoundForm(encoding=encoding).count(bytes(size))


@pytest.mark.parametrize("rate", [MIN_RATE - 1, MAX_RATE + 1])
def test_rates_have_bounds(rate):
    with pytest.raises(InvalidInput, match="sample_rate") as caught:
        SoundForm(rate)
    assert caught.value.field == "sample_rate"


def test_other_encodings_are_refused():
    with pytest.raises(InvalidInput, match="encoding 's24'"):
        SoundForm(encoding=Encoding.S24)


def test_bytes_per_second():
    assert SoundForm().bytes_per_second == 88_200
    assert SoundForm(48_000, Encoding.S16).bytes_per_second == 96_000
