"""Passwords: the rule they keep, and their hashes (argon2id, RFC 9106), made and compared in threads."""

import unicodedata
from functools import partial
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.errors import InvalidInput, Overloaded
from app.runtime.workers import Workers

PASSWORD_POOL: Final = "passwords"
"""Name of the threads that hash; argon2 lets go of the interpreter lock meanwhile."""

MIN_CHARACTERS: Final = 8
MAX_CHARACTERS: Final = 256

MAX_WAITING: Final = 64
"""Passwords that may wait for a thread; at 140 ms each, one thread is done with them in 9 s."""

# RFC 9106, 4, the second recommended choice, but on one lane: the work is the same, and a login takes one core for
# 140 ms instead of all of them for 100 (measured on two cores), which would be heard in live speech.
HASHER: Final = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=1)


def parse_password(text: str) -> str:
    """Return a new password as it is hashed: 8 to 256 characters of any kind (NIST SP 800-63B, 5.1.1.2).

    Raises:
        InvalidInput: it has fewer or more, or is no text.
    """
    password = unicodedata.normalize("NFC", text)
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS or not _is_text(password):
        raise InvalidInput(f"a password has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters", field="password")
    return password


class Passwords:
    """Hashes and compares. All of it runs in `PASSWORD_POOL`; who is cancelled leaves when the thread has ended.

    Every coroutine raises `Overloaded` if too many wait for a thread.
    """

    def __init__(self, workers: Workers, *, hasher: PasswordHasher = HASHER) -> None:
        """Take the threads; `hasher` says how much work a hash is."""
        self._workers = workers
        self._hasher = hasher
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        """Return the hash of a password, with its parameters and a salt of its own.

        Raises:
            InvalidInput: the password breaks the rule.
        """
        return await self._run_hash(parse_password(password))

    async def verify(self, known: str | None, password: str) -> bool:
        """Tell whether `password` is the one behind the hash `known`.

        None stands for somebody who does not exist: the answer is no, after the same work.
        """
        if self._nobodys is None:
            self._nobodys = await self._run_hash("the password of nobody")
        self._check_room()
        matches = await self._workers.run(PASSWORD_POOL, partial(self._matches, known or self._nobodys, password))
        return matches and known is not None

    def is_dated(self, known: str) -> bool:
        """Tell whether a hash was made with other parameters than those of now."""
        return self._hasher.check_needs_rehash(known)

    async def _run_hash(self, password: str) -> str:
        self._check_room()
        return await self._workers.run(PASSWORD_POOL, partial(self._hasher.hash, password))

    def _check_room(self) -> None:
        if self._workers.waiting(PASSWORD_POOL) >= MAX_WAITING:
            raise Overloaded("too many passwords wait to be checked", retry_after=5.0)

    def _matches(self, known: str, password: str) -> bool:
        text = unicodedata.normalize("NFC", password)
        # What can be nobody's password costs the same as what can.
        candidate = text if len(text) <= MAX_CHARACTERS and _is_text(text) else ""
        try:
            return self._hasher.verify(known, candidate)
        except (VerificationError, InvalidHashError):
            return False


def _is_text(password: str) -> bool:
    """Tell whether it can be written as UTF-8; JSON allows half of a surrogate pair."""
    return not any("\ud800" <= character <= "\udfff" for character in password)
