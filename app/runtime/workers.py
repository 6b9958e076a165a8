"""Named pools of threads for what would block the event loop: codecs, models, SQL, files.

Rules of this file:

1. A pool runs at most as many functions as it has threads; further callers wait, first come, first served.
2. A thread cannot be cancelled. A cancelled caller sets the function's stop event and leaves only when the thread has
   ended, so whatever the thread uses (a model, a connection, the pool's place) stays held until then.
3. Threads help only where the function releases the interpreter lock; pure Python work goes to `runtime.processes`.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import anyio
from anyio import CapacityLimiter, to_thread

Result = TypeVar("Result")

CODEC_POOL: Final = "codec"
"""Name of the threads in which heavy codecs run."""
FILES_POOL: Final = "files"
"""Name of the threads that read and write files."""


class Workers:
    """Thread pools by name: one crowded pool does not starve another."""

    def __init__(self, pools: Mapping[str, int]) -> None:
        """Name the pools and their threads: `Workers({"codec": 2, "files": 4})`."""
        self._limiters = {name: CapacityLimiter(threads) for name, threads in pools.items()}

    def running(self, pool: str) -> int:
        """Return how many functions of the pool run now."""
        return self._limiters[pool].borrowed_tokens

    def waiting(self, pool: str) -> int:
        """Return how many callers wait for a thread of the pool."""
        return self._limiters[pool].statistics().tasks_waiting

    async def run(self, pool: str, function: Callable[[], Result]) -> Result:
        """Run a short function in the pool and return its result.

        Cancellation: while waiting for a thread, at once; afterwards only when the function has ended.
        """
        return await to_thread.run_sync(function, limiter=self._limiters[pool])

    async def run_stoppable(self, pool: str, function: Callable[[threading.Event], Result]) -> Result:
        """Run a long function that looks at its stop event between its steps.

        Cancellation: sets the event, then waits for the function to end, then is raised.
        """
        stop = threading.Event()
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(_set_when_cancelled, stop)
                result = await self.run(pool, lambda: function(stop))
                # Nobody may take what a stopped function returned for the whole.
                await anyio.lowlevel.checkpoint_if_cancelled()
                group.cancel_scope.cancel()
                return result
        except ExceptionGroup as errors:
            error = errors.exceptions[0]  # the function's own; the watcher raises nothing
        raise error  # not inside the `except`, so that its cause and context stay as they were


async def _set_when_cancelled(stop: threading.Event) -> None:
    try:
        await anyio.sleep_forever()
    finally:
        stop.set()
