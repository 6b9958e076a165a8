"""The one secret of an installation, kept in a file."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from app.errors import InvalidInput

SECRET_BYTES: Final = 32
"""RFC 7518, 3.2: a key of HS256 is at least as long as its hash."""


def load_secret(path: Path) -> bytes:
    """Return the secret kept in `path`, making one there first if there is none.

    The file holds 32 random bytes and is readable by its owner alone. Processes that start together agree: each
    writes a whole file of its own and then links it to `path`, which succeeds for exactly one of them.

    Raises:
        InvalidInput: the file holds fewer bytes than a secret has.
        OSError: the file or its directory cannot be made or read.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _make_secret(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        with suppress(OSError):  # mounted read-only, as secrets of a cluster are
            path.chmod(0o600)
    secret = path.read_bytes()
    if len(secret) < SECRET_BYTES:
        raise InvalidInput(f"{path} has {len(secret)} bytes and must have {SECRET_BYTES} or more")
    return secret


def _make_secret(path: Path) -> None:
    own = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(own, path)
    finally:
        own.unlink()
