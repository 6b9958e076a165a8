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


async def settled(value: Callable[[], object], *, looks: int = 200) -> None:
    """Return once a value has been the same so many times in a row, between which everybody else had a turn."""
    last, same = value(), 0
    while same < looks:
        await anyio.sleep(0.005)
        now = value()
        same = same + 1 if now == last else 0
        last = now
