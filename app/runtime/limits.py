"""Rates and attempts, as pure counting: no tasks, no timers, and a clock that is an argument.

`TokenBucket` is for one connection and allows bursts. `RateWindow` is for many addresses at once and is
strict. In both, a limit of 0 means that there is none, and what is refused costs the caller nothing: it
neither empties the bucket nor extends the window.
"""

import ipaddress
import math
import time
from collections import deque
from collections.abc import Callable

_ROUNDING = 1e-6
"""Seconds. A bucket asked again after exactly `wait_time` must say yes in spite of float rounding; a
monotonic clock that reads ten million seconds has steps of 2e-9."""


class TokenBucket:
    """Allows `burst` at once and `rate_per_second` in the long run, in any unit: messages or bytes.

    It is the generic cell rate algorithm (ITU-T I.371, virtual scheduling): the whole state is the moment at
    which the bucket would be full again. In any span of t seconds at most `burst + rate_per_second * t` is
    taken, apart from one microsecond's worth of rounding.

    Args:
        rate_per_second: refill, in units a second; 0 means no limit at all.
        burst: capacity in units, more than 0; a single `take` of more than this is always refused.
        clock: seconds, monotonic.
    """

    __slots__ = ("_clock", "_depth", "_full_at", "_interval")

    def __init__(self, rate_per_second: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        if rate_per_second < 0 or burst <= 0:
            raise ValueError(f"rate_per_second={rate_per_second} must be 0 or more and burst={burst} positive")
        self._clock = clock
        self._interval = 1 / rate_per_second if rate_per_second else 0.0
        self._depth = burst * self._interval
        self._full_at = -math.inf

    def take(self, n: float = 1) -> bool:
        """Take `n` units if they are there; False, and nothing taken, if they are not."""
        now = self._clock()
        full_at = self._full_at if self._full_at > now else now
        full_at += n * self._interval
        if full_at - now > self._depth + _ROUNDING:
            return False
        self._full_at = full_at
        return True

    def wait_time(self, n: float = 1) -> float:
        """Return the seconds until `take(n)` would succeed: 0 if now, infinity if never."""
        cost = n * self._interval
        if cost > self._depth + _ROUNDING:
            return math.inf
        now = self._clock()
        return max(0.0, max(self._full_at, now) + cost - self._depth - now)


class RateWindow:
    """Allows each key at most `limit` attempts in any `window` seconds, sliding.

    Memory is bounded by `max_keys * limit` floats. Keys without an attempt in the window are forgotten as
    others come; beyond `max_keys` live ones, the one whose last allowed attempt is longest ago is forgotten
    early.

    Args:
        limit: attempts; 0 means no limit at all.
        window: seconds.
        max_keys: how many keys are remembered, at least 1.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        limit: int,
        window: float = 60.0,
        *,
        max_keys: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if limit < 0 or window <= 0 or max_keys < 1:
            raise ValueError(f"limit={limit}, window={window} and max_keys={max_keys} must be positive")
        self._limit = limit
        self._window = window
        self._max_keys = max_keys
        self._clock = clock
        # In the order of each key's latest allowed attempt, so the keys to forget are always in front.
        self._attempts: dict[str, deque[float]] = {}

    def __len__(self) -> int:
        return len(self._attempts)

    def attempt(self, key: str) -> bool:
        """Count an attempt of `key` and allow it, or refuse it and count nothing."""
        if not self._limit:
            return True
        now = self._clock()
        self._forget(now)
        times = self._attempts.get(key)
        if times is None:
            times = deque(maxlen=self._limit)
        elif len(times) == self._limit and now - times[0] < self._window:
            return False
        times.append(now)
        self._attempts.pop(key, None)
        self._attempts[key] = times
        if len(self._attempts) > self._max_keys:
            del self._attempts[next(iter(self._attempts))]
        return True

    def wait_time(self, key: str) -> float:
        """Return the seconds until `attempt(key)` would be allowed: 0 if now."""
        times = self._attempts.get(key)
        if times is None or len(times) < self._limit:
            return 0.0
        return max(0.0, times[0] + self._window - self._clock())

    def _forget(self, now: float) -> None:
        while self._attempts:
            key = next(iter(self._attempts))
            if now - self._attempts[key][-1] < self._window:
                return
            del self._attempts[key]


def client_key(host: str) -> str:
    """Return the name under which an address is counted.

    An IPv6 host is counted by its /64, the least that a provider hands to one customer (RFC 6177), because
    one customer can use all of it; an IPv4 address in IPv6 clothing (`::ffff:192.0.2.1`) is the IPv4 address.
    What is no address, as with a Unix socket, is its own key.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, 64), strict=False))
