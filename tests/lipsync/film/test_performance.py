import io
import threading
import tracemalloc
from dataclasses import dataclass

import av
import cv2
import numpy as np
import pytest

from app.lipsync.batches import Batches
from app.lipsync.engine import AHEAD
from app.lipsync.film.faces import Cast
from app.lipsync.film.film import Film, FilmReader
from app.lipsync.film.performance import FilmPerformance
from app.lipsync.film.player import numbers
from app.lipsync.generator import Generator
from app.lipsync.handover import GO_ON, Stopped
from app.lipsync.networks.runtime import Runtime
from app.lipsync.pipeline import Bounds, Pipeline
from app.lipsync.placement import place
from tests.lipsync.film.test_faces import Scripted, face
from tests.lipsync.films import film, greys, moving_face
from tests.lipsync.performers import order, tone
from tests.lipsync.portraits import astronaut_face, scaled

FIRST_ROW = 48


@dataclass
class Faces:
    """What the network looks at, kept as it is."""

    squares: np.ndarray
    size = 1000

    def part(self, start, stop):
        return Faces(self.squares[start:stop])


def generator(draw, batch=16):
    """Draws by a function of windows and the lower rows of the squares."""

    def run(parts):
        return [draw(windows, faces.squares[:, FIRST_ROW:]).astype(np.uint8) for windows, faces in parts]

    return Generator(Runtime("small", "cpu", "float32", FIRST_ROW, Faces, Batches(run, largest=batch)))


def the_same(windows, rows):
    return rows


def negative(windows, rows):
    return 255 - rows


class Placed:
    """Follows a face whose place in each picture is known."""

    def __init__(self, where):
        self.where = where
        self.number = 0

    def find(self, picture, stop=GO_ON):
        return []

    def follow(self, picture, face):
        self.number += 1
        landmarks = self.where[self.number]
        return None if landmarks is None else type(face)(landmarks, face.box, 1.0)


def performance(data, where, draw, **changes):
    whole = Film(data, max_seconds=100)
    what = order(image=b"", video=data, model="small", **changes)
    first = type(astronaut_face())(where[0], astronaut_face().box, 1.0)
    return FilmPerformance(generator(draw), Cast(whole, (first,), first, 0), Placed(where), what), whole


def frames(performing, count):
    windows = np.zeros((count, 80, 16), np.float32)
    batches = range(0, count, performing.batch)
    drawn = (performing.draw(windows[start : start + performing.batch], start) for start in batches)
    return [frame.copy() for batch in drawn for piece in batch for frame in performing.frames(piece)]


def test_lips_change_where_the_face_is_and_nothing_else_does():
    pictures, where = moving_face(20)
    data = film(pictures, options={"crf": "10"})
    performing, whole = performance(data, where, negative, smooth=False)
    reader = FilmReader(whole)

    drawn = frames(performing, 17)

    assert len(drawn) == 17
    for number, frame in enumerate(drawn):
        source = reader.at(number, GO_ON)
        changed = np.argwhere((frame != source).any(axis=2))
        square = place(where[number]).to_square(changed[:, ::-1].astype(np.float32) + 0.5)
        assert len(changed) > 1500
        assert (square[:, 1] > FIRST_ROW - 3).all() and (square > -2).all() and (square < 98).all()
        mouth = where[number][[13, 14]].mean(axis=0).astype(int)
        assert np.abs(frame[mouth[1], mouth[0]].astype(int) - source[mouth[1], mouth[0]]).max() > 20


def test_what_is_drawn_as_it_was_is_as_it_was():
    pictures, where = moving_face(12)
    performing, whole = performance(film(pictures, options={"crf": "10"}), where, the_same)
    reader = FilmReader(whole)
    for number, frame in enumerate(frames(performing, 10)):
        difference = cv2.absdiff(frame, reader.at(number, GO_ON))
        assert difference.mean() < 0.05 and difference.max() < 60


def test_each_frame_is_drawn_from_its_own_picture():
    looked = []

    def draw(windows, rows):
        looked.extend(rows)
        return rows

    pictures, where = moving_face(20)
    data = film(pictures, options={"crf": "10"})
    performing, whole = performance(data, where, draw, smooth=False)
    frames(performing, 16)
    reader = FilmReader(whole)
    assert len(looked) == 16
    for number, rows in enumerate(looked):
        own = place(where[number]).take(reader.at(number, GO_ON))[FIRST_ROW:]
        assert np.array_equal(rows, own)


