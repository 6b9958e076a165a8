"""The catalogue of a server that runs, changed from outside: by the command line, and by another server."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from app.audio.pcm import Samples
from app.fingerprint.spectrum import SAMPLE_RATE
from tests.audio.sound_files import write_sound
from tests.databases import postgres_database_url
from tests.e2e.served import ROOT, Served, served
from tests.fingerprint.music import noise, tune

__all__ = ["postgres_database_url"]

SECRET = "0" * 32


def app(data: Path, *arguments: str, **settings: str) -> str:
    """Run a command of the server's own."""
    environment = {**os.environ, "DATA_DIR": str(data), "AUTH_SECRET": SECRET, **settings}
    program = [sys.executable, "-m", "app", *arguments]
    done = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Administrator:
    """Asks a server with the right to."""

    def __init__(self, server: Served, data: Path) -> None:
        self._server = server
        self._token = app(data, "token", "root", "--role", "admin").strip()

    def ask(self, path: str = "", *, method: str = "GET", body: bytes | None = None) -> object:
        request = urllib.request.Request(
            f"{self._server.url}/api/v1/tracks{path}",
            data=body,
            method=method,
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/octet-stream"},
        )
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.loads(reply.read() or b"null")

    def wait_until_found(self, tracks: int, *, within: float) -> float:
        """Wait until so many tracks can be found; returns the seconds that it took."""
        began = time.monotonic()
        while time.monotonic() - began < within:
            told = self.ask("/stats")
            if told["in_step"] and (told["index"] or {}).get("tracks") == tracks:
                return time.monotonic() - began
            time.sleep(0.02)
        raise AssertionError(f"after {within} s the server tells of {told}")


def song(folder: Path, number: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return write_sound(folder / f"{number}.flac", tune(number, sample_rate=22_050), sample_rate=22_050, codec="flac")


def recognised(server: Served, sound: Samples, folder: Path) -> list[dict]:
    """Send a clip, as anybody may, and return what is heard in it."""
    clip = write_sound(folder / "clip.mp3", sound, sample_rate=SAMPLE_RATE, codec="mp3").read_bytes()
    request = urllib.request.Request(f"{server.url}/api/v1/recognize", data=clip, method="POST")
    request.add_header("Content-Type", "audio/mpeg")
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.loads(reply.read())["matches"]


def test_a_server_finds_what_a_command_brings(tmp_path):
    for number in range(3):
        song(tmp_path / "songs", number)
    with served(tmp_path, AUTH_SECRET=SECRET) as server:
        admin = Administrator(server, tmp_path)
        assert admin.ask("/stats")["index"] is None
        app(tmp_path, "ingest", str(tmp_path / "songs"))
        admin.wait_until_found(3, within=60)  # the first tracks have the index opened
        [match] = recognised(server, tune(1)[5 * SAMPLE_RATE : 13 * SAMPLE_RATE], tmp_path)
        assert (match["title"], round(match["start_time"]), round(match["end_time"])) == ("1", 5, 13)
        for unknown in (tune(77), noise(8.0)):
            assert recognised(server, unknown, tmp_path) == []
        app(tmp_path, "ingest", str(song(tmp_path / "more", 4)))
        admin.wait_until_found(4, within=5)
        app(tmp_path, "tracks", "remove", "1")
        admin.wait_until_found(3, within=5)
        assert len(admin.ask()["data"]) == 3
    with served(tmp_path, AUTH_SECRET=SECRET) as server:
        Administrator(server, tmp_path).wait_until_found(3, within=60)


def test_servers_on_one_database_know_of_each_others_tracks(tmp_path, postgres_database_url):
    settings = {"AUTH_SECRET": SECRET, "DATABASE_URL": postgres_database_url}
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with served(tmp_path / "one", **settings) as one, served(tmp_path / "two", **settings) as two:
        first, second = Administrator(one, tmp_path / "one"), Administrator(two, tmp_path / "two")
        told = first.ask("?title=One", method="POST", body=song(tmp_path, 1).read_bytes())
        assert told["outcome"] == "added"
        for admin in (first, second):
            admin.wait_until_found(1, within=60)
        told = first.ask("?title=Two", method="POST", body=song(tmp_path, 2).read_bytes())
        second.wait_until_found(2, within=5)
        first.ask(f"/{told['id']}", method="DELETE")
        second.wait_until_found(1, within=5)
