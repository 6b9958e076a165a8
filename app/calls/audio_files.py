"""The sound files of one folder that a server plays and gives away.

Rules of this file:

1. A name is one file of the folder itself. Whether it may be meant is judged before anything is asked of the disk, so
   that no answer tells what there is elsewhere.
2. Links that lead out of the folder do, and are refused as paths that do; those within are files.
3. What a file is called decides what it is: the suffix, in whatever case.
"""

import os
import stat
import unicodedata
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from app.audio.format import Format
from app.errors import InvalidAudio, InvalidInput, NotFound, Unavailable
from app.runtime.workers import FILES_POOL, Workers

FORMATS: Final = (Format.MP3, Format.WAV, Format.OGG, Format.M4A, Format.FLAC, Format.AAC)
MAX_NAME_BYTES: Final = 255
MAX_LISTED: Final = 10_000
"""Files in a list: the first by name."""

_BY_SUFFIX: Final = {f".{format.value}": format for format in FORMATS}


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A file as it was when it was looked at."""

    path: Path
    """Its real one."""
    name: str
    format: Format
    status: os.stat_result

    @property
    def size_bytes(self) -> int:
        """Of its contents."""
        return self.status.st_size


class AudioFiles:
    """A folder; it need not exist. Every method raises `Unavailable` where the disk refuses."""

    def __init__(self, folder: Path, workers: Workers) -> None:
        """Name the folder; `workers` have the pool `files`."""
        self._folder = folder
        self._workers = workers

    async def find(self, name: str) -> AudioFile:
        """Return a file.

        Raises:
            InvalidInput: the name leads, or could lead, out of the folder.
            InvalidAudio: its suffix is none of `FORMATS`.
            NotFound: there is no such file.
        """
        check_name(name)
        return await self._workers.run(FILES_POOL, partial(_find, self._folder, name))

    async def list(self) -> list[AudioFile]:
        """Return all files by name, `MAX_LISTED` at most."""
        return await self._workers.run(FILES_POOL, partial(_list, self._folder))


def check_name(name: str) -> Format:
    """Return the format of a file of this name, without looking whether there is one.

    Raises:
        InvalidInput: it is no plain name of a file.
        InvalidAudio: its suffix is none of `FORMATS`.
    """
    if not _is_plain(name):
        raise InvalidInput(f"file name {name[:MAX_NAME_BYTES]!r} must be the plain name of a file", field="filename")
    format = _BY_SUFFIX.get(os.path.splitext(name)[1].lower())
    if format is None:
        raise InvalidAudio(f"file name {name!r} must end with {', '.join(_BY_SUFFIX)}", field="filename")
    return format


def _is_plain(name: str) -> bool:
    """Tell whether a name is text of a file's length, without anything that leads elsewhere; spaces are welcome."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:  # bytes that are no text
        return False
    is_clean = not any(char in "/\\" or unicodedata.category(char) == "Cc" for char in name)
    return 0 < size <= MAX_NAME_BYTES and is_clean and not name.startswith(".")


def _find(folder: Path, name: str) -> AudioFile:
    format = check_name(name)
    try:
        root = folder.resolve()
        path = (root / name).resolve()
        if not path.is_relative_to(root):
            raise InvalidInput(f"file {name!r} is a link out of the folder", field="filename")
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        raise NotFound(f"file {name!r} does not exist") from None
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        raise Unavailable(f"file {name!r} cannot be looked at: {error}") from error
    if not stat.S_ISREG(status.st_mode):
        raise NotFound(f"{name!r} is no file")
    return AudioFile(path, name, format, status)


def _list(folder: Path) -> list[AudioFile]:
    found: list[AudioFile] = []
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise Unavailable(f"the folder of sound files cannot be read: {error.strerror}") from error
    for name in names:
        if len(found) == MAX_LISTED:
            break
        try:
            found.append(_find(folder, name))
        except (InvalidInput, NotFound, Unavailable):
            continue
    return found
