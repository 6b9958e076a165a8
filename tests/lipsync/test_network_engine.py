import threading
from dataclasses import dataclass

import numpy as np
import pytest

from app.errors import Corrupt, Unavailable
from app.lipsync.batches import Batches
from app.lipsync.generator import Generator
from app.lipsync.mel import SAMPLE_RATE
from app.lipsync.network_engine import NetworkEngine
from app.lipsync.networks.runtime import Runtime
from app.lipsync.pipeline import Bounds, Pipeline
from app.lipsync.windows import WindowStream, frame_count
from tests.lipsync.performers import greys, order, tone
from tests.lipsync.portraits import astronaut, astronaut_face, picture

FIRST_ROW = 48


@dataclass
class Maps:
    size = 1000

    def part(self, start, stop):
        return self


def generator(drawn=None):
    """Draws grey faces; `drawn` gets the number of frames of each batch."""

    def run(parts):
        for windows, _ in parts:
            if drawn is not None:
                drawn.append(len(windows))
        return [np.full((len(windows), 96 - FIRST_ROW, 96, 3), 90, np.uint8) for windows, _ in parts]

    batches = Batches(run, largest=16)
    return Generator(Runtime("small", "cpu", "float32", FIRST_ROW, lambda faces: Maps(), batches))


def engine():
    return NetworkEngine("small", generator, lambda: 1)


def test_a_network_draws_into_the_face_alone():
    what = order(2.0, model="small")
    performance = engine().prepare(picture(astronaut()), astronaut_face(), what).perform(what)
    left, top, right, bottom = performance.changed

    [drawn] = performance.draw(np.zeros((3, 80, 16), np.float32), 0)
    frames = [frame.copy() for frame in performance.frames(drawn)]

    assert len(frames) == 3
    assert not np.array_equal(frames[0], astronaut())
    frames[0][top:bottom, left:right] = astronaut()[top:bottom, left:right]
    assert np.array_equal(frames[0], astronaut())


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
@pytest.mark.parametrize("seconds", [0.05, 1.0, 1.37])
def test_there_is_a_window_for_each_begun_frame_at_any_rate(rate, seconds):
    what = order(mel_offset=-1.0)
    performance = engine().prepare(picture(astronaut()), astronaut_face(), what).perform(what)
    sound = np.random.default_rng(0).normal(0, 0.1, round(seconds * rate)).astype(np.float32)

    windows = np.concatenate(list(performance.hear(iter(np.array_split(sound, 4)), rate)))

    assert windows.shape == (frame_count(len(sound), rate, 25), 80, 16)
    if rate == SAMPLE_RATE:
        stream = WindowStream(fps=25, offset=-1)
        assert np.array_equal(windows, np.concatenate((stream.push(sound), stream.finish(len(windows)))))


def test_a_network_goes_through_the_pipeline_in_its_batches():
    drawn: list[int] = []
    what = order(audio=tone(2.5, 22_050), model="small")
    kept = NetworkEngine("small", lambda: generator(drawn), lambda: 1)
    performance = kept.prepare(picture(astronaut()), astronaut_face(), what).perform(what)
    job = Pipeline(what, performance, (512, 512), is_streamed=False, bounds=Bounds(10, 10**7))
    while not (step := job.advance(threading.Event())).is_last:
        pass
    job.close()

    assert len(greys(step.data)) == step.frames == 63
    assert sum(drawn) <= 63 and max(drawn) <= 16


def test_a_network_is_loaded_once():
    loaded = []
    network = NetworkEngine("small", lambda: loaded.append(1) or generator(), lambda: 1)
    assert network.generator() is network.generator()
    assert loaded == [1]


def test_a_network_that_failed_is_not_tried_again_before_something_has_changed():
    states, tried = [1], []

    def load():
        tried.append(states[0])
        if states[0] == 1:
            raise Corrupt("it is damaged")
        return generator()

    network = NetworkEngine("small", load, lambda: states[0])
    for _ in range(2):
        with pytest.raises(Unavailable, match="it is damaged"):
            network.generator()
    states[0] = 2
    assert network.generator().name == "small"
    assert tried == [1, 2]


def test_portraits_depend_on_the_pads():
    assert engine().options(order(pads=(1, 2, 3, 4))) != engine().options(order())


def test_a_portrait_tells_its_size():
    portrait = engine().prepare(picture(astronaut()), astronaut_face(), order())
    assert portrait.size == 1000 + 512 * 512 * 3
