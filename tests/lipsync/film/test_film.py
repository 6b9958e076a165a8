from threading import Event

import numpy as np
import pytest

from app.errors import InvalidVideo
from app.lipsync.film.film import Film, FilmReader
from app.lipsync.handover import GO_ON, Stopped
from tests.lipsync.films import film, greys, number_of, turned

COUNT = 60
CODECS = [
    {},
    {"is_fragmented": True, "has_sound": True},
    {"options": {"g": "12", "bf": "3"}},
    {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=20"}},
    {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8", "crf": "4", "b": "0"}},
    {"codec": "mpeg4", "options": {"qmin": "1", "qmax": "2"}},
    {"codec": "mjpeg", "form": "mov", "options": {"qmin": "1", "qmax": "2"}},
]


def opened(data, **bounds):
    return Film(data, **{"max_seconds": 100.0, **bounds})


def read(whole, wanted, **how):
    reader = FilmReader(whole, **how)
    return [number_of(reader.at(number, GO_ON)) for number in wanted]


@pytest.mark.parametrize("how", CODECS, ids=str)
def test_pictures_come_by_their_numbers_in_any_order(how):
    whole = opened(film(greys(COUNT), **how))
    there_and_back = [*range(COUNT), *range(COUNT - 2, -1, -1), *range(1, 30, 2), 59, 3, 3, 44, 0]

    assert (len(whole), whole.duration) == (COUNT, pytest.approx(COUNT / 25))
    for pieces in (1, 7, 1000):
        assert read(whole, there_and_back, held_bytes=pieces * 64 * 48 * 3) == there_and_back


def test_times_are_those_of_the_film_whatever_its_rate():
    times = [0.0, 0.04, 0.3, 0.31, 0.5, 1.1, 1.14]
    whole = opened(film(greys(7), times=times))
    assert whole.times == pytest.approx(times, abs=1e-3)
    assert read(whole, range(7)) == list(range(7))


@pytest.mark.parametrize(("degrees", "corner"), [(0, (0, 0)), (90, (0, -1)), (180, (-1, -1)), (270, (-1, 0))])
def test_a_film_of_a_phone_is_upright(degrees, corner):
    whole = opened(turned(film(greys(3), form="mov"), degrees))
    pixels = FilmReader(whole).at(1, GO_ON)

    assert whole.size == ((64, 48) if degrees % 180 == 0 else (48, 64))
    assert pixels.shape == (*whole.size[::-1], 3)
    for row in (0, -1):
        for column in (0, -1):
            assert (pixels[row, column, 1] > 200) == ((row, column) == corner)


def test_odd_sides_are_made_even_and_large_ones_shrunk():
    assert opened(film(greys(2, 65, 47))).size == (64, 46)
    assert opened(film(greys(2, 128, 96)), resize_factor=2).size == (64, 48)
    whole = opened(film(greys(2, 128, 96)), max_side=90)
    assert whole.size == (90, 68)
    assert FilmReader(whole).at(1, GO_ON).shape == (68, 90, 3)


def test_colours_are_kept():
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:32, :32], picture[:32, 32:], picture[32:, :32], picture[32:, 32:] = (
        (200, 80, 60), (60, 180, 90), (70, 90, 210), (128, 128, 128),
    )  # fmt: skip
    pixels = FilmReader(opened(film([picture] * 2, options={"crf": "1"}))).at(1, GO_ON)
    for row in (16, 48):
        for column in (16, 48):
            assert pixels[row, column].astype(int) == pytest.approx(picture[row, column].astype(int), abs=2)


@pytest.mark.parametrize(
    ("data", "bounds", "match"),
    [
        (film(greys(30)), {"max_seconds": 1.0}, "lasts 1 s: at most 1;"),
        (film(greys(2, 32, 16)), {}, "least"),
        (film(greys(2)), {"max_side": 20}, "least"),
    ],
)
def test_what_is_beyond_bounds_is_refused(data, bounds, match):
    with pytest.raises(InvalidVideo, match=match):
        opened(data, **bounds)


def test_a_film_of_too_many_pixels_is_refused_before_it_is_decoded():
    data = bytearray(film(greys(2)))
    place = data.rfind(b"avc1") + 4 + 24
    data[place : place + 4] = b"\xff\xff\xff\xff"
    with pytest.raises(InvalidVideo, match="65535 x 65535"):
        opened(bytes(data))


def test_a_film_whose_pictures_are_larger_than_it_says_is_not_decoded(monkeypatch):
    data = film(greys(2, 128, 96))
    monkeypatch.setattr("app.lipsync.film.film.MAX_PIXELS", 100 * 96)
    small = bytearray(data)
    place = data.rfind(b"avc1") + 4 + 24
    small[place : place + 4] = b"\x00\x40\x00\x30"
    with pytest.raises(InvalidVideo, match="no picture that can be decoded"):
        FilmReader(opened(bytes(small))).at(0, GO_ON)


def test_damaged_pictures_are_those_before_them():
    data = bytearray(film(greys(40), options={"g": "10"}))
    whole = opened(bytes(data))
    start, size = int(whole._file.starts[22]), int(whole._file.sizes[22])
    data[start : start + size] = b"\x00" * size

    got = read(opened(bytes(data)), range(40))

    assert got[:20] == list(range(20)) and got[30:] == list(range(30, 40))
    assert all(0 <= number <= 40 for number in got)


def test_a_film_that_ends_in_the_middle_shows_what_is_there():
    data = film(greys(40), is_fragmented=True, options={"g": "10"})
    cut = opened(data[: data.rfind(b"moof") - 4])
    assert 20 <= len(cut) < 40
    assert read(cut, range(len(cut))) == list(range(len(cut)))


def test_nothing_that_can_be_decoded_is_told():
    data = bytearray(film(greys(5)))
    whole = opened(bytes(data))
    for start, size in zip(whole._file.starts, whole._file.sizes, strict=True):
        data[start : start + size] = b"\x00" * size
    with pytest.raises(InvalidVideo, match="no picture"):
        FilmReader(opened(bytes(data))).at(0, GO_ON)


def test_who_is_stopped_does_not_decode_on():

    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        FilmReader(opened(film(greys(5)))).at(3, stop)
