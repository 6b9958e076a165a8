"""Takes the two models of the face finder out of MediaPipe's wheel: `python -m app.downloads.faces FOLDER`.

The wheel comes from the package index by whatever installs packages here, pip or uv, is unpacked beside and thrown
away. Exit codes: 0 the models are there; 1 they could not be fetched, and the server does with less.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from app.errors import ChorusError, Corrupt, Unavailable
from app.lipsync.faces.model_file import DETECTOR, MESH, check

WHEEL = "mediapipe==0.10.14"
PLACES = {
    DETECTOR: f"mediapipe/modules/face_detection/{DETECTOR}",
    MESH: f"mediapipe/modules/face_landmark/{MESH}",
}
"""Where the models are within the wheel."""
SECONDS = 300

_ANY_MACHINE = ("--only-binary", ":all:", "--no-deps", "--python-version", "3.11")
"""The models are the same in all wheels, and there is none for every machine and Python."""

Run = Callable[[Sequence[str]], None]


def main(folder: Path, *, fetch: Callable[[Path], None] | None = None, say: Callable[[str], None] = print) -> int:
    """Put the models into a folder if they are not there, and return the exit code."""
    if all(_is_right(folder / name) for name in PLACES):
        return 0
    say(f"faces: taking two models (2 MB) out of the wheel of {WHEEL} (36 MB, Apache-2.0) into {folder}")
    try:
        with tempfile.TemporaryDirectory() as place:
            (fetch or fetch_wheel)(Path(place))
            _take(Path(place), folder)
    except (ChorusError, OSError) as error:
        say(f"faces: {error}")
        say("faces: portraits go on with a rougher finder of faces; scripts/face_models tries again")
        return 1
    return 0


def fetch_wheel(place: Path, *, run: Run | None = None, commands: Sequence[Sequence[str]] | None = None) -> None:
    """Put the wheel, or what is in it, into an empty folder.

    Raises:
        Unavailable: no tool for it is here, or none of them could.
    """
    reasons = []
    for command in _commands(place) if commands is None else commands:
        try:
            (run or _run)(command)
        except (OSError, subprocess.SubprocessError) as error:
            reasons.append(_reason(error))
        else:
            return
    raise Unavailable("; ".join(reasons) or "neither pip nor uv is here to fetch a package")


def _commands(place: Path) -> list[list[str]]:
    """Return how the wheel can be fetched here, the lightest first: uv unpacks it all."""
    pip = [[sys.executable, "-m", "pip"]] if find_spec("pip") else []
    pip += [[path] for path in (shutil.which("pip"), shutil.which("pip3")) if path][:1]
    download = ["download", "--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "15"]
    platform = ["--platform", "manylinux_2_17_x86_64", "--dest", str(place), WHEEL]
    commands = [[*each, *download, *_ANY_MACHINE, *platform] for each in pip]
    if uv := shutil.which("uv"):
        platform = ["--python-platform", "x86_64-manylinux_2_17", "--target", str(place), WHEEL]
        commands.append([uv, "pip", "install", "--quiet", "--no-cache", *_ANY_MACHINE, *platform])
    return commands


def _run(command: Sequence[str]) -> None:
    environment = {**os.environ, "UV_HTTP_TIMEOUT": "15"}
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS, env=environment)


def _reason(error: OSError | subprocess.SubprocessError) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = [line.strip() for line in error.stderr.splitlines() if line.strip()]
        return f"{Path(error.cmd[0]).name}: {lines[-1] if lines else f'exit code {error.returncode}'}"
    return str(error)


def _take(place: Path, folder: Path) -> None:
    """Move the models out of the wheel, or the unpacked wheel, in `place`.

    Raises:
        Corrupt: they are not there, or not those that are known.
    """
    for wheel in place.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            for inner in PLACES.values():
                archive.extract(inner, place)
    folder.mkdir(parents=True, exist_ok=True)
    for name, inner in PLACES.items():
        source = place / inner
        if not source.is_file():
            raise Corrupt(f"{WHEEL} has no {inner}")
        check(source.read_bytes(), name)
        part = folder / f"{name}.part"
        shutil.copyfile(source, part)
        part.replace(folder / name)


def _is_right(path: Path) -> bool:
    try:
        check(path.read_bytes(), path.name)
    except (OSError, Corrupt):
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
