"""How far a long command is, for who watches: one line that is written over, or every tenth of the way."""

import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

BAR_CHARACTERS: Final = 24
SHOWS_PER_SECOND: Final = 8


class Progress:
    """A bar on standard error.

    Args:
        out: where it is shown.
        clock: seconds, monotonic.
    """

    def __init__(self, out: TextIO | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out or sys.stderr
        self._clock = clock
        self._started_at = clock()
        self._shown_at = float("-inf")
        self._tenths = 0
        self._width = 0

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return max(self._clock() - self._started_at, 1e-3)

    def show(self, done: int, total: int, note: str) -> None:
        """Show that `done` of `total` are done, with a note behind."""
        is_last = done >= total
        if self._out.isatty():
            if is_last or self._clock() - self._shown_at >= 1 / SHOWS_PER_SECOND:
                self._shown_at = self._clock()
                self._write_over(self._line(done, total, note), "\n" if is_last else "")
        elif total and (tenths := 10 * done // total) > self._tenths:
            self._tenths = tenths
            print(self._line(done, total, note), file=self._out, flush=True)

    def _write_over(self, line: str, end: str) -> None:
        print(f"\r{line.ljust(self._width)}", end=end, file=self._out, flush=True)
        self._width = len(line)

    def _line(self, done: int, total: int, note: str) -> str:
        filled = BAR_CHARACTERS * done // max(total, 1)
        left = self.elapsed * (total - done) / done if done else 0.0
        rest = f", {clock_time(left)} left" if done < total and done else ""
        return f"[{'#' * filled}{'.' * (BAR_CHARACTERS - filled)}] {done} of {total}, {note}{rest}"


def clock_time(seconds: float) -> str:
    """Return a time as a player shows it: 1:02:03 or 2:03."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
