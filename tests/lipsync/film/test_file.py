import io
import struct

import av
import numpy as np
import pytest

from app.errors import InvalidVideo
from app.lipsync.film.file import MOST_SAMPLES, Turn, read_film_file
from tests.lipsync.films import TURNS, film, greys, turned


@pytest.mark.parametrize("form", ["mp4", "mov"])
@pytest.mark.parametrize("is_fragmented", [False, True])
@pytest.mark.parametrize("has_sound", [False, True])
def test_every_picture_is_known(form, is_fragmented, has_sound):
    data = film(greys(30), form=form, is_fragmented=is_fragmented, has_sound=has_sound, options={"g": "10"})
    found = read_film_file(data)

    assert (found.codec, found.width, found.height, found.turn) == ("h264", 64, 48, Turn())
    assert np.unique(found.times) - found.times.min() == pytest.approx(np.arange(30) / 25)
    with av.open(io.BytesIO(data)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert found.is_key.tolist() == [packet.is_keyframe for packet in packets]
    assert [data[start : start + size] for start, size in zip(found.starts, found.sizes, strict=True)] == [
        bytes(packet) for packet in packets
    ]
    assert (found.starts + found.sizes <= len(data)).all()
    assert len(np.unique(found.starts)) == 30


@pytest.mark.parametrize("degrees", sorted(TURNS))
def test_how_it_is_turned_is_known(degrees):
    assert read_film_file(turned(film(greys(2)), degrees)).turn == TURNS[degrees]


def test_another_matrix_is_none():
    data = bytearray(turned(film(greys(2)), 90))
    struct.pack_into(">i", data, data.find(b"tkhd") + 44, 98_304)
    assert read_film_file(bytes(data)).turn == Turn()


@pytest.mark.parametrize("data", [b"", b"nothing", b"\x00\x00\x00\x08moov", b"\x00" * 1000, bytes(range(256)) * 4])
def test_garbage_is_refused(data):
    with pytest.raises(InvalidVideo):
        read_film_file(data)


def test_sound_alone_is_refused():
    data = film(greys(2), has_sound=True).replace(b"vide", b"soun")
    with pytest.raises(InvalidVideo, match="no pictures"):
        read_film_file(data)


def test_a_codec_that_is_not_read_is_named():
    with pytest.raises(InvalidVideo, match="'apcn': .*avc1"):
        read_film_file(film(greys(2)).replace(b"avc1", b"apcn"))


@pytest.mark.parametrize(("table", "place"), [(b"stsz", 12), (b"stts", 8), (b"stsc", 8), (b"stco", 8), (b"ctts", 8)])
@pytest.mark.parametrize("claim", [MOST_SAMPLES + 1, 2**31, 2**32 - 1])
def test_tables_that_claim_what_is_not_there_cost_nothing(table, place, claim):
    data = bytearray(film(greys(30), options={"bf": "2"}))
    struct.pack_into(">I", data, data.find(table) + place, claim)
    try:
        assert len(read_film_file(bytes(data)).starts) <= 30
    except InvalidVideo:
        assert table == b"stsz"


def test_a_run_that_claims_too_much_is_refused():
    data = bytearray(film(greys(30), is_fragmented=True))
    struct.pack_into(">I", data, data.find(b"trun") + 8, 2**32 - 1)
    with pytest.raises(InvalidVideo, match="more than"):
        read_film_file(bytes(data))


@pytest.mark.parametrize("is_fragmented", [False, True])
def test_damage_is_told_and_nothing_else_happens(is_fragmented):
    whole = film(greys(12), is_fragmented=is_fragmented, has_sound=True)
    rng = np.random.default_rng(0)
    heads = [place for name in (b"moov", b"moof") if (place := whole.find(name)) > 0]
    for number in range(600):
        data = bytearray(whole)
        if number % 3 == 0:
            del data[rng.integers(1, len(data)) :]
        for place in rng.integers(0, len(data), 4):
            data[place] = rng.integers(256)
        if number % 3 == 2:
            place = min(int(rng.choice(heads)) + int(rng.integers(0, 700)), len(data) - 4)
            struct.pack_into(">I", data, place, int(rng.choice([0, 1, 2**31, 2**32 - 1])))
        try:
            found = read_film_file(bytes(data))
        except InvalidVideo:
            continue
        assert (found.starts >= 0).all() and (found.starts + found.sizes <= len(data)).all()
