from dataclasses import replace

import numpy as np
import pytest

from app.audio.resample import resample
from app.fingerprint.fingerprinter import fingerprint
from app.fingerprint.index import Index
from app.fingerprint.listener import listen
from app.fingerprint.score import DEFAULT_THRESHOLD, confidence
from app.fingerprint.search import Search, search
from app.fingerprint.spectrum import SAMPLE_RATE
from tests.fingerprint.music import noise, tone, tune

LONG, COPY, SHORT = 0, 100, 101
"""Track ids: of a minute, of a part of that, and of a tune of 20 s."""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    index = Index(tmp_path_factory.mktemp("index"))
    sounds = {number: tune(number) for number in range(1, 9)}
    sounds |= {LONG: tune(50, seconds=60), COPY: tune(50, seconds=60)[20 * SAMPLE_RATE : 45 * SAMPLE_RATE]}
    index.add_all((id, fingerprint(sound, sample_rate=SAMPLE_RATE)) for id, sound in sounds.items())
    yield index.view()
    index.close()


def cut(sound, start, seconds=3.0):
    return sound[round(start * SAMPLE_RATE) : round((start + seconds) * SAMPLE_RATE)]


def found(library, sound, **options):
    return search(library, listen(sound), **options)


@pytest.mark.parametrize("start", [0.0, 37.3, 56.9])
def test_a_track_is_found_where_it_is(library, start):
    hit = found(library, cut(tune(50, seconds=60), start))[0]
    assert hit.track_id in (LONG, COPY)
    if hit.track_id == LONG:
        assert hit.start == pytest.approx(start, abs=0.03) and hit.end == pytest.approx(start + 2.8, abs=0.1)
    assert hit.speed == 1.0 and hit.score > DEFAULT_THRESHOLD
    assert hit.confidence == confidence(hit.score) > 0.999 and hit.similarity > 0.7


@pytest.mark.parametrize("seconds", [1.0, 2.0, 10.0])
@pytest.mark.parametrize("number", [1, 4, 7])
def test_queries_of_all_lengths_find_it(library, number, seconds):
    [hit] = found(library, cut(tune(number), 6.0, seconds))
    assert (hit.track_id, hit.start) == (number, pytest.approx(6.0, abs=0.03))


@pytest.mark.parametrize("number", [2, 5])
def test_it_is_found_in_noise(library, number):
    sound = cut(tune(number), 8.0)
    [hit] = found(library, sound + noise(3, level=float(sound.std())))
    assert (hit.track_id, hit.start) == (number, pytest.approx(8.0, abs=0.05))


def test_both_copies_of_a_recording_are_found(library):
    hits = found(library, cut(tune(50, seconds=60), 30.0))
    assert {hit.track_id: round(hit.start, 1) for hit in hits} == {LONG: 30.0, COPY: 10.0}
    assert hits[0].score >= hits[1].score


@pytest.mark.parametrize("speed", [0.955, 0.98, 1.015, 1.05])
def test_it_is_found_at_another_speed(library, speed):
    sound = resample(tune(3), from_rate=round(11_025 * speed), to_rate=11_025)
    [hit] = found(library, cut(sound, 8.0 / speed))
    assert hit.track_id == 3 and hit.start == pytest.approx(8.0, abs=0.1)
    assert hit.speed == pytest.approx(speed, abs=0.003)
    assert hit.end - hit.start == pytest.approx(2.8 * speed, abs=0.1)


def test_speeds_need_not_be_tried(library):
    sound = resample(tune(3), from_rate=round(11_025 * 1.04), to_rate=11_025)
    assert found(library, cut(sound, 8.0), speeds=False) == []


def test_a_query_that_begins_before_its_track_finds_its_beginning(library):
    [hit] = found(library, np.concatenate((np.zeros(SAMPLE_RATE, np.float32), cut(tune(6), 0.0, 3.0))))
    assert hit.track_id == 6 and hit.start == 0.0 and hit.end == pytest.approx(2.8, abs=0.1)


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(3 * SAMPLE_RATE, np.float32),
        np.zeros(0, np.float32),
        noise(3),
        tone(440, 3.0),
        cut(tune(200), 5.0),
        cut(tune(201), 5.0, 10.0),
    ],
    ids=["silence", "nothing", "noise", "a tone", "unknown music", "more of it"],
)
def test_what_is_not_there_is_not_found(library, sound):
    assert found(library, sound) == []


def test_more_places_are_looked_at_only_if_none_is_right(library, monkeypatch):
    monkeypatch.setattr("app.fingerprint.search.CANDIDATES", 1)
    copied = Search(library, listen(cut(tune(50, seconds=60), 30.0)))
    assert len(copied.all(threshold=DEFAULT_THRESHOLD)) == 1
    assert len(copied.all(threshold=1000.0, speeds=False)) > 1


def test_an_empty_catalogue_has_nothing(tmp_path):
    index = Index(tmp_path)
    assert found(index.view(), cut(tune(1), 5.0)) == []
    index.close()


def test_a_hit_needs_the_threshold(library):
    hit = found(library, cut(tune(1), 6.0, 1.0))[0]
    assert found(library, cut(tune(1), 6.0, 1.0), threshold=hit.score - 0.01) == [hit]
    assert found(library, cut(tune(1), 6.0, 1.0), threshold=hit.score + 50, speeds=False) == []


def test_the_same_query_gives_the_same_hit(library):
    one, other = (found(library, cut(tune(7), 5.0))[0] for _ in range(2))
    assert replace(one) == other
