import threading

import pytest

from app.errors import InvalidInput, NoFace
from app.lipsync.handover import Stopped
from app.lipsync.portraits import Portraits
from tests.lipsync.performers import FlatEngine, OneFace, order, png

GO_ON = threading.Event()


def stopped():
    event = threading.Event()
    event.set()
    return event


def test_a_picture_is_read_and_looked_at_once_for_each_size():
    finder = OneFace(2)
    portraits = Portraits(finder, cache_bytes=10**7)

    first = portraits.look_at(order(), GO_ON)

    assert (first.size, len(first.faces)) == ((64, 64), 2)
    assert portraits.look_at(order(), GO_ON) is first
    assert portraits.look_at(order(resize_factor=2), GO_ON).size == (32, 32)
    assert portraits.look_at(order(image=png(91)), GO_ON) is not first
    assert finder.looked == 3


def test_a_portrait_belongs_to_one_job_until_it_is_given_back():
    portraits, engine = Portraits(OneFace(), cache_bytes=10**7), FlatEngine()
    sitter = portraits.look_at(order(), GO_ON)

    first, second = (portraits.pose(sitter, engine, order()) for _ in range(2))
    assert first.portrait is not second.portrait
    portraits.give_back(first)
    assert portraits.pose(sitter, engine, order()).portrait is first.portrait
    assert engine.prepared == 2


@pytest.mark.parametrize("changes", [{"pads": (1, 2, 3, 4)}, {"face": 1}])
def test_other_options_and_other_faces_are_other_portraits(changes):
    portraits, engine = Portraits(OneFace(2), cache_bytes=10**7), FlatEngine()
    sitter = portraits.look_at(order(), GO_ON)
    portraits.give_back(portraits.pose(sitter, engine, order()))

    portraits.pose(sitter, engine, order(**changes))

    assert engine.prepared == 2


def test_other_engines_have_other_portraits():
    portraits = Portraits(OneFace(), cache_bytes=10**7)
    sitter = portraits.look_at(order(), GO_ON)
    portraits.give_back(portraits.pose(sitter, FlatEngine("one"), order()))
    two = FlatEngine("two")
    portraits.pose(sitter, two, order())
    assert two.prepared == 1


def test_memory_is_bounded():
    portraits, engine = Portraits(OneFace(), cache_bytes=100_000), FlatEngine()
    for value in range(30):
        what = order(0.01, image=png(value))
        portraits.give_back(portraits.pose(portraits.look_at(what, GO_ON), engine, what))
        assert portraits.kept_bytes <= 100_000
    assert portraits.kept_bytes > 60_000


def test_a_picture_without_a_face_is_remembered_and_refused():
    finder = OneFace(0)
    portraits = Portraits(finder, cache_bytes=10**7)
    for _ in range(2):
        with pytest.raises(NoFace):
            portraits.pose(portraits.look_at(order(), GO_ON), FlatEngine(), order())
    assert finder.looked == 1


def test_a_face_that_is_not_there_is_refused():
    portraits = Portraits(OneFace(), cache_bytes=10**7)
    with pytest.raises(InvalidInput, match="has 1"):
        portraits.pose(portraits.look_at(order(), GO_ON), FlatEngine(), order(face=1))


def test_who_is_stopped_does_not_look_for_faces():
    finder = OneFace()
    with pytest.raises(Stopped):
        Portraits(finder, cache_bytes=10**7).look_at(order(), stopped())
    assert finder.looked == 0


def test_a_picture_is_forgotten_with_all_that_was_made_of_it():
    portraits, engine = Portraits(OneFace(), cache_bytes=10**7), FlatEngine()
    sitter = portraits.look_at(order(), GO_ON)
    digest = sitter.picture.digest
    out, kept = (portraits.pose(sitter, engine, order()) for _ in range(2))
    portraits.give_back(kept)
    other = portraits.look_at(order(image=png(91)), GO_ON)
    size = other.picture.pixels.nbytes

    portraits.forget(digest)
    assert size <= portraits.kept_bytes < 2 * size
    portraits.give_back(out)
    portraits.look_at(order(resize_factor=2), GO_ON)
    assert portraits.kept_bytes < 2 * size

    portraits.welcome(digest)
    portraits.give_back(out)
    assert portraits.pose(portraits.look_at(order(), GO_ON), engine, order()).portrait is out.portrait
