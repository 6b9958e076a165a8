import os

import pytest

from app.calls.audio_files import MAX_NAME_BYTES, AudioFiles, check_name
from app.errors import InvalidAudio, InvalidInput, NotFound
from app.runtime.workers import FILES_POOL, Workers

pytestmark = pytest.mark.anyio


@pytest.fixture
def files(tmp_path) -> AudioFiles:
    (tmp_path / "files").mkdir()
    return AudioFiles(tmp_path / "files", Workers({FILES_POOL: 1}))


@pytest.mark.parametrize(
    "name",
    [
        "a.mp3",
        "a b.WAV",
        "音楽.ogg",
        "ünïcode ♪.m4a",
        "nb\u00a0sp.flac",
        "a..b.aac",
        "~.mp3",
        "x" * (MAX_NAME_BYTES - 4) + ".mp3",
    ],
)
def test_plain_names_are_taken(name):
    assert check_name(name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".mp3", ".a.mp3", "/a.mp3", "a/b.mp3", "../a.mp3", "..\\a.mp3", "a\0.mp3", "a\x7f.mp3", "a\x85.mp3"]
    + ["\udcff.mp3", "x" * (MAX_NAME_BYTES - 3) + ".mp3", "é" * 126 + ".mp3"],
)
def test_names_that_could_lead_elsewhere_are_not(name):
    with pytest.raises(InvalidInput) as caught:
        check_name(name)
    assert not isinstance(caught.value, InvalidAudio)


@pytest.mark.parametrize("name", ["a", "a.txt", "a.mp3.exe", "mp3", "a.opus"])
def test_other_suffixes_are_another_format(name):
    with pytest.raises(InvalidAudio):
        check_name(name)


async def test_nothing_outside_is_looked_at(files, tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr("app.calls.audio_files._find", lambda *args: looked.append(args))
    for name in ("../secret.mp3", "..", "/etc/passwd", "a.txt"):
        with pytest.raises(InvalidInput):
            await files.find(name)
    assert looked == []


async def test_files_are_listed_by_name_without_what_is_not_played(files, tmp_path):
    folder = tmp_path / "files"
    for name in ("b.mp3", "a.WAV", "notes.txt", ".hidden.mp3"):
        (folder / name).write_bytes(b"12345")
    (tmp_path / "secret.mp3").write_bytes(b"")
    (folder / "out.mp3").symlink_to(tmp_path / "secret.mp3")
    (folder / "folder.mp3").mkdir()
    (folder / os.fsdecode(b"\xff.mp3")).write_bytes(b"")
    listed = await files.list()
    assert [(file.name, file.format.value, file.size_bytes) for file in listed] == [
        ("a.WAV", "wav", 5),
        ("b.mp3", "mp3", 5),
    ]


async def test_a_folder_that_is_not_there_is_empty(tmp_path):
    files = AudioFiles(tmp_path / "none", Workers({FILES_POOL: 1}))
    assert await files.list() == []
    with pytest.raises(NotFound):
        await files.find("a.mp3")


async def test_the_folder_itself_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.mp3").write_bytes(b"music")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    files = AudioFiles(tmp_path / "link", Workers({FILES_POOL: 1}))
    assert (await files.find("a.mp3")).path == tmp_path / "real" / "a.mp3"
