import pytest

from app.api.stream.limits import StreamLimits
from app.api.stream.rates import Rates
from app.audio.pcm import Encoding
from app.errors import RateLimited
from app.fingerprint.sound_form import SoundForm


def taken(rates: Rates, size: int) -> int:
    for count in range(10_000):
        try:
            rates.count(size)
        except RateLimited:
            return count
    return 10_000


def test_the_documents_rate_has_room_for_the_documents_audio():
    assert StreamLimits().bytes_per_second > 2 * SoundForm().bytes_per_second


def test_two_seconds_of_the_rate_may_come_at_once():
    assert taken(Rates(StreamLimits(messages_per_minute=0), SoundForm()), 4096) == 2 * 204_800 // 4096


def test_narrow_forms_weigh_more():
    telephone = SoundForm(8000, Encoding.S16)
    seconds = taken(Rates(StreamLimits(messages_per_minute=0), telephone), 1600) / 10
    assert seconds == pytest.approx(4.6, abs=0.1)


def test_wide_forms_count_as_they_are():
    assert taken(Rates(StreamLimits(messages_per_minute=0), SoundForm(48_000)), 4096) == 100


def test_messages_are_counted():
    assert taken(Rates(StreamLimits(), SoundForm()), 0) == pytest.approx(1000, abs=3)


def test_none_means_no_limit():
    assert taken(Rates(StreamLimits(bytes_per_second=0, messages_per_minute=0), SoundForm()), 100_000) == 10_000
