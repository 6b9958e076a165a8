"""Large files from the web: resumed where they broke off, checked, and only then given their names.

The rules of this file:

- What has arrived is in `NAME.part`; a later run goes on from there, if the server says that it is still the same file
  (If-Range, RFC 9110, 13.1.5) and lets itself be asked for the rest. Otherwise it starts anew.
- A file has its name only when it is complete and, where its checksum is known, right.
- Where no checksum is known, that of the first download is kept in `NAME.sha256`, and later looks compare with it.

Synchronous: it is run from a command, never by the server.
"""

import hashlib
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx

from app.errors import Corrupt, Unavailable

Progress = Callable[[int, int | None], None]
"""Takes the bytes that are there, and those of the whole file if that is known."""

ATTEMPTS = 5
"""In a row that do not come further than any before."""
LONGEST_PAUSE = 30.0


@dataclass(frozen=True, slots=True)
class Source:
    """A file on the web, and what is known of it."""

    url: str
    size: int | None = None
    """Bytes."""
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What has become of a download."""

    sha256: str
    is_new: bool
    """False: it was there already."""
    is_proven: bool
    """Whether a checksum was known before; otherwise `sha256` is only what has arrived."""


class Downloader:
    """Fetches files. A context manager.

    Args:
        attempts: how often in a row a server may fail without coming further than before.
        timeout: seconds without a byte after which an attempt has failed.
        sleep: waits between attempts.
    """

    def __init__(
        self,
        *,
        attempts: int = ATTEMPTS,
        timeout: float = 30.0,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._attempts = attempts
        self._sleep = sleep
        self._client = httpx.Client(follow_redirects=True, timeout=timeout, headers={"accept-encoding": "identity"})

    def __enter__(self) -> "Downloader":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def fetch(self, source: Source, path: Path, *, progress: Progress = lambda done, total: None) -> Fetched:
        """Have the file at `path`, downloading what is missing of it.

        Raises:
            Corrupt: what arrived is not what was announced.
            Unavailable: it cannot be had now. In both cases `path` is as it was before.
        """
        if path.exists() and (digest := check(source, path)):
            return Fetched(digest, is_new=False, is_proven=source.sha256 is not None)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        _need_room(source, part)
        is_resumed = part.exists()
        try:
            try:
                digest = self._obtain(source, part, progress)
            except Corrupt:
                if not is_resumed:
                    raise
                digest = self._obtain(source, part, progress)  # what was there before may be to blame
        except OSError as error:
            raise Unavailable(f"{part} cannot be written: {error}") from error
        if source.sha256 is None:
            _sidecar(path).write_text(f"{digest}  {path.name}\n", "utf-8")
        part.replace(path)
        _validator(part).unlink(missing_ok=True)
        return Fetched(digest, is_new=True, is_proven=source.sha256 is not None)

    def _obtain(self, source: Source, part: Path, progress: Progress) -> str:
        """Have the whole part and return its SHA-256; nothing of a corrupt one stays."""
        try:
            self._complete(source, part, progress)
            return _verify(source, part)
        except Corrupt:
            _remove(part)
            raise

    def _complete(self, source: Source, part: Path, progress: Progress) -> None:
        """Go on with the part until it is whole."""
        failures, furthest = 0, _size(part)
        while True:
            try:
                if self._attempt(source, part, progress):
                    return
                problem = "the connection ended early"
            except httpx.TransportError as error:
                problem = str(error) or type(error).__name__
            failures = 1 if _size(part) > furthest else failures + 1
            furthest = max(furthest, _size(part))
            if failures >= self._attempts:
                raise Unavailable(f"{source.url}: {problem}; run this again to go on from {_size(part):,} bytes")
            self._sleep(min(2.0 ** (failures - 1), LONGEST_PAUSE))

    def _attempt(self, source: Source, part: Path, progress: Progress) -> bool:
        """Ask once for what is missing; tell whether the part is whole now."""
        offset = _size(part)
        if source.size is not None and offset == source.size:
            return True
        if source.size is not None and offset > source.size:
            _remove(part)
            offset = 0
        with self._client.stream("GET", source.url, headers=_range(part, offset)) as response:
            if response.status_code == 416:  # what is there cannot be a part of this file
                _remove(part)
                return False
            offset, total = _accept(response, source, offset)
            if validator := _validator_of(response):
                _validator(part).write_text(validator, "utf-8")
            with part.open("r+b" if offset else "wb") as file:
                file.seek(offset)
                file.truncate()
                done = _copy(response, file, offset, total, progress)
        return total is None or done == total


def check(source: Source, path: Path) -> str | None:
    """Return the file's SHA-256 if it is what the source, or the first download of it, says; None if not."""
    if source.size is not None and path.stat().st_size != source.size:
        return None
    digest = _digest(path)
    kept = _sidecar(path).read_text("utf-8").partition(" ")[0] if _sidecar(path).exists() else None
    return digest if digest == (source.sha256 or kept or digest) else None


