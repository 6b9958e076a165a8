"""The file of the index: arrays, to be mapped into memory as they are, by any number of processes.

| bytes | what |
|--:|---|
| 8 | `CHINDEX2`; another version of this layout has another number |
| 4 | length of the description |
| 4 | CRC-32 of the description |
| … | the description, JSON: recipe, origin, generation; type, offset, length and CRC-32 of each array |
| … | the arrays, each from a multiple of 4,096 bytes on, little-endian |

The description is checked when the file is opened, the arrays when somebody asks for it: until then whatever they hold
is looked up, and leads nobody out of them.

A file gets its name when it is whole and on the disk.
"""

import json
import mmap
import os
import secrets
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.generic]
Scalar = TypeVar("Scalar", bound=np.generic)

MAGIC: Final = b"CHINDEX2"
ALIGNMENT: Final = 4096
SLICE_BYTES: Final = 1 << 24
"""Checked at once."""
DRAFT_SUFFIX: Final = ".tmp"

_HEADER = struct.Struct("<8sII")


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a snapshot is of."""

    recipe: str
    """Of its landmarks: those of another recipe cannot be compared."""
    origin: str
    """Names the catalogue."""
    generation: int
    """Of the catalogue's changes, the last that is in it."""


@dataclass(frozen=True, slots=True)
class _Extent:
    """Where an array is in the file."""

    name: str
    type: str
    offset: int
    length: int
    checksum: int

    @property
    def end(self) -> int:
        return self.offset + self.length * np.dtype(self.type).itemsize


class Snapshot:
    """A file that is open; what is read from it stays as it was, even if another takes its name."""

    def __init__(self, stamp: Stamp, extents: list[_Extent], memory: mmap.mmap) -> None:
        self.stamp = stamp
        self._extents = {extent.name: extent for extent in extents}
        self._memory = memory

    @property
    def size_bytes(self) -> int:
        """Of the file."""
        return len(self._memory)

    def array(self, name: str, type: type[Scalar]) -> npt.NDArray[Scalar]:
        """Return an array; nothing of it is read before it is looked at."""
        extent = self._extents[name]
        return np.frombuffer(self._memory, extent.type, extent.length, extent.offset).astype(type, copy=False)

    def is_whole(self, stop: threading.Event | None = None) -> bool:
        """Read everything, and tell whether it is as it was written; True if it was stopped before that was known."""
        return all(self._checksum(extent, stop) == extent.checksum for extent in self._extents.values())

    def _checksum(self, extent: _Extent, stop: threading.Event | None) -> int:
        checksum = 0
        for offset in range(extent.offset, extent.end, SLICE_BYTES):
            if stop is not None and stop.is_set():
                return extent.checksum
            with memoryview(self._memory) as memory:
                checksum = zlib.crc32(memory[offset : min(offset + SLICE_BYTES, extent.end)], checksum)
        return checksum


def open_snapshot(path: Path) -> Snapshot | None:
    """Map a file into memory; None if there is none, or what is there is no snapshot of this layout."""
    try:
        with path.open("rb") as file:
            described = _read_description(file)
            if described is None:
                return None
            return Snapshot(*described, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except FileNotFoundError:
        return None


def _read_description(file: BinaryIO) -> tuple[Stamp, list[_Extent]] | None:
    block, size = file.read(ALIGNMENT), os.fstat(file.fileno()).st_size
    if len(block) < ALIGNMENT or not block.startswith(MAGIC):
        return None
    _, length, checksum = _HEADER.unpack_from(block)
    packed = block[_HEADER.size : _HEADER.size + length]
    if zlib.crc32(packed) != checksum:
        return None
    described = json.loads(packed)  # as we wrote it: its checksum says so
    extents = [_Extent(**extent) for extent in described["arrays"]]
    return None if any(extent.end > size for extent in extents) else (Stamp(**described["stamp"]), extents)


class SnapshotDraft:
    """A file that is being written, array by array."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._extents: list[_Extent] = []
        file.write(bytes(ALIGNMENT))

    def put(self, name: str, type: npt.DTypeLike, parts: Iterable[Array]) -> None:
        """Write an array; its parts are written one after the other as they come."""
        offset = self._file.seek(-(-self._file.tell() // ALIGNMENT) * ALIGNMENT)
        little_endian = np.dtype(type).newbyteorder("<")
        length = checksum = 0
        for part in parts:
            data = np.ascontiguousarray(part, little_endian).view(np.uint8).data
            self._file.write(data)
            checksum = zlib.crc32(data, checksum)
            length += len(part)
        self._extents.append(_Extent(name, little_endian.str, offset, length, checksum))

    def finish(self, stamp: Stamp) -> None:
        """Describe what was written, and wait until it is on the disk."""
        described = {"stamp": asdict(stamp), "arrays": [asdict(extent) for extent in self._extents]}
        packed = json.dumps(described, separators=(",", ":")).encode("ascii")
        if _HEADER.size + len(packed) > ALIGNMENT:
            raise ValueError(f"a description of {len(packed)} bytes does not fit into {ALIGNMENT}")
        self._file.truncate(max(self._file.tell(), ALIGNMENT))
        self._file.seek(0)
        self._file.write(_HEADER.pack(MAGIC, len(packed), zlib.crc32(packed)) + packed)
        self._file.flush()
        os.fsync(self._file.fileno())


@contextmanager
def new_snapshot(path: Path, stamp: Stamp) -> Iterator[SnapshotDraft]:
    """Write a file that has its name when this ends; nothing is left of it if it fails.

    Raises:
        OSError: the folder refuses, or is full.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft_path = path.with_name(f"{path.name}.{secrets.token_hex(4)}{DRAFT_SUFFIX}")
    try:
        with open(os.open(draft_path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            draft = SnapshotDraft(file)
            yield draft
            draft.finish(stamp)
        draft_path.replace(path)
    finally:
        draft_path.unlink(missing_ok=True)


def remove_drafts(path: Path) -> None:
    """Remove what writers left that were killed; for who knows that nobody is writing."""
    for draft_path in path.parent.glob(f"{path.name}.*{DRAFT_SUFFIX}"):
        draft_path.unlink(missing_ok=True)
