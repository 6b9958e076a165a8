import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidAudio, Unavailable
from app.fingerprint.ear import Batch, Ears
from app.fingerprint.event import Lost, Matched
from app.fingerprint.hearing import BEHIND_SECONDS, Heard, Hearing
from app.fingerprint.sound_form import SoundForm
from tests.fingerprint.fake_recognizer import MUSIC, STOPS, FakeRecognizer, hit, sound

RATE = 8000
HOP = RATE // 2


class Stream:
    """A hearing whose turns a test takes by hand."""

    def __init__(self) -> None:
        self.recognizers: list[FakeRecognizer] = []
        self.told: list[Heard] = []
        self.due = 0
        self.fault: Exception | None = None
        self.ears = Ears(self.make)
        self.hearing = Hearing(SoundForm(RATE), self.told.append, hop=0.5, due=self.note)

    def make(self, sample_rate: int) -> FakeRecognizer:
        if self.fault is not None:
            raise self.fault
        self.recognizers.append(FakeRecognizer(sample_rate))
        return self.recognizers[-1]

    def note(self, hearing: Hearing) -> None:
        assert hearing is self.hearing
        self.due += 1

    def turn(self) -> Heard:
        self.due -= 1
        self.hearing.conclude(*self.ears.hear(Batch([self.hearing.take()])))
        return self.told[-1]

    def send(self, samples: int, value: float = 0.0) -> None:
        self.hearing.offer(sound(samples, value))

    def begin(self) -> None:
        self.send(HOP)
        self.turn()


def test_the_first_frame_makes_the_recognizer():
    stream = Stream()
    stream.send(10)
    heard = stream.turn()
    assert (heard.is_first, heard.events, heard.error) == (True, (), None)
    assert stream.recognizers[0].sample_rate == RATE
    assert stream.hearing.progress.processed == 10


def test_a_turn_is_due_when_a_hop_is_complete():
    stream = Stream()
    stream.begin()
    stream.send(HOP - 1)
    assert stream.due == 0
    stream.send(1)
    assert stream.due == 1


def test_hops_are_counted_from_the_beginning_and_not_from_the_last_turn():
    stream = Stream()
    stream.send(HOP + 1)
    stream.turn()
    stream.send(HOP - 1)
    assert stream.due == 1


def test_a_turn_is_due_once_however_much_comes():
    stream = Stream()
    for _ in range(5):
        stream.send(HOP)
    assert stream.due == 1


def test_a_turn_hears_two_hops_at_most_and_the_next_is_due_at_once():
    stream = Stream()
    for _ in range(5):
        stream.send(HOP)
    assert stream.turn().progress.processed == 2 * HOP
    assert stream.due == 1
    stream.turn()
    stream.turn()
    assert (stream.due, stream.hearing.progress.processed) == (0, 5 * HOP)


@given(st.lists(st.integers(1, 3 * HOP), min_size=1, max_size=20))
def test_law_every_sample_is_heard_once_and_in_order_whatever_the_frames(sizes):
    stream = Stream()
    rng = np.random.default_rng(sum(sizes))
    frames = [rng.uniform(-1, 1, size).astype("<f4") for size in sizes]
    for frame in frames:
        stream.hearing.offer(frame.tobytes())
        while stream.due:
            stream.turn()
    heard = np.concatenate(stream.recognizers[0].pushed)
    everything = np.concatenate(frames)
    assert len(everything) - len(heard) < HOP
    assert np.array_equal(heard, everything[: len(heard)])
    assert stream.hearing.progress.processed == len(heard)


def test_what_is_heard_is_told_with_the_progress():
    stream = Stream()
    stream.begin()
    stream.send(HOP, MUSIC)
    heard = stream.turn()
    assert heard.events == (Matched((hit(),)),)
    assert (heard.progress.processed, heard.progress.seconds) == (2 * HOP, 1.0)
    assert (heard.progress.buffered, heard.progress.capacity) == (2 * HOP, 3 * RATE)
    stream.send(HOP, STOPS)
    assert stream.turn().events == (Lost(),)


def test_half_a_sample_is_refused_and_nothing_of_it_kept():
    stream = Stream()
    with pytest.raises(InvalidAudio):
        stream.hearing.offer(bytes(7))
    assert stream.due == 0


