import io
import json
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.fingerprint import archive
from app.fingerprint.fingerprint import Fingerprint
from app.fingerprint.sources import Flaw
from app.fingerprint.track import NewTrack
from tests.fingerprint.constellations import constellation
from tests.fingerprint.stores import new_track


def sounding(number=1, **labels) -> NewTrack:
    """Return a track with a real fingerprint."""
    sound = Fingerprint(1, float(number), constellation(np.random.default_rng(number), seconds=2))
    return new_track(number, sound=sound.to_bytes(), **labels)


def packed(*tracks, end=None) -> bytes:
    entries = [archive.entry(track.kept_as(number), track.fingerprint) for number, track in enumerate(tracks, 1)]
    return archive.head() + b"".join(entries) + archive.end(len(tracks) if end is None else end)


def unpacked(data):
    return list(archive.read(io.BytesIO(data)))


def tar(*members: tuple[str, object]) -> bytes:
    return b"".join(
        archive._member(name, said if isinstance(said, bytes) else json.dumps(said).encode()) for name, said in members
    ) + bytes(1024)


def facts(track, **others):
    said = json.loads(tarfile_of(packed(track)).extractfile(f"tracks/{track.content_hash}.json").read())
    return {**said, **others}


def tarfile_of(data):
    return tarfile.open(fileobj=io.BytesIO(data))


def test_what_is_exported_is_imported():
    tracks = [
        sounding(1),
        sounding(2, video_id="x", title="\u5c0f\u660e \U0001f600", url="http://a/?b", thumbnail_url="http://c"),
    ]
    [bare, labelled] = unpacked(packed(*tracks))
    assert labelled == tracks[1]
    assert bare.kept_as(1) == tracks[0].kept_as(1) and bare.fingerprint == tracks[0].fingerprint


@given(st.lists(st.integers(1, 5), max_size=3))
def test_law_any_tar_reads_it(numbers):
    names = tarfile_of(packed(*map(sounding, numbers))).getnames()
    hashes = [sounding(number).content_hash for number in numbers]
    inside = [f"tracks/{hash}.{kind}" for hash in hashes for kind in ("json", "fingerprint")]
    assert names == ["chorus-catalogue.json", *inside, "end.json"]


def test_a_tar_made_by_others_is_read():
    made = io.BytesIO()
    with (
        tarfile_of(packed(sounding())) as ours,
        tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as theirs,
    ):
        for member in ours:
            member.pax_headers = {"comment": "\u5c0f"}
            theirs.addfile(member, ours.extractfile(member))
    assert len(unpacked(made.getvalue())) == 1


@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_an_archive_that_was_cut_says_so(keep):
    data = packed(*map(sounding, range(1, 11)))
    cut = data[: int(len(data) * keep) // 512 * 512]
    try:
        found = unpacked(cut)
    except InvalidInput as error:
        assert "cannot be read" in str(error)
    else:
        assert isinstance(found[-1], Flaw)
        assert all(isinstance(each, NewTrack) for each in found[:-2])


def test_an_archive_that_lacks_tracks_says_so():
    *_, flaw = unpacked(packed(sounding(1), end=3))
    assert flaw == Flaw("the archive", "it is not complete: 1 tracks are in it, 3 were")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "cannot be read"),
        (b"hello" * 1000, "cannot be read"),
        (tar(), "not one of a catalogue"),
        (tar(("other.json", {"format": 1})), "not one of a catalogue"),
        (tar(("chorus-catalogue.json", {"format": 2})), "format 2, 1 is known"),
        (tar(("chorus-catalogue.json", [])), "no object"),
        (tar(("chorus-catalogue.json", b"{")), "no JSON"),
    ],
)
def test_what_is_no_archive_is_refused(data, told):
    with pytest.raises(InvalidInput, match=told):
        unpacked(data)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"content_hash": "x"}, "no SHA-256"),
        ({"content_hash": None}, "no SHA-256"),
        ({"version": 2}, "another track's"),
        ({"duration": 9.0}, "another track's"),
        ({"added_ms": "now"}, "no time"),
        ({"added_ms": True}, "no time"),
        ({"added_ms": -1}, "no time"),
        ({"url": "javascript:x"}, "http"),
        ({"title": 7}, "damaged"),
        ({"title": ""}, "title"),
    ],
)
def test_a_track_that_is_damaged_spares_the_others(change, told):
    track, name = sounding(1), "tracks/x"
    head, end = ("chorus-catalogue.json", {"format": 1}), ("end.json", {"tracks": 2})
    wrong = ((f"{name}.json", facts(track, **change)), (f"{name}.fingerprint", track.fingerprint))
    right = (("tracks/y.json", facts(track)), ("tracks/y.fingerprint", track.fingerprint))
    flaw, kept = unpacked(tar(head, *wrong, *right, end))
    assert flaw.where == "tracks/x.json" and told in flaw.reason
    assert kept.fingerprint == track.fingerprint


def test_a_track_without_its_fingerprint_is_a_flaw():
    head, end = ("chorus-catalogue.json", {"format": 1}), ("end.json", {"tracks": 1})
    lonely = ("tracks/x.json", facts(sounding()))
    assert unpacked(tar(head, lonely))[0] == Flaw("tracks/x.json", "its fingerprint is missing")
    [flaw] = unpacked(tar(head, lonely, ("tracks/x.fingerprint", b"damaged"), end))
    assert "it is damaged" in flaw.reason


def test_a_member_that_is_too_large_is_not_read():
    head = ("chorus-catalogue.json", {"format": 1})
    flaw, _ = unpacked(tar(head, ("tracks/x.json", {"title": "x" * 70_000})))
    assert "may have 65536" in flaw.reason


def test_versions_are_kept_as_they_are():
    old = Fingerprint(7, 1.0, constellation(np.random.default_rng(1), seconds=2))
    track = replace(sounding(1), version=7, fingerprint=old.to_bytes())
    assert unpacked(packed(track))[0].version == 7
