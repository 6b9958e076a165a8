import json
from dataclasses import replace

import anyio
import pytest

from app.assembly.catalogue import command_workers, open_store
from app.cli import tracks as command
from app.settings import Settings
from tests.cli.commands import runner
from tests.fingerprint.indexes import track
from tests.fingerprint.stores import new_track
from tests.fingerprint.test_duplicates import encoded_again


@pytest.fixture
def settings(tmp_path):
    return Settings(_env_file=None, data_dir=tmp_path / "data")


@pytest.fixture
def tracks(settings, capsys, monkeypatch):
    run = runner(command, settings, capsys, monkeypatch)
    return lambda *arguments, **options: run("tracks", *arguments, **options)


def keep(settings, *kept):
    """Put tracks into the store, under the ids 1, 2, …"""

    async def add():
        async with open_store(settings, command_workers()) as store:
            await store.add(kept)

    anyio.run(add)


def sounding(number, sound=None, **labels):
    sound = sound or track(number, seconds=60.0)
    return replace(new_track(number, sound=sound.to_bytes(), **labels), duration=sound.duration)


def test_tracks_are_listed_newest_first(settings, tracks):
    keep(settings, sounding(1, title="One", video_id="a"), sounding(2, title="T" * 80), sounding(3, title="Someone"))
    lines = tracks("list").out.splitlines()
    assert lines[0].split() == ["id", "video_id", "length", "added", "title"]
    assert lines[3] == "1   a                 1:00    1970-01-01T00:00:01Z  One"
    assert lines[2].endswith(f" {'T' * 59}\u2026") and lines[4] == "3 of 3"
    assert tracks("list", "one").out.endswith("2 of 2\n")
    said = json.loads(tracks("list", "--json").out)
    assert (said["total"], [each["id"] for each in said["tracks"]]) == (3, [3, 2, 1])


def test_an_empty_catalogue_is_shown_too(tracks):
    assert tracks("list").out.endswith("0 of 0\n")
    assert tracks("count").out == "0 tracks, 0:00 of sound\nfingerprints of 0 bytes\n"


def test_tracks_are_removed_by_any_name(settings, tracks):
    keep(settings, *(sounding(number, video_id=f"v{number}") for number in range(1, 5)))
    refused = tracks("remove", "1", "nobody")
    assert (refused.code, refused.err) == (1, "tracks: there is no track 'nobody'\n")
    done = tracks("remove", "1", "v2", new_track(3).content_hash)
    assert (done.code, len(done.out.splitlines())) == (0, 3)
    assert [each["id"] for each in json.loads(tracks("list", "--json").out)["tracks"]] == [4]


def test_a_catalogue_moves_in_one_file(settings, tracks, tmp_path, capsys, monkeypatch):
    keep(settings, sounding(1, title="One"), sounding(2))
    assert tracks("export", str(tmp_path / "all.tar")).code == 0
    other = runner(command, Settings(_env_file=None, data_dir=tmp_path / "other"), capsys, monkeypatch)
    assert other("tracks", "import", str(tmp_path / "all.tar")).out == "2 new, 0 there already\n"
    assert other("tracks", "import", "-", pipe=(tmp_path / "all.tar").read_bytes()).out == "0 new, 2 there already\n"
    assert "One" in other("tracks", "list").out


def test_what_cannot_be_imported_is_said(settings, tracks, tmp_path):
    (tmp_path / "text").write_text("hello")
    for name, told in (("text", "the archive cannot be read"), ("none", "cannot be opened: No such file")):
        done = tracks("import", str(tmp_path / name))
        assert (done.code, done.out) == (1, "") and told in done.err
    keep(settings, sounding(1, video_id="x", title="One"))
    tracks("export", str(tmp_path / "all.tar"))
    tracks("remove", "x")
    keep(settings, sounding(2, video_id="x", title="Two"))
    done = tracks("import", str(tmp_path / "all.tar"))
    assert done.code == 1 and "video_id 'x' is another track's: 'Two'" in done.out
    assert tracks("export", str(tmp_path / "none" / "all.tar")).code == 1


def test_what_is_nearly_the_same_is_shown(settings, tracks):
    again = encoded_again(track(1, seconds=60.0))
    keep(settings, sounding(1, title="One"), sounding(2), sounding(3, sound=again, title="Once more"))
    done = tracks("duplicates")
    assert done.code == 0
    assert done.out.startswith("1 pair is nearly the same:\n  'One' (id 1) and 'Once more' (id 3): 1:00, 100% of")
    assert "3 of 3, compared" in done.err
    tracks("remove", "3")
    assert tracks("duplicates").out == "no two tracks are nearly the same\n"


def test_everything_is_counted(settings, tracks):
    keep(settings, sounding(1), replace(sounding(2), version=7))
    assert tracks("count").out.splitlines()[0] == "2 tracks, 2:00 of sound"
    assert tracks("count").out.endswith(": 1 of version 1, 1 of version 7\n")


@pytest.mark.parametrize("arguments", [(), ("sing",), ("remove",), ("export",)])
def test_a_wrong_argument_is_a_matter_of_usage(tracks, arguments):
    done = tracks(*arguments)
    assert done.code == 2 and "usage: python -m app tracks" in done.err


def test_a_wrong_page_is_said(tracks):
    assert tracks("list", "--page", "0").err == "tracks: page 0 must be 1 or more\n"
