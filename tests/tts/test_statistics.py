from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tts.latency import ERROR, bucket_of
from app.tts.statistics import (
    FAILED,
    FINISHED,
    FROM_DISK,
    FROM_MEMORY,
    NOT_IN_MEMORY,
    CacheFigures,
    Statistics,
)


def counting() -> Statistics:
    statistics = Statistics()
    for seconds in (0.1, 0.2, 0.3):
        statistics.finished("espeak", seconds)
    statistics.first_audio("espeak", 0.05)
    statistics.failed("edge", "WorkerFailed")
    statistics.failed("edge", "WorkerFailed")
    statistics.failed("edge", "DeadlineExceeded")
    return statistics


def test_every_backend_has_its_figures():
    backends = counting().backends()
    assert list(backends) == ["edge", "espeak"]
    espeak, edge = backends["espeak"], backends["edge"]
    assert (espeak.jobs, espeak.failures) == (3, {})
    assert espeak.finished is not None
    assert espeak.finished.p50 == pytest.approx(0.2, rel=ERROR)
    assert espeak.first_audio is not None
    assert espeak.first_audio.p99 == pytest.approx(0.05, rel=ERROR)
    assert (edge.jobs, edge.finished, edge.first_audio) == (0, None, None)
    assert edge.failures == {"DeadlineExceeded": 1, "WorkerFailed": 2}


def test_before_anything_happened_there_are_no_figures():
    assert Statistics().backends() == {}
    assert Statistics().cache() == CacheFigures(0, 0, 0)
    assert Statistics().cache().hit_rate is None


def test_lookups_are_counted_by_what_answered():
    statistics = Statistics()
    for what in (FROM_MEMORY, FROM_MEMORY, NOT_IN_MEMORY, FROM_DISK, NOT_IN_MEMORY):
        statistics.looked_up(what)
    assert statistics.cache() == CacheFigures(2, 1, 1)
    assert statistics.cache().hit_rate == 0.75


def test_what_the_store_held_before_is_added():
    statistics = counting()
    taken = statistics.take()
    statistics.stored(taken + Counter({("espeak", FINISHED, bucket_of(0.1)): 7}))
    statistics.failed("espeak", "WorkerLost")
    assert statistics.backends()["espeak"].jobs == 10
    assert statistics.take() == Counter({("espeak", FAILED + "WorkerLost", 0): 1})


@given(st.lists(st.sampled_from(["happen", "take", "stored", "give_back"]), max_size=40))
def test_nothing_is_lost_and_nothing_counted_twice(steps):
    statistics, store, taken, happened = Statistics(), Counter(), None, 0
    for step in steps:
        if step == "happen":
            statistics.failed("a", "WorkerLost")
            happened += 1
        elif step == "take" and taken is None:
            taken = statistics.take()
        elif step == "stored" and taken is not None:
            store += taken
            statistics.stored(store)
            taken = None
        elif step == "give_back" and taken is not None:
            statistics.give_back()
            taken = None
        told = statistics.backends()
        assert (told["a"].failures["WorkerLost"] if told else 0) == happened
