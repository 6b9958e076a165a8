import gc
import os
import sys
import threading
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from app.errors import InvalidAudio
from app.lipsync.engine import AHEAD
from app.lipsync.handover import Stopped
from app.lipsync.picture import read_picture
from app.lipsync.pipeline import Bounds, Pipeline
from tests.lipsync.performers import Broken, FlatEngine, FlatPerformance, OneFace, greys, order, portrait_threads, tone

BOUNDS = Bounds(max_seconds=1000, max_audio_bytes=10**8)


@pytest.fixture
def no_thread_is_left():
    yield
    assert portrait_threads() == []


pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def performance(what, engine=None):
    picture = read_picture(what.image)
    face = OneFace().find(picture)[0]
    return (engine or FlatEngine()).prepare(picture, face, what).perform(what)


def pipeline(what, performing=None, *, is_streamed=False, bounds=BOUNDS):
    return Pipeline(what, performing or performance(what), (64, 64), is_streamed=is_streamed, bounds=bounds)


def run(job, stop=None):
    """Return all bytes and the last step."""
    stop, data = stop or threading.Event(), []
    try:
        while True:
            step = job.advance(stop)
            data.append(step.data)
            if step.is_last:
                return b"".join(data), step
    finally:
        job.close()


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("seconds", [0.01, 0.39, 1.0, 2.01])
def test_there_is_a_frame_for_each_begun_part_of_the_sound_in_order(seconds, is_streamed):
    job = pipeline(order(seconds), is_streamed=is_streamed)

    video, step = run(job)

    expected = [16 + number * 5 % 224 for number in range(int(np.ceil(seconds * 25)))]
    assert greys(video) == pytest.approx(expected, abs=8)
    assert step.frames == len(expected)
    assert job.duration == pytest.approx(seconds, abs=1e-3)
    assert job.codecs.startswith("avc1.")


def test_a_stream_comes_in_many_parts_and_is_begun_before_all_is_drawn():
    begun = threading.Event()

    def wait(number):
        if number == 45:
            assert begun.wait(30)

    what = order(2.0)
    job = pipeline(what, performance(what, FlatEngine(before=wait)), is_streamed=True)
    stop, parts = threading.Event(), []
    while not (step := job.advance(stop)).is_last:
        if step.data:
            parts.append(step.data)
            begun.set()
    job.close()
    assert len(parts) >= 4


def test_three_threads_do_the_three_stages():
    what = order(1.0)
    performing = performance(what)

    run(pipeline(what, performing))

    assert performing.threads == {"portrait-hear", "portrait-draw", threading.current_thread().name}


def test_the_first_batch_is_small_and_the_others_full():
    what = order(1.6)
    performing = performance(what)
    performing.batch = 20

    run(pipeline(what, performing))

    assert performing.batches == [(0, 8), (8, 20), (28, 12)]


def test_the_rate_of_the_sound_is_kept():
    what = order(audio=tone(1.0, 44_100))
    performing = performance(what)

    run(pipeline(what, performing))

    assert sum(performing.heard) == 44_100
    assert set(performing.heard[:-1]) == {17_640}


def test_what_a_stage_meets_is_raised_and_ends_the_others():
    def fail(number):
        if number == 20:
            raise Broken("no more")

    what = order(60.0)
    with pytest.raises(Broken, match="no more"):
        run(pipeline(what, performance(what, FlatEngine(before=fail))))


def test_what_encoding_meets_is_raised_and_ends_the_others():
    class Odd(FlatPerformance):
        def frames(self, drawn):
            yield drawn[:10]

    what = order(60.0)
    portrait = FlatEngine().prepare(read_picture(what.image), OneFace().find(read_picture(what.image))[0], what)
    with pytest.raises(ValueError, match="picture"):
        run(pipeline(what, Odd(portrait, what)))


@pytest.mark.parametrize("audio", [b"", b"no sound at all", tone(1.0)[:44]])
def test_what_is_no_sound_is_refused(audio):
    with pytest.raises(InvalidAudio):
        run(pipeline(order(audio=audio)))


def test_a_sound_that_is_too_long_is_refused_when_that_is_known():
    with pytest.raises(InvalidAudio, match="longer than 2 s"):
        run(pipeline(order(10.0), bounds=replace(BOUNDS, max_seconds=2.0)))


def test_a_stop_ends_everything_while_the_engine_draws():
    stop = threading.Event()
    what = order(100.0)
    job = pipeline(what, performance(what, FlatEngine(before=lambda number: number == 30 and stop.set())))

    with pytest.raises(Stopped):
        run(job, stop)

    assert job.frames < 60


def test_a_stop_ends_who_waits_for_an_engine_that_hangs():
    stop, going_on = threading.Event(), threading.Event()

    def hang(number):
        if number == 3:
            stop.set()
            assert going_on.wait(30)

    what = order(5.0)
    job = pipeline(what, performance(what, FlatEngine(before=hang)))
    with pytest.raises(Stopped):
        while True:
            job.advance(stop)
    going_on.set()
    job.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are counted by /proc")
def test_what_was_encoded_of_a_stopped_job_is_let_go_at_once():
    """The encoder's threads and its memory, not only when the garbage is collected next."""
    before = native_threads()
    gc.disable()
    try:
        for _ in range(4):
            stop = threading.Event()
            what = order(100.0)
            job = pipeline(what, performance(what, FlatEngine(before=lambda number: number == 40 and stop.set())))  # noqa: B023
            with pytest.raises(Stopped):
                run(job, stop)
        for _ in range(10_000):  # the system buries a thread a moment after it was joined
            if native_threads() <= before:
                break
            threading.Event().wait(0.001)
        assert native_threads() <= before
    finally:
        gc.enable()


def native_threads() -> int:
    return len(os.listdir("/proc/self/task"))


def test_a_job_may_be_closed_before_it_has_begun_and_twice():
    job = pipeline(order())
    job.close()
    job.close()


def test_stages_wait_for_each_other():
    drawn: list[int] = []
    what = order(100.0)
    job = pipeline(what, performance(what, FlatEngine(before=drawn.append)), is_streamed=True)
    stop = threading.Event()

    while not job.advance(stop).data:
        pass
    encoded = job.frames
    while not job._to_encode.is_full:
        threading.Event().wait(0.001)

    assert encoded < len(drawn) <= encoded + AHEAD + 2
    job.close()


def test_five_minutes_take_no_more_memory_than_half_a_minute():
    peaks = []
    for seconds in (30, 300):
        what = order(audio=tone(seconds, 8000), fps=5.0)
        tracemalloc.start()
        job, stop = pipeline(what, is_streamed=True), threading.Event()
        while not job.advance(stop).is_last:
            pass
        job.close()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 200_000
