"""What lies in the folder of recordings, by take; how its files are called.

A take's files are in one of 1024 folders, named by the last characters of its id, which are random: `p3/t01…p3.wav`,
beside it `t01…p3.mp3`. An unfinished file has another eight random digits: `t01…p3.mp3.0a1b2c3d.tmp`.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from app.audio.format import Format
from app.takes.draft import DRAFT_SUFFIX

BLOCK_BYTES: Final = 4096
"""Files are counted in whole blocks, as the disk does."""

_FOLDER = re.compile(r"[0-9a-z]{2}")
_NAME = re.compile(rf"(t[0-9a-z]{{26}})\.({'|'.join(Format)})(\.[0-9a-f]{{8}}{re.escape(DRAFT_SUFFIX)})?")


class Kept:
    """The finished files of one take."""

    __slots__ = ("costs", "finished", "take_id", "used")

    def __init__(self, take_id: str) -> None:
        self.take_id = take_id
        self.costs: dict[str, int] = {}
        """Bytes on the disk, by path."""
        self.finished: float | None = None
        """When the wav was, in seconds since the epoch; None: there is none."""
        self.used = 0.0
        """When a file was last asked for."""

    def look_again(self) -> None:
        """See when a file was last asked for by now."""
        for path in self.costs:
            with contextlib.suppress(FileNotFoundError):
                self.used = max(self.used, os.stat(path).st_atime)


class Inventory:
    """The finished files of all takes, and unfinished ones, as they were when the folder was listed."""

    def __init__(self, folder: Path) -> None:
        """List a folder; one that is not there has nothing in it. Files of others are not ours to see.

        Raises:
            OSError: it cannot be read.
        """
        self.takes: dict[str, Kept] = {}
        self.drafts: list[str] = []
        for path, name in _files(folder):
            self._add(path, name)

    @property
    def cost(self) -> int:
        """Bytes on the disk, of finished files."""
        return sum(sum(kept.costs.values()) for kept in self.takes.values())

    def look_again(self, path: str) -> None:
        """See what is there now in one place."""
        name = os.path.basename(path)
        if (kept := self.takes.get(name.partition(".")[0])) is not None:
            kept.costs.pop(path, None)
        self._add(path, name)

    def _add(self, path: str, name: str) -> None:
        found = _NAME.fullmatch(name)
        if found is None:
            return
        take_id, format, is_draft = found.groups()
        if is_draft:
            self.drafts.append(path)
            return
        with contextlib.suppress(FileNotFoundError):  # it was removed since
            status = os.stat(path, follow_symlinks=False)
            kept = self.takes.setdefault(take_id, Kept(take_id))
            kept.costs[path] = cost(status.st_size)
            kept.used = max(kept.used, status.st_atime)
            kept.finished = status.st_mtime if format == Format.WAV else kept.finished


def path_of(folder: Path, take_id: str, format: Format) -> Path:
    """Return where a file of a take is, or would be."""
    return folder / take_id[-2:] / f"{take_id}.{format}"


def cost(size_bytes: int) -> int:
    """Return what a file of a size takes on the disk."""
    return size_bytes + -size_bytes % BLOCK_BYTES


def cost_of(path: str | Path) -> int:
    """Return what a file takes on the disk, nothing if there is none."""
    try:
        return cost(os.stat(path).st_size)
    except FileNotFoundError:
        return 0


def _files(folder: Path) -> Iterator[tuple[str, str]]:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as folders:
        for each in folders:
            if _FOLDER.fullmatch(each.name) and each.is_dir(follow_symlinks=False):
                with os.scandir(each.path) as entries:
                    yield from ((entry.path, entry.name) for entry in entries)