@pytest.mark.parametrize("smooth", [True, False])
def test_places_tremble_only_if_that_is_wanted(smooth):
    rng = np.random.default_rng(0)
    still = moving_face(1)[0] * 30
    where = [astronaut_face().landmarks + rng.normal(0, 1, 2).astype(np.float32) for _ in range(40)]
    squares = []

    def draw(windows, rows):
        squares.extend(rows.astype(float))
        return rows

    performing, _ = performance(film(still), where, draw, smooth=smooth)
    frames(performing, 24)
    trembling = np.mean([np.abs(after - before).mean() for before, after in zip(squares, squares[1:], strict=False)])
    assert (trembling < 4) == smooth


def test_pictures_without_the_face_pass_unchanged():
    pictures, where = moving_face(40, gone=range(8, 40))
    performing, whole = performance(film(pictures), [*where[:8], *[None] * 200], negative)
    drawn, reader = frames(performing, 30), FilmReader(whole)
    same = [np.array_equal(frame, reader.at(number, GO_ON)) for number, frame in enumerate(drawn)]
    assert not any(same[:8]) and all(same[14:])


@pytest.mark.parametrize("sides", [(64, 48), (65, 47), (49, 63)])
def test_a_short_film_of_any_sides_goes_through_the_pipeline_forth_and_back(sides):
    data = film(greys(20, *sides))
    whole = Film(data, max_seconds=9)
    what = order(audio=tone(3.0), image=b"", video=data, model="small")
    finder = Scripted(followed=[face() for _ in range(200)])
    performing = FilmPerformance(generator(the_same), Cast(whole, (face(),), face(), 0), finder, what)
    video = whole_video(what, performing, whole.size)

    with av.open(io.BytesIO(video)) as container:
        made = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    shown = [number for number, _ in zip(numbers(whole.times, whole.duration, 25), range(75), strict=False)]
    reader = FilmReader(whole)
    assert len(made) == 75 and made[0].shape[1::-1] == whole.size
    for number, frame in zip(shown, made, strict=True):
        assert np.abs(frame[-8:, -8:].astype(int) - reader.at(number, GO_ON)[-8:, -8:]).mean() < 6


def whole_video(what, performing, size, *, is_kept=True):
    job = Pipeline(what, performing, size, is_streamed=True, bounds=Bounds(1000, 10**8))
    parts, stop = [], threading.Event()
    try:
        while True:
            step = job.advance(stop)
            parts += [step.data] if is_kept else []
            if step.is_last:
                return b"".join(parts)
    finally:
        job.close()


def test_memory_does_not_depend_on_the_length_of_the_sound():
    data = film(greys(50, 128, 96))
    peaks = []
    for seconds in (34, 100):
        what = order(audio=tone(seconds, 8000), image=b"", video=data, model="small", fps=5.0)
        whole = Film(data, max_seconds=9)
        finder = Scripted(followed=[face() for _ in range(100)])
        performing = FilmPerformance(generator(the_same), Cast(whole, (face(),), face(), 0), finder, what)
        tracemalloc.start()
        whole_video(what, performing, whole.size, is_kept=False)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 500_000


def test_frames_last_as_long_as_they_have_to():
    pictures, where = moving_face(20)
    performing, _ = performance(film(pictures), where, negative)
    held, copies = [], []
    for start in range(0, 16, performing.batch):
        for frame in performing.draw(np.zeros((performing.batch, 80, 16), np.float32), start):
            held, copies = [*held, frame][-AHEAD - 1 :], [*copies, frame.copy()][-AHEAD - 1 :]
            assert all(np.array_equal(one, other) for one, other in zip(held, copies, strict=True))


def test_a_stop_ends_a_batch_in_the_middle():
    pictures, where = moving_face(20)
    stop = threading.Event()

    class Stopping(Placed):
        def follow(self, picture, face):
            if self.number == 3:
                stop.set()
            return super().follow(picture, face)

    performing, _ = performance(film(pictures), where, negative)
    performing._follower._finder = Stopping(where)
    with pytest.raises(Stopped):
        list(performing.draw(np.zeros((8, 80, 16), np.float32), 0, stop))
    assert performing._follower._finder.number <= 5


def test_a_film_that_is_shrunk_has_its_face_shrunk():
    pictures, _ = moving_face(3, step=0)
    data = film(pictures, options={"crf": "10"})
    whole = Film(data, max_seconds=9, resize_factor=2)
    small = scaled(astronaut_face(), 0.5)
    performing = FilmPerformance(
        generator(negative),
        Cast(whole, (small,), small, 0),
        Placed([small.landmarks] * 20),
        order(video=data, image=b""),
    )
    frame = frames(performing, 1)[0]
    assert frame.shape == (256, 256, 3)
    changed = np.argwhere((frame != FilmReader(whole).at(0, GO_ON)).any(axis=2))
    assert changed[:, 0].max() < small.box[3] + 10
