"""How guessing passwords is slowed: pure counting, with a clock that is an argument.

Three counts grow with each wrong password: of the address, of the account, and of the pair of them. Beyond its free
ones each count makes its own wait, twice as long after every failure, up to a bound; nobody is ever locked out for
good, and what is refused meanwhile counts nothing. A right password takes back what this pair has counted.

An address from which an account has come in before waits for its own failures alone: whoever guesses at somebody's
password from elsewhere must not keep its owner out.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.errors import RateLimited

FIRST_WAIT_SECONDS: Final = 1.0
FORGET_SECONDS: Final = 900.0
"""Without a further failure, a count is forgotten after so long."""

MAX_KEYS: Final = 10_000
"""Counts of one kind that are kept; beyond them, the one that grew longest ago is forgotten early."""

MAX_WAIT_SECONDS: Final = 60.0
"""Of an address, and of a pair: in the long run one guess a minute."""
MAX_ACCOUNT_WAIT_SECONDS: Final = 30.0
"""Of an account: what its owner may have to wait at a new address while others guess."""

ACCOUNT_FACTOR: Final = 4
ADDRESS_FACTOR: Final = 6
"""How many times as many failures are free to an account and to an address, which many people may share, as to a
pair."""


@dataclass(slots=True)
class _Count:
    failures: int = 0
    failed_at: float = 0.0


class Backoff:
    """Counts failures by key, and says how long each key must wait.

    Args:
        free: failures after which there is no wait yet; 0: there never is one.
        longest: seconds that a wait lasts at most.
        clock: seconds, monotonic.
    """

    def __init__(self, free: int, *, longest: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._free = free
        self._longest = longest
        self._clock = clock
        # In the order of the latest failure, so those to forget are in front.
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def failures(self, key: str) -> int:
        """Return how many failures count."""
        count = self._counts.get(key)
        return count.failures if count and self._clock() - count.failed_at < FORGET_SECONDS else 0

    def wait(self, key: str) -> float:
        """Return the seconds until `key` may try again: 0 if now."""
        beyond = self.failures(key) - self._free
        if beyond < 0 or not self._free:
            return 0.0
        wait = min(FIRST_WAIT_SECONDS * 2.0 ** min(beyond, 64), self._longest)
        return max(0.0, self._counts[key].failed_at + wait - self._clock())

    def fail(self, key: str) -> None:
        """Count a failure."""
        now = self._clock()
        while self._counts and now - next(iter(self._counts.values())).failed_at >= FORGET_SECONDS:
            self._counts.popitem(last=False)
        count = self._counts.setdefault(key, _Count())
        count.failures += 1
        count.failed_at = now
        self._counts.move_to_end(key)
        if len(self._counts) > MAX_KEYS:
            self._counts.popitem(last=False)

    def forgive(self, key: str, failures: int) -> None:
        """Take back so many failures."""
        count = self._counts.get(key)
        if count is None:
            return
        count.failures -= failures
        if count.failures <= 0:
            del self._counts[key]


class LoginThrottle:
    """Judges attempts to log in, by the address they come from and the name they are for.

    Attempts of one pair must be made one after another; `app.accounts.turns` sees to it.

    Args:
        free: wrong passwords of a pair before it must wait; 0: nobody ever waits.
        clock: seconds, monotonic.
    """

    def __init__(self, free: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._pairs = Backoff(free, longest=MAX_WAIT_SECONDS, clock=clock)
        self._accounts = Backoff(free * ACCOUNT_FACTOR, longest=MAX_ACCOUNT_WAIT_SECONDS, clock=clock)
        self._addresses = Backoff(free * ADDRESS_FACTOR, longest=MAX_WAIT_SECONDS, clock=clock)
        self._known: OrderedDict[str, None] = OrderedDict()

    def check(self, address: str, name: str) -> None:
        """Let an attempt pass, which counts nothing yet.

        Raises:
            RateLimited: it comes too early.
        """
        pair = _pair(address, name)
        wait = max(self._pairs.wait(pair), self._addresses.wait(address))
        if pair not in self._known:
            wait = max(wait, self._accounts.wait(name))
        if wait:
            raise RateLimited("too many wrong passwords", retry_after=wait)

    def begin(self, address: str, name: str) -> None:
        """Count an attempt as a failure before it is judged, so that many at once are not one too few.

        Raises:
            RateLimited: it comes too early, and counts nothing.
        """
        self.check(address, name)
        for backoff, key in self._counts(address, name):
            backoff.fail(key)

    def undo(self, address: str, name: str) -> None:
        """Take back an attempt that was not judged."""
        for backoff, key in self._counts(address, name):
            backoff.forgive(key, 1)

    def succeed(self, address: str, name: str) -> None:
        """Take back this attempt and what the pair failed before, and remember that the two belong together."""
        pair = _pair(address, name)
        failures = self._pairs.failures(pair)
        for backoff, key in self._counts(address, name):
            backoff.forgive(key, failures)
        self._known[pair] = None
        self._known.move_to_end(pair)
        if len(self._known) > MAX_KEYS:
            self._known.popitem(last=False)

    def _counts(self, address: str, name: str) -> tuple[tuple[Backoff, str], ...]:
        return (self._pairs, _pair(address, name)), (self._accounts, name), (self._addresses, address)


def _pair(address: str, name: str) -> str:
    return f"{address} {name}"  # an address has no blank
