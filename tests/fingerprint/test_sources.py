import json
import os

import pytest

from app.fingerprint.labels import Labels
from app.fingerprint.sources import Flaw, Source, find


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def write(folder, name, text):
    (folder / name).write_text(text, "utf-8")
    return folder / name


def found(*paths):
    return list(find(paths))


def names(*paths):
    return [source.path.name for source in found(*paths)]


def test_a_folder_gives_the_sounds_below_it_by_name(tmp_path):
    touch(tmp_path, "b.MP3", "a/2.ogg", "a/1.flac", "cover.jpg", "a/list.m3u", "notes.csv", ".hidden.wav")
    assert names(tmp_path) == [".hidden.wav", "1.flac", "2.ogg", "b.MP3"]


def test_a_file_that_is_named_is_tried_whatever_it_is_called(tmp_path):
    touch(tmp_path, "song.bin", "song")
    assert names(tmp_path / "song.bin", tmp_path / "song") == ["song.bin", "song"]


def test_links_are_followed_and_lead_nowhere_twice(tmp_path):
    touch(tmp_path, "shelf/a.mp3", "other/b.mp3")
    (tmp_path / "shelf" / "again").symlink_to(tmp_path / "shelf")
    (tmp_path / "shelf" / "other").symlink_to(tmp_path / "other")
    assert names(tmp_path / "shelf") == ["a.mp3", "b.mp3"]


def test_what_is_not_there_is_a_flaw(tmp_path):
    assert found(tmp_path / "none.mp3") == [Flaw(str(tmp_path / "none.mp3"), "it does not exist")]
    [flaw] = found(tmp_path / "none.csv")
    assert flaw.reason.startswith("the list cannot be read: No such file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_is_closed_is_a_flaw(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    [flaw] = found(tmp_path)
    assert flaw.reason == "the folder cannot be read: Permission denied"


def test_what_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "endless.wav")
    assert found(tmp_path) == []
    assert found(tmp_path / "endless.wav") == [Flaw(str(tmp_path / "endless.wav"), "it is no file")]


def test_names_that_are_not_utf8_are_found(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.mp3")).touch()
    assert names(tmp_path) == ["\udcff.mp3"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_says_what_its_files_are(tmp_path, delimiter):
    rows = [
        ["\ufeffFile", "title", "URL", "thumbnail", "video_id", "bpm"],
        ["a.mp3", "Ann\u2019s song", "https://a/", "https://a/b.jpg", "abc", "120"],
        ["sub/b.mp3", "", "", "", "", ""],
        ["/c.mp3", '"One, two"' if delimiter == "," else "One, two", "", "", " 7 ", ""],
    ]
    path = write(tmp_path, "list.csv", "\n".join(delimiter.join(row) for row in rows))
    assert found(path) == [
        Source(tmp_path / "a.mp3", Labels("abc", "Ann\u2019s song", "https://a/", "https://a/b.jpg")),
        Source(tmp_path / "sub/b.mp3"),
        Source(tmp_path.parent / "/c.mp3", Labels("7", "One, two")),
    ]


def test_json_says_what_its_files_are(tmp_path):
    entries = [
        {"path": "a.mp3", "video_id": 7, "title": None, "tags": [1]},
        {"file": "b.mp3", "thumbnail_url": "http://a"},
    ]
    wanted = [Source(tmp_path / "a.mp3", Labels("7")), Source(tmp_path / "b.mp3", Labels(thumbnail_url="http://a"))]
    assert found(write(tmp_path, "a.json", json.dumps(entries))) == wanted
    assert found(write(tmp_path, "b.json", json.dumps({"tracks": entries}))) == wanted
    assert found(write(tmp_path, "c.jsonl", "\n\n".join(map(json.dumps, entries)))) == wanted


def test_an_entry_that_is_wrong_spares_the_others(tmp_path):
    path = write(tmp_path, "a.csv", "path,url\na.mp3,javascript:x\n,http://a\nb.mp3,http://a,more\n")
    wrong, nameless, right = found(path)
    assert wrong.where == f"{path}, line 2" and "must begin with http" in wrong.reason
    assert nameless == Flaw(f"{path}, line 3", "it names no file")
    assert right == Source(tmp_path / "b.mp3", Labels(url="http://a"))
    flaw, right = found(write(tmp_path, "a.json", '[1, {"path": "b.mp3"}]'))
    assert flaw.reason == "it is no object" and right == Source(tmp_path / "b.mp3")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", ""),
        ("a.csv", "title,url\nx,y\n"),
        ("a.csv", "x" * 200_000 + ",path\n"),
        ("a.json", "{}"),
        ("a.json", "nothing"),
        ("a.json", "[" * 100_000),
        ("a.jsonl", "{"),
    ],
)
def test_a_list_that_cannot_be_read_is_one_flaw(tmp_path, name, text):
    [flaw] = found(write(tmp_path, name, text))
    assert (flaw.where, flaw.reason.startswith("the list cannot be read: ")) == (str(tmp_path / name), True)


def test_a_list_that_is_not_utf8_is_one_flaw(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"path\n\xff.mp3\n")
    assert found(tmp_path / "a.csv") == [Flaw(str(tmp_path / "a.csv"), "the list is not UTF-8")]
