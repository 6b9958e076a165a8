from threading import Event

import numpy as np
import pytest

from app.errors import InvalidInput, NoFace
from app.lipsync.faces.face import Face, box_of
from app.lipsync.faces.finder import Finder
from app.lipsync.film.faces import Cast, Follower, Seen, cast, glimpses, steadied
from app.lipsync.film.film import Film
from app.lipsync.handover import GO_ON, Stopped
from tests.lipsync.films import film, greys, moving_face
from tests.lipsync.performers import OneFace, order
from tests.lipsync.portraits import MODELS, astronaut_face, needs_models

PIXELS = np.zeros((64, 64, 3), np.uint8)


class Scripted:
    """Finds and follows what a script says of each call: a face, or none."""

    def __init__(self, found=(), followed=()):
        self.found, self.followed = list(found), list(followed)
        self.looked = self.asked = 0

    def find(self, picture, stop=GO_ON):
        self.looked += 1
        face = self.found.pop(0) if self.found else None
        return [face] if face else []

    def follow(self, picture, face):
        self.asked += 1
        return self.followed.pop(0) if self.followed else None


def face(x=20.0, y=20.0, side=10.0):
    landmarks = np.array([(x, y), (x + side, y + side)] * 234, np.float32)
    return Face(landmarks, box_of(landmarks), 1.0)


def known(what=None, number=0):
    return Cast(None, (), what or face(), number)


def seen(follower, count, start=0):
    return [follower.see(number, PIXELS, GO_ON) for number in range(start, start + count)]


def test_a_face_is_followed_and_not_looked_for():
    finder = Scripted(followed=[face(20 + each) for each in range(1, 6)])
    pictures = seen(Follower(known(), finder, 25), 6)

    assert [each.landmarks[0][0] for each in pictures] == [20, 21, 22, 23, 24, 25]
    assert not any(each.is_new for each in pictures)
    assert (finder.asked, finder.looked) == (5, 0)


def test_what_was_found_once_is_known_when_the_film_runs_back():
    finder = Scripted(followed=[face(20 + each) for each in range(1, 6)])
    follower = Follower(known(), finder, 25)
    there = seen(follower, 6)
    back = [follower.see(number, PIXELS, GO_ON) for number in range(5, -1, -1)]

    assert [each.landmarks.tolist() for each in back] == [each.landmarks.tolist() for each in there[::-1]]
    assert finder.asked == 5


def test_a_face_that_is_hidden_for_a_moment_stays_where_it_was():
    finder = Scripted(followed=[face(21), None, None, None, face(24)])
    pictures = seen(Follower(known(), finder, 25), 6)
    assert [each.landmarks[0][0] for each in pictures] == [20, 21, 21, 21, 21, 24]
    assert not pictures[-1].is_new


def test_a_face_that_has_gone_is_not_drawn_and_looked_for_now_and_then():
    finder = Scripted(found=[None, None, None, face(40)])
    pictures = seen(Follower(known(), finder, 25), 50)

    there = [each.landmarks is not None for each in pictures]
    assert there[:6] == [True] * 6 and not any(there[6:30])
    came = there.index(True, 6)
    assert pictures[came].is_new and pictures[came].landmarks[0][0] == 40
    assert finder.looked == 4 + (50 - came - 1 > 5)


def test_another_scene_has_its_face_at_once():
    finder = Scripted(found=[face(50, 40)], followed=[None, face(51, 40)])
    pictures = seen(Follower(known(), finder, 25), 3)
    assert [each.is_new for each in pictures] == [False, True, False]
    assert pictures[1].landmarks[0].tolist() == [50, 40]


def test_who_is_stopped_looks_no_more():
    stop, finder = Event(), Scripted()
    stop.set()
    with pytest.raises(Stopped):
        Follower(known(), finder, 25).see(3, PIXELS, stop)
    assert finder.asked == finder.looked == 0


def places(*numbers):
    return [Seen(PIXELS, None if each is None else np.full((2, 2), each, np.float32)) for each in numbers]


def test_trembling_is_smoothed_and_nothing_is_late():
    smooth = list(steadied(iter(places(*(10 + (-1) ** each for each in range(30))))))
    inner = [float(each.landmarks[0, 0]) for each in smooth[3:-3]]
    assert len(smooth) == 30 and np.std(inner) < 0.25
    line = [float(each.landmarks[0, 0]) for each in steadied(iter(places(*range(30))))]
    assert line[3:-3] == pytest.approx(np.arange(3, 27))


def test_nothing_is_smoothed_over_a_cut_or_a_gap():
    pictures = places(*[0] * 6, *[90] * 6, None, None, *[30] * 6)
    pictures[6] = Seen(PIXELS, pictures[6].landmarks, is_new=True)
    values = [None if each.landmarks is None else float(each.landmarks[0, 0]) for each in steadied(iter(pictures))]
    assert values == [0] * 6 + [90] * 6 + [None] * 2 + [30] * 6


def test_pictures_come_two_later_at_most():
    taken = []

    def told():
        for each in places(*range(100)):
            taken.append(each)
            yield each

    steady = steadied(told())
    for number in range(10):
        assert next(steady).pixels is PIXELS
        assert len(taken) <= number + 3


def test_a_film_without_a_face_is_refused_after_a_few_looks():
    data = film(moving_face(3, gone=range(3))[0] * 12, options={"g": "1"})
    finder = OneFace(0)
    with pytest.raises(NoFace, match="video"):
        cast(Film(data, max_seconds=9), order(), finder, GO_ON)
    assert finder.looked == 16


@pytest.mark.parametrize("spacing", [1, 4, 250])
def test_a_face_is_looked_for_all_over_a_film(spacing):
    film_of = Film(film(greys(60), options={"g": str(spacing), "sc_threshold": "0"}), max_seconds=9)
    numbers = glimpses(film_of)
    assert (numbers[0], len(numbers)) == (0, 16)
    assert max(np.diff([*numbers, 60])) < 2 * 60 / 16
    assert sum(number % spacing == 0 for number in numbers) > 13 or spacing == 250


def test_a_face_that_is_not_there_is_refused():
    data = film(moving_face(2)[0])
    with pytest.raises(InvalidInput, match="has 1"):
        cast(Film(data, max_seconds=9), order(face=1), OneFace(), GO_ON)


@needs_models
def test_the_astronaut_is_followed_through_a_film():
    pictures, where = moving_face(40)
    finder = Finder(MODELS)
    whole = Film(film(pictures, options={"crf": "16"}), max_seconds=9)
    found = cast(whole, order(), finder, GO_ON)
    follower = Follower(found, finder, 25)
    height = np.ptp(astronaut_face().landmarks[:, 1])

    pictures = steadied(follower.see(number, pixels, GO_ON) for number, pixels in enumerate(pictures))

    assert found.number == 0
    for one, expected in zip(pictures, where, strict=True):
        assert np.linalg.norm(one.landmarks - expected, axis=1).mean() < 0.02 * height


@needs_models
def test_a_face_that_comes_later_is_found():
    pictures, where = moving_face(40, gone=range(15))
    whole = Film(film(pictures, options={"g": "10"}), max_seconds=9)
    found = cast(whole, order(), Finder(MODELS), GO_ON)
    assert found.number == 15  # a scene begins with a picture that needs no others
    assert np.abs(found.face.landmarks - where[found.number]).mean() < 2
