"""A catalogue as one file, to be kept elsewhere or taken to another server: a tar that is written and read in one go.

    chorus-catalogue.json          {"format": 1}
    tracks/<hash>.json             video_id, title, url, thumbnail_url, duration, content_hash, version, added_ms
    tracks/<hash>.fingerprint      as `Fingerprint.to_bytes` packs it; right behind the track's json
    …
    end.json                       {"tracks": 2}

`<hash>` is the SHA-256 of the track's file, in hexadecimal. Without `end.json`, or with another number in it, some of
the archive is missing.
"""

import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import IO, Any, Final

from app.errors import InvalidFingerprint, InvalidInput
from app.fingerprint.fingerprint import Fingerprint
from app.fingerprint.labels import Labels
from app.fingerprint.sources import Flaw
from app.fingerprint.track import NewTrack, Track

MEDIA_TYPE: Final = "application/x-tar"
FORMAT: Final = 1
HEAD: Final = "chorus-catalogue.json"
END: Final = "end.json"

MAX_TEXT_BYTES: Final = 64 * 1024
MAX_FINGERPRINT_BYTES: Final = 64 * 1024 * 1024
"""Of ten days of music."""

_HASH: Final = re.compile(r"[0-9a-f]{64}")
_FACTS: Final = ("duration", "content_hash", "version", "added_ms")


def head() -> bytes:
    """Return how an archive begins."""
    return _member(HEAD, json.dumps({"format": FORMAT}).encode())


def entry(track: Track, fingerprint: bytes) -> bytes:
    """Return a track as it stands in an archive."""
    said = asdict(track)
    del said["id"]
    name = f"tracks/{track.content_hash}"
    text = json.dumps(said, ensure_ascii=False).encode()
    return _member(f"{name}.json", text) + _member(f"{name}.fingerprint", fingerprint)


def end(tracks: int) -> bytes:
    """Return how an archive of so many tracks ends."""
    return _member(END, json.dumps({"tracks": tracks}).encode()) + bytes(2 * tarfile.BLOCKSIZE)


def read(file: IO[bytes]) -> Iterator[NewTrack | Flaw]:
    """Yield the tracks of an archive, reading forward, one at a time; what is wrong with one spares the others.

    Raises:
        InvalidInput: it is no archive of a catalogue, or of a later format.
    """
    try:
        with tarfile.open(fileobj=file, mode="r|") as archive:
            yield from _Reader(archive).tracks()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InvalidInput(f"the archive cannot be read: {error}", field="file") from error


class _Reader:
    """Reads member after member."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._read = 0
        self._is_over = False

    def tracks(self) -> Iterator[NewTrack | Flaw]:
        self._check_head()
        ended: object = None
        while (member := self._next()) is not None:
            if member.name == END:
                ended = self._json(member).get("tracks")
                break
            if member.name.startswith("tracks/") and member.name.endswith(".json"):
                self._read += 1
                yield self._track(member)
        if ended != self._read:
            yield Flaw("the archive", f"it is not complete: {self._read} tracks are in it, {ended or 'more'} were")

    def _check_head(self) -> None:
        member = self._next()
        if member is None or member.name != HEAD:
            raise InvalidInput("the archive is not one of a catalogue", field="file")
        if (format := self._json(member).get("format")) != FORMAT:
            raise InvalidInput(f"the archive has format {format!r}, {FORMAT} is known here", field="file")

    def _track(self, member: tarfile.TarInfo) -> NewTrack | Flaw:
        where = member.name
        try:
            said = self._json(member)
            behind = self._next()
            if behind is None or behind.name != where.removesuffix("json") + "fingerprint":
                return Flaw(where, "its fingerprint is missing")
            return _new_track(said, self._bytes(behind, MAX_FINGERPRINT_BYTES))
        except (InvalidInput, KeyError, TypeError) as error:
            return Flaw(where, f"it is damaged: {error}")

    def _next(self) -> tarfile.TarInfo | None:
        """Return the next member; behind the last one, always None."""
        member = None if self._is_over else self._archive.next()
        self._is_over = member is None
        return member

    def _json(self, member: tarfile.TarInfo) -> dict[str, Any]:
        try:
            said = json.loads(self._bytes(member, MAX_TEXT_BYTES))
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"{member.name} is no JSON") from error
        if not isinstance(said, dict):
            raise InvalidInput(f"{member.name} is no object")
        return said

    def _bytes(self, member: tarfile.TarInfo, most: int) -> bytes:
        file = self._archive.extractfile(member) if member.isreg() else None
        if file is None or member.size > most:
            raise InvalidInput(f"{member.name} of {member.size} bytes may have {most}")
        data = file.read()
        if len(data) < member.size:
            raise InvalidInput(f"{member.name} is cut off")
        return data


def _new_track(said: dict[str, Any], data: bytes) -> NewTrack:
    """Return a track of which every text and number was checked."""
    fingerprint = Fingerprint.from_bytes(data)
    facts = {name: said[name] for name in _FACTS}
    if not _HASH.fullmatch(str(facts["content_hash"])):
        raise InvalidInput("content_hash is no SHA-256")
    if fingerprint.version != facts["version"] or fingerprint.duration != facts["duration"]:
        raise InvalidFingerprint("the fingerprint is another track's")
    if type(facts["added_ms"]) is not int or not 0 <= facts["added_ms"] < 2**53:
        raise InvalidInput("added_ms is no time")
    labels = {one.name: said.get(one.name) for one in fields(Labels)}
    if not all(text is None or isinstance(text, str) for text in labels.values()):
        raise InvalidInput("a label is no text")
    return NewTrack(labels=Labels(**labels), fingerprint=data, **facts)


def _member(name: str, data: bytes) -> bytes:
    """Return a file as it stands in a tar (POSIX.1-1988, ustar), padded to whole blocks."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    padding = -len(data) % tarfile.BLOCKSIZE
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(padding)
