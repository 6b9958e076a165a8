"""Has the kernels of recognition ready before they are needed, and nobody waits for that who does not need them.

Where they were never compiled, as after an installation, a process of its own does that in the background from the
start of the server on: some 30 s of a core, of which the event loop feels nothing. Loading what it made takes this
process a second or two and some 100 MB, and is done when the first who needs it comes.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import anyio

from app.fingerprint.warm_up import completeness, warm_up
from app.runtime.workers import Workers

logger = logging.getLogger(__name__)

PREPARATION_POOL: Final = "preparation"
PATIENCE_SECONDS: Final = 120.0
"""With the process, after which this one compiles what is missing."""
PROGRAM: Final = (sys.executable, "-m", "app.fingerprint.warm_up")


class Preparation:
    """An async context manager. Belongs to one event loop.

    Args:
        workers: has the pool `preparation`, of one thread.
        program: compiles the kernels.
    """

    def __init__(self, workers: Workers, *, program: Sequence[str] = PROGRAM) -> None:
        self._workers = workers
        self._program = program
        self._compiled = anyio.Event()
        self._loading = anyio.Lock()
        self.is_ready = False
        """Whether everything is loaded."""
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            group = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(group.cancel_scope.cancel)
            group.start_soon(self._compile)
            self._open = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def wait(self) -> None:
        """Wait until the kernels are ready to be called.

        Cancellation: ends it within some seconds, if nobody else waits.
        """
        with anyio.move_on_after(PATIENCE_SECONDS):
            await self._compiled.wait()
        async with self._loading:
            if not self.is_ready:
                await self._workers.run_stoppable(PREPARATION_POOL, warm_up)
                self.is_ready = True

    async def _compile(self) -> None:
        """Have a process compile them, unless one did; it is killed if this is cancelled."""
        try:
            if not completeness().is_noted:
                logger.info("recognition is being compiled for this machine, which takes some 30 s of a core")
                await self._run()
        finally:
            self._compiled.set()  # without it, loading compiles what is missing

    async def _run(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        try:
            done = await anyio.run_process(self._program, check=False, env=environment, stdout=subprocess.DEVNULL)
        except OSError as error:
            logger.warning("recognition cannot be compiled beforehand: %s", error.strerror or error)
            return
        if done.returncode:
            logger.warning("recognition could not be compiled beforehand: %s", done.stderr.decode()[-2000:])