def _verify(source: Source, part: Path) -> str:
    """Return the SHA-256 of what has arrived.

    Raises:
        Corrupt: it is not what was announced.
    """
    digest = _digest(part)
    if source.sha256 and source.sha256 != digest:
        raise Corrupt(f"{source.url}: its SHA-256 is {digest}, must be {source.sha256}")
    return digest


def _range(part: Path, offset: int) -> dict[str, str]:
    if not offset:
        return {}
    headers = {"range": f"bytes={offset}-"}
    if _validator(part).exists():
        headers["if-range"] = _validator(part).read_text("utf-8")
    return headers


def _accept(response: httpx.Response, source: Source, offset: int) -> tuple[int, int | None]:
    """Return where in the file the answer begins, and how long the file is.

    Raises:
        Unavailable: it is no file.
        Corrupt: it is another file than was announced.
    """
    if response.status_code not in (200, 206):
        raise Unavailable(f"{source.url} answers with status {response.status_code}")
    if response.headers.get("content-type", "").startswith("text/html"):
        raise Unavailable(f"{source.url} answers with a web page instead of the file")
    if response.status_code == 206:
        start, total = _content_range(response.headers)
        if start != offset:
            raise Corrupt(f"the server sent the rest from byte {start}, asked for was {offset}")
    else:
        start, total = 0, _number(response.headers.get("content-length", ""))
    if total is not None and source.size is not None and total != source.size:
        raise Corrupt(f"the server has {total:,} bytes, announced are {source.size:,}")
    return start, total if total is not None else source.size


def _copy(response: httpx.Response, file: IO[bytes], done: int, total: int | None, progress: Progress) -> int:
    progress(done, total)
    for chunk in response.iter_raw():
        file.write(chunk)
        done += len(chunk)
        if total is not None and done > total:
            raise Corrupt(f"more than the announced {total:,} bytes arrived")
        progress(done, total)
    return done


def _content_range(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Read `bytes 100-199/200` (RFC 9110, 14.4)."""
    span, _, total = headers.get("content-range", "").removeprefix("bytes ").partition("/")
    return _number(span.partition("-")[0]), _number(total)


def _validator_of(response: httpx.Response) -> str | None:
    """Return what tells this version of a file from others; a weak one (RFC 9110, 8.8.1) does not."""
    tag: str | None = response.headers.get("etag")
    return tag if tag and not tag.startswith("W/") else None


def _need_room(source: Source, part: Path) -> None:
    free = shutil.disk_usage(part.parent).free
    if source.size is not None and free < source.size - _size(part):
        raise Unavailable(f"{part.parent} has room for {free:,} bytes, {source.url} has {source.size:,}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _validator(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _remove(part: Path) -> None:
    part.unlink(missing_ok=True)
    _validator(part).unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
