"""The boxes of an MP4 file (ISO/IEC 14496-12, 4.2)."""

import struct


def boxes(data: bytes) -> list[str]:
    """Return the types of the boxes of which these bytes are a whole number.

    Raises:
        ValueError: the last one is not complete.
    """
    found, at = [], 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8 or at + size > len(data):
            raise ValueError(f"box {kind!r} of {size} bytes at {at} of {len(data)}")
        found.append(kind.decode())
        at += size
    return found
