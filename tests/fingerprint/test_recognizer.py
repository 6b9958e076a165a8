from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.audio.resample import resample
from app.fingerprint.event import Lost, Matched
from app.fingerprint.fingerprint import Fingerprint
from app.fingerprint.fingerprinter import fingerprint
from app.fingerprint.index import Index
from app.fingerprint.recognizer import Recognizer
from tests.fingerprint.music import tune

RATE = 22_050
HOP = RATE // 2
TUNES = range(6)
SECONDS = 20.0
LONG_SECONDS = 60.0


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    index = Index(tmp_path_factory.mktemp("index"))
    index.add_all((number, known(number)) for number in TUNES)
    index.merge()
    return index


@pytest.fixture(scope="module")
def long_index(tmp_path_factory):
    index = Index(tmp_path_factory.mktemp("long_index"))
    index.add_all((number, fingerprint(longer(number), sample_rate=RATE)) for number in range(2))
    index.merge()
    return index


def test_a_track_placed_in_a_stream_is_found_where_it_is(index):
    before, inside = 37.3, 4.2
    stream = np.concatenate((noise(before), play(3, inside)))
    found = heard(index, stream)
    first = min(found)
    assert before < first <= before + 2.0
    for moment, event in found.items():
        (hit,) = event.hits
        assert (hit.track_id, hit.speed) == (3, 1.0)
        assert hit.end == pytest.approx(moment - before + inside, abs=0.05)
        assert hit.start == pytest.approx(max(0, moment - 3.0 - before + inside), abs=0.05)


@pytest.mark.parametrize("name", ["silence", "noise", "unknown music", "a click"])
def test_what_is_not_known_is_not_found(index, name):
    click = np.zeros(8 * RATE, np.float32)
    click[4 * RATE] = 1.0
    streams = {
        "silence": np.zeros(8 * RATE, np.float32),
        "noise": noise(8.0),
        "unknown music": play(100, 0, 8.0),
        "a click": click,
    }
    assert heard(index, streams[name]) == {}


@given(st.lists(st.integers(1, 3 * HOP), min_size=1, max_size=30))
@settings(max_examples=10, deadline=None)
def test_the_same_is_heard_however_it_is_cut(index, sizes):
    stream = np.concatenate((play(2, 1, 4), noise(4.0)))
    whole, pieces = Recognizer(index, sample_rate=RATE), Recognizer(index, sample_rate=RATE)
    told, end = [], 0
    for size in [*sizes, len(stream)]:
        told += pieces.push(stream[end : end + size])
        end += size
    assert told == whole.push(stream) != []


def test_another_track_is_noticed_within_two_hops_of_being_certain(index):
    change = 8.0
    stream = np.concatenate((play(1, 0, change), play(4, 5.0)))
    found = heard(index, stream)
    alone = min(heard(index, play(4, 5.0)))
    new = min(moment for moment, event in found.items() if 4 in ids(event))
    assert new <= change + alone + 1.0
    assert all(ids(event) == [4] for moment, event in found.items() if moment > change + alone + 1.0)


def test_it_says_once_when_the_music_has_stopped(index):
    stream = np.concatenate((play(1, 0, 6), np.zeros(8 * RATE, np.float32)))
    events = heard(index, stream, kind=Lost)
    assert len(events) == 1
    assert 6.0 < min(events) <= 6.0 + 4.0


def test_it_says_nothing_of_a_short_break(index):
    music = play(1, 0, 10).copy()
    music[5 * RATE : 6 * RATE] = 0
    assert heard(index, music, kind=Lost) == {}


def test_music_that_comes_back_is_found_again(index):
    stream = np.concatenate((play(1, 0, 5), np.zeros(8 * RATE, np.float32), play(2, 0, 5)))
    found = heard(index, stream)
    assert [ids(found[moment])[0] for moment in (min(found), max(found))] == [1, 2]


def test_a_track_that_is_removed_is_not_told_of_any_more(index, tmp_path):
    own = Index(tmp_path)
    own.add(1, known(1))
    recognizer = Recognizer(own, sample_rate=RATE)
    assert isinstance(recognizer.push(play(1, 0, 4))[-1], Matched)
    own.remove(1)
    assert not any(isinstance(event, Matched) for event in recognizer.push(play(1, 4, 8)))


def test_a_track_goes_on_when_the_reel_is_laid_anew(tmp_path):
    own = Index(tmp_path)
    own.add_all((number, known(number)) for number in range(3))
    recognizer = Recognizer(own, sample_rate=RATE)
    assert ids(recognizer.push(play(2, 0, 4))[-1]) == [2]
    own.remove(0)
    own.merge()
    told = recognizer.push(play(2, 4, 6))
    assert [ids(event) for event in told] == [[2]] * 4
    assert told[-1].hits[0].end == pytest.approx(6.0, abs=0.05)


