"""What is to be taken in: files, whole folders, and lists of files with their labels, found one after another.

A list is CSV with a line of column names, JSON (an array, or an object with an array `tracks`) or JSON lines. Each
entry has `path` (or `file`), absolute or from the list's own folder, and may have `title`, `url`, `thumbnail_url` (or
`thumbnail`) and `video_id`; other columns are passed over. Everything here blocks: run it in a thread.
"""

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from app.errors import InvalidInput
from app.fingerprint.labels import Labels

LISTS: Final = frozenset({".csv", ".tsv", ".json", ".jsonl", ".ndjson"})

SOUNDS: Final = frozenset({
    ".3gp", ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".asf", ".au", ".avi", ".caf", ".dts", ".eac3",
    ".flac", ".flv", ".m2ts", ".m4a", ".m4b", ".m4v", ".mka", ".mkv", ".mov", ".mp2", ".mp3", ".mp4", ".mpa", ".mpc",
    ".mpeg", ".mpg", ".mts", ".oga", ".ogg", ".ogm", ".ogv", ".opus", ".ra", ".rm", ".spx", ".tak", ".tta", ".voc",
    ".vob", ".w64", ".wav", ".webm", ".wma", ".wmv", ".wv",
})  # fmt: skip
"""What is taken out of folders; a file that is named is tried whatever it is called."""

_COLUMNS: Final = {
    "path": "path",
    "file": "path",
    "filename": "path",
    "title": "title",
    "url": "url",
    "thumbnail": "thumbnail_url",
    "thumbnail_url": "thumbnail_url",
    "video_id": "video_id",
}


@dataclass(frozen=True, slots=True)
class Source:
    """A file, and what was said of it."""

    path: Path
    labels: Labels = Labels()


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that cannot be taken in, and why."""

    where: str
    reason: str


def find(paths: Iterable[Path]) -> Iterator[Source | Flaw]:
    """Yield what paths name, in their order; folders with all that is below them, by name."""
    for path in paths:
        if path.is_dir():
            yield from _below(path, set())
        elif path.suffix.lower() in LISTS:
            yield from _listed(path)
        elif path.is_file():
            yield Source(path)
        else:
            yield Flaw(str(path), "it is no file" if path.exists() else "it does not exist")


def _below(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Source | Flaw]:
    """Walk a folder; links are followed, but into no folder twice."""
    try:
        status = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Flaw(str(folder), f"the folder cannot be read: {error.strerror}")
        return
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    for entry in entries:
        if entry.is_dir():
            yield from _below(Path(entry.path), seen)
        elif os.path.splitext(entry.name)[1].lower() in SOUNDS and entry.is_file():
            yield Source(Path(entry.path))


def _listed(path: Path) -> Iterator[Source | Flaw]:
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        yield Flaw(str(path), f"the list cannot be read: {error.strerror}")
        return
    except UnicodeDecodeError:
        yield Flaw(str(path), "the list is not UTF-8")
        return
    read = {".json": _of_json, ".jsonl": _of_lines, ".ndjson": _of_lines}.get(path.suffix.lower(), _of_csv)
    try:
        for where, entry in read(text):
            yield _source(path, f"{path}, {where}", entry)
    except (ValueError, csv.Error, RecursionError) as error:
        yield Flaw(str(path), f"the list cannot be read: {error}")


def _of_json(text: str) -> Iterator[tuple[str, object]]:
    found = json.loads(text)
    entries = found.get("tracks") if isinstance(found, dict) else found
    if not isinstance(entries, list):
        raise ValueError("it is neither an array nor an object with an array `tracks`")
    yield from zip((f"entry {number}" for number in count(1)), entries, strict=False)


def _of_lines(text: str) -> Iterator[tuple[str, object]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield f"line {number}", json.loads(line)


def _of_csv(text: str) -> Iterator[tuple[str, object]]:
    head = text.partition("\n")[0]
    rows = csv.DictReader(text.splitlines(), delimiter=max(",;\t", key=head.count))
    if not any(_column(name) == "path" for name in rows.fieldnames or ()):
        raise ValueError("no column is called `path` or `file`")
    for row in rows:
        yield f"line {rows.line_num}", row


def _source(path: Path, where: str, entry: object) -> Source | Flaw:
    if not isinstance(entry, Mapping):
        return Flaw(where, "it is no object")
    said = {column: text for name, value in entry.items() if (column := _column(name)) and (text := _text(value))}
    file = said.pop("path", None)
    if file is None:
        return Flaw(where, "it names no file")
    try:
        return Source(path.parent / file, Labels(**said))
    except InvalidInput as error:
        return Flaw(where, str(error))


def _column(name: Any) -> str | None:
    """Return which of our words a column's name is; a row longer than the head has a column without."""
    return _COLUMNS.get(name.strip().lower()) if isinstance(name, str) else None


def _text(value: object) -> str:
    """Return a value as text: CSV has nothing else, in JSON ids are often numbers. What is blank was not said."""
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
