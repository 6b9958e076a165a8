"""Waiting for what another process or the server's own bookkeeping does soon, where nothing tells a test of it."""

from collections.abc import Callable

import anyio


async def eventually(condition: Callable[[], bool], *, within: float = 60.0) -> None:
    """Return once the condition holds.

    Raises:
        TimeoutError: it does not within so many seconds.
    """
    with anyio.fail_after(within):
        while not condition():  # noqa: ASYNC110 there is no event to wait for
            await anyio.sleep(0.005)