def test_a_track_that_is_added_is_found_at_once(tmp_path):
    own = Index(tmp_path)
    recognizer = Recognizer(own, sample_rate=RATE)
    assert recognizer.push(play(1, 0, 3)) == []
    own.add(1, known(1))
    assert ids(recognizer.push(play(1, 3, 6))[-1]) == [1]


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_streams_of_other_rates_are_heard(index, rate):
    recognizer = Recognizer(index, sample_rate=rate)
    told = recognizer.push(play(5, 0, 5, rate=rate))
    assert ids(told[-1]) == [5]
    assert told[-1].hits[0].end == pytest.approx(5.0, abs=0.05)


def test_it_tells_how_much_is_in_its_window(index):
    recognizer = Recognizer(index, sample_rate=RATE)
    assert (recognizer.buffered, recognizer.capacity) == (0, 66_150)
    recognizer.push(noise(1.2))
    assert recognizer.buffered == round(1.2 * RATE)
    recognizer.push(noise(4.0))
    assert recognizer.buffered == recognizer.capacity


def test_window_and_hop_are_as_they_are_wanted(index):
    recognizer = Recognizer(index, sample_rate=RATE, window=2.0, hop=0.25)
    assert recognizer.capacity == 2 * RATE
    told = recognizer.push(play(1, 0, 5))
    assert 8 < len(told) <= 18
    assert told[-1].hits[0].end - told[-1].hits[0].start == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize(("window", "hop"), [(3.0, 0.25), (3.0, 1.0), (5.0, 0.5), (1.0, 0.3), (1.0, 2.0)])
def test_a_track_is_found_with_any_window_and_hop(index, window, hop):
    recognizer = Recognizer(index, sample_rate=RATE, window=window, hop=hop)
    stream = np.concatenate((noise(3.7), play(3, 0, 10), np.zeros(10 * RATE, np.float32)))
    told = recognizer.push(stream)
    matched = [event for event in told if isinstance(event, Matched)]
    assert {tuple(ids(event)) for event in matched} == {(3,)}
    assert len(matched) >= (10 - 3) / hop
    assert [type(event) for event in told].count(Lost) == 1


@pytest.mark.parametrize("speed", [1.02, 0.98, 1.012])
def test_a_track_is_found_at_another_speed(long_index, speed):
    found = heard(long_index, faster(longer(1), speed))
    assert min(found) < 15
    for moment, event in found.items():
        (hit,) = event.hits
        assert hit.speed == pytest.approx(speed, abs=0.003)
        assert hit.end == pytest.approx(moment * speed, abs=0.05)


@pytest.mark.parametrize("tempo", [1.04, 0.97])
def test_a_track_is_found_at_another_tempo(long_index, tempo):
    found = heard(long_index, tune(1, seconds=LONG_SECONDS, sample_rate=RATE, tempo=tempo)[: 25 * RATE])
    assert min(found) < 5
    late = [(moment, event.hits[0]) for moment, event in found.items() if moment > 6]
    assert len(late) > 35
    for moment, hit in late:
        assert hit.speed == pytest.approx(tempo, abs=0.012)  # of a window of 3 s
        assert hit.end == pytest.approx(moment * tempo, abs=0.05)


@pytest.mark.parametrize("speed", [1.0005, 0.999])
def test_a_track_is_followed_though_clocks_differ(long_index, speed):
    stream = faster(longer(0), speed)
    found = heard(long_index, stream)
    hops = len(stream) // HOP
    assert len(found) >= hops - 5
    assert heard(long_index, stream, kind=Lost) == {}
    for moment, event in found.items():
        assert event.hits[0].end == pytest.approx(moment * speed, abs=0.05)


def test_times_stay_exact_in_a_long_stream(index):
    recognizer = Recognizer(index, sample_rate=RATE)
    for _ in range(20):
        recognizer.push(np.zeros(60 * RATE, np.float32))
    told = recognizer.push(play(1, 0, 5))
    assert told[-1].hits[0].end == pytest.approx(5.0, abs=0.05)


def heard(index: Index, stream: np.ndarray, *, kind: type = Matched) -> dict[float, Matched]:
    """Return the events of a kind by the second of the stream at which they come."""
    recognizer, found = Recognizer(index, sample_rate=RATE), {}
    for start in range(0, len(stream) - HOP + 1, HOP):
        for event in recognizer.push(stream[start : start + HOP]):
            if isinstance(event, kind):
                found[(start + HOP) / RATE] = event
    return found


def ids(event: Matched) -> list[int]:
    return [hit.track_id for hit in event.hits]


def longer(number: int) -> np.ndarray:
    return tune(number, seconds=LONG_SECONDS, sample_rate=RATE)


def faster(samples: np.ndarray, speed: float) -> np.ndarray:
    return resample(samples, from_rate=round(RATE * speed * 10), to_rate=RATE * 10)


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(7).normal(0, 0.02, round(seconds * RATE)).astype(np.float32)


def play(number: int, first: float = 0.0, end: float = SECONDS, *, rate: int = RATE) -> np.ndarray:
    """Play some seconds of a tune."""
    return tune(number, seconds=SECONDS, sample_rate=rate)[round(first * rate) : round(end * rate)]


@cache
def known(number: int) -> Fingerprint:
    return fingerprint(play(number), sample_rate=RATE)
