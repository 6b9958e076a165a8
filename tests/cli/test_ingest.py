import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import numpy as np
import pytest

from app.assembly.catalogue import command_workers, open_store
from app.audio import wav
from app.audio.pcm import to_bytes, to_int16
from app.cli import ingest as command
from app.fingerprint.fingerprint import Fingerprint
from app.fingerprint.store import Page
from app.settings import Settings
from tests.audio.sound_files import write_sound
from tests.cli.commands import runner
from tests.databases import database_url
from tests.fingerprint.music import tune

__all__ = ["database_url"]

ROOT = Path(__file__).parents[2]
RATE = 22_050


@pytest.fixture
def settings(tmp_path):
    return Settings(_env_file=None, data_dir=tmp_path / "data")


@pytest.fixture
def ingest(settings, capsys, monkeypatch):
    run = runner(command, settings, capsys, monkeypatch)
    return lambda *arguments: run("ingest", *map(str, arguments))


def song(folder, number, *, name=None, codec="pcm_s16le", seconds=6.0):
    folder.mkdir(parents=True, exist_ok=True)
    return write_sound(
        folder / (name or f"{number}.wav"),
        tune(number, seconds=seconds, sample_rate=RATE),
        sample_rate=RATE,
        codec=codec,
    )


def kept(settings):
    """Return all tracks, each with its fingerprint."""

    async def read():
        async with open_store(settings, command_workers()) as store:
            tracks = (await store.list_tracks(Page(length=1000))).tracks
            sounds = await store.fingerprints([track.id for track in tracks])
            return tracks, {sound.track_id: Fingerprint.from_bytes(sound.data) for sound in sounds}

    return anyio.run(read)


def test_a_folder_and_a_list_are_taken_in(settings, ingest, tmp_path):
    for number in (1, 2):
        song(tmp_path / "songs", number)
    listed = song(tmp_path / "listed", 3)
    (tmp_path / "list.csv").write_text(f"path,title,url,video_id\n{listed},Three,https://a/,v3\n")
    done = ingest(tmp_path / "songs", tmp_path / "list.csv")
    assert (done.code, done.out.splitlines()[0]) == (0, "3 new, 0 there already")
    assert done.out.splitlines()[1].startswith("0:18 of sound in ")
    assert "3 of 3" in done.err
    tracks, sounds = kept(settings)
    assert {(track.title, track.url) for track in tracks} == {("1", None), ("2", None), ("Three", "https://a/")}
    assert all(sounds[track.id].duration == track.duration == pytest.approx(6.0) for track in tracks)
    assert all(len(sound.peaks) > 100 for sound in sounds.values())


def test_a_second_run_has_nothing_to_do(ingest, tmp_path):
    song(tmp_path / "songs", 1)
    ingest(tmp_path / "songs")
    done = ingest(tmp_path / "songs")
    assert (done.code, done.out) == (0, "0 new, 1 there already\n")


def test_what_is_nearly_the_same_is_told(ingest, tmp_path):
    song(tmp_path / "songs", 1, seconds=20.0)
    song(tmp_path / "songs", 2, seconds=20.0)
    song(tmp_path / "songs", 1, seconds=20.0, name="1.mp3", codec="mp3")
    done = ingest(tmp_path / "songs")
    assert "1 pair is nearly the same:" in done.out
    assert "'1' (id " in done.out
    assert "nearly" not in ingest(tmp_path / "songs", "--no-duplicates").out


def test_what_cannot_be_taken_in_is_told_and_costs_nobody_else(ingest, tmp_path):
    song(tmp_path / "songs", 1)
    (tmp_path / "songs" / "text.mp3").write_text("hello" * 100)
    done = ingest(tmp_path / "songs", tmp_path / "none.mp3")
    assert done.code == 1
    assert "1 new, 0 there already" in done.out and "2 could not be taken in:" in done.out
    assert f"  {tmp_path}/none.mp3: it does not exist" in done.out
    assert f"  {tmp_path}/songs/text.mp3: it is not a sound file" in done.out


def test_programs_are_told_in_json(ingest, tmp_path):
    song(tmp_path / "songs", 1)
    (tmp_path / "songs" / os.fsdecode(b"\xff.mp3")).write_text("hello")
    said = json.loads(ingest(tmp_path / "songs", "--json").out)
    assert (len(said["added"]), said["total"], said["done"], said["nearly_the_same"]) == (1, 2, 2, [])
    assert said["flaws"][0]["where"].endswith("/?.mp3")


def test_a_folder_without_sound_is_fine(ingest, tmp_path):
    (tmp_path / "songs").mkdir()
    assert ingest(tmp_path / "songs").out == "0 new, 0 there already\n"


@pytest.mark.parametrize("arguments", [(), ("--workers", "many", "x")])
def test_a_wrong_argument_is_a_matter_of_usage(ingest, arguments):
    assert ingest(*arguments).code == 2


def start(data, url, folder):
    program = [sys.executable, "-m", "app", "ingest", "--workers", "1", "--no-duplicates", str(folder)]
    environment = {**os.environ, "DATA_DIR": str(data), "DATABASE_URL": url}
    return subprocess.Popen(
        program,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell that runs the tests in its background has them ignore it, and their children too
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def break_off(settings, folder, end):
    """Start a run and send it a signal when it has kept a track; returns how many files there were."""
    count = 24
    folder.mkdir()
    for number in range(count):
        sound = np.tile(tune(number, sample_rate=RATE), 2)
        (folder / f"{number}.wav").write_bytes(wav.encode(to_bytes(to_int16(sound)), sample_rate=RATE))
    kept(settings)  # migrates
    process = start(settings.data_dir, settings.database_url, folder)
    while not kept(settings)[0]:
        assert process.poll() is None
    process.send_signal(end)
    _, err = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGKILL: -signal.SIGKILL, signal.SIGINT: 130}[end], err
    return count


def go_on(settings, folder):
    process = start(settings.data_dir, settings.database_url, folder)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    return out.splitlines()[0]


def test_a_run_that_is_killed_goes_on_where_it_ended(tmp_path, database_url):
    settings = Settings(_env_file=None, data_dir=tmp_path / "data", database_url=database_url)
    count = break_off(settings, tmp_path / "songs", signal.SIGKILL)
    tracks, sounds = kept(settings)
    assert 0 < len(tracks) < count and {track.id for track in tracks} == sounds.keys()
    assert go_on(settings, tmp_path / "songs") == f"{count - len(tracks)} new, {len(tracks)} there already"
    tracks, sounds = kept(settings)
    assert sorted(int(track.title) for track in tracks) == list(range(count))
    assert {track.id for track in tracks} == sounds.keys()


def test_a_run_that_is_interrupted_says_how_far_it_came(tmp_path, settings):
    count = break_off(settings, tmp_path / "songs", signal.SIGINT)
    left = count - len(kept(settings)[0])
    assert 0 < left < count
    assert go_on(settings, tmp_path / "songs").startswith(f"{left} new")
