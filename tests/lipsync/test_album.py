import hashlib

import pytest

from app.lipsync.album import Album, UnknownPicture, name_of

ONE, OTHER = b"one" * 10, b"other" * 10


def album(*images, max_bytes=100):
    made = Album(max_bytes=max_bytes)
    for image in images:
        made.put(name_of(image), image)
    return made


def test_a_picture_is_found_by_the_hash_of_its_file():
    kept = album(ONE)
    assert name_of(ONE) == hashlib.sha256(ONE).hexdigest()
    assert kept.get(name_of(ONE)) == ONE and name_of(ONE) in kept
    assert (len(kept), kept.size) == (1, len(ONE))


@pytest.mark.parametrize("name", ["", "0" * 64, name_of(ONE).upper(), "../../etc/passwd", name_of(OTHER)])
def test_nothing_is_found_by_other_names(name):
    with pytest.raises(UnknownPicture, match="send the picture again"):
        album(ONE).get(name)


def test_the_picture_that_was_not_used_for_longest_goes_first():
    third = b"third" * 9
    kept = album(ONE, OTHER)
    kept.get(name_of(ONE))
    kept.put(name_of(third), third)
    assert [name_of(each) in kept for each in (ONE, OTHER, third)] == [True, False, True]
    assert kept.size <= 100


def test_a_picture_is_forgotten():
    kept = album(ONE)
    assert kept.discard(name_of(ONE)) and not kept.discard(name_of(ONE))
    assert (len(kept), kept.size) == (0, 0)


def test_an_album_may_keep_nothing():
    assert len(album(ONE, max_bytes=0)) == 0