def test_a_frame_that_is_no_audio_is_left_out_and_the_others_heard():
    stream = Stream()
    stream.begin()
    stream.send(HOP // 2, 0.1)
    stream.send(HOP // 4, np.nan)
    stream.send(HOP // 4, 0.2)
    heard = stream.turn()
    assert (heard.unreadable, heard.error) == (1, None)
    assert np.unique(stream.recognizers[0].pushed[-1]).tolist() == [np.float32(0.1), np.float32(0.2)]
    assert heard.progress.processed == HOP + HOP // 2 + HOP // 4


def test_nothing_is_pushed_where_no_frame_is_audio():
    stream = Stream()
    stream.send(10, np.inf)
    assert stream.turn().unreadable == 1
    assert stream.recognizers[0].pushed == []


def test_who_is_too_far_behind_begins_anew_with_what_comes_now():
    stream = Stream()
    stream.begin()
    for _ in range(int(BEHIND_SECONDS * 2)):
        assert stream.hearing.offer(sound(HOP)) == 0
    assert stream.hearing.offer(sound(HOP, MUSIC)) == BEHIND_SECONDS
    heard = stream.turn()
    assert heard.events and not heard.is_first
    assert (len(stream.recognizers), stream.recognizers[1].processed) == (2, HOP)
    assert heard.progress.processed == 2 * HOP


def test_one_message_may_be_longer_than_what_may_wait():
    stream = Stream()
    assert stream.hearing.offer(sound(round(2 * BEHIND_SECONDS * RATE))) == 0


def test_a_recognizer_that_cannot_be_made_is_tried_again_at_the_next_hop():
    stream = Stream()
    stream.fault = Unavailable("the index is being opened")
    stream.send(HOP)
    assert stream.turn() == Heard(error=stream.fault)
    assert stream.hearing.progress is None
    stream.fault = None
    stream.send(HOP)
    assert stream.turn().is_first


def test_a_recognizer_that_fails_is_replaced():
    stream = Stream()
    stream.begin()
    fault = RuntimeError("broken")
    stream.recognizers[0].push = lambda samples: (_ for _ in ()).throw(fault)
    stream.send(HOP)
    assert stream.turn().error is fault
    stream.send(HOP, MUSIC)
    assert stream.turn().events
    assert len(stream.recognizers) == 2


def test_a_closed_stream_is_told_nothing():
    stream = Stream()
    stream.begin()
    stream.send(HOP, MUSIC)
    turn = stream.hearing.take()
    stream.hearing.close()
    stream.hearing.conclude(*stream.ears.hear(Batch([turn])))
    assert len(stream.told) == 1
    assert stream.hearing.take().frames == []


def test_the_ear_of_a_stream_that_is_gone_goes_with_the_next_batch():
    gone: list[Hearing] = []
    hearing = Hearing(SoundForm(RATE), lambda heard: None, hop=0.5, due=lambda hearing: None, gone=gone.append)
    ears = Ears(FakeRecognizer)
    hearing.offer(sound(HOP))
    ears.hear(Batch([hearing.take()]))
    hearing.close()
    hearing.close()
    assert gone == [hearing] and len(ears) == 1
    ears.hear(Batch([hearing.take()], [hearing.key]))
    assert len(ears) == 0


def test_a_stream_whose_ear_was_lost_is_heard_on_by_another_one():
    stream = Stream()
    stream.begin()
    stream.ears = Ears(stream.make)
    stream.send(HOP, MUSIC)
    heard = stream.turn()
    assert heard.events and not heard.is_first and heard.error is None
    assert heard.progress.processed == 2 * HOP


def test_a_fault_over_one_stream_of_a_batch_is_not_the_others():
    def make(rate: int) -> FakeRecognizer:
        if rate == RATE:
            raise MemoryError("broken")
        return FakeRecognizer(rate)

    hearings = [
        Hearing(SoundForm(rate), lambda heard: None, hop=0.5, due=lambda hearing: None) for rate in (RATE, 9000)
    ]
    for hearing in hearings:
        hearing.offer(sound(HOP))
    broken, well = Ears(make).hear(Batch([hearing.take() for hearing in hearings]))
    assert isinstance(broken.error, MemoryError) and broken.samples == 0
    assert well.error is None and well.samples == HOP
