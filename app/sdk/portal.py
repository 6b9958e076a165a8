"""A door from plain code to an asynchronous client, which lives in a thread of its own."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from types import TracebackType
from typing import Any, Generic, TypeVar

from app.sdk.errors import NotConnected

T = TypeVar("T")
R = TypeVar("R")


class Portal(Generic[T]):
    """Holds an asynchronous context manager open in a thread with an event loop, while its `with` block runs.

    Its methods may be called from several threads at once.
    """

    def __init__(self, open: Callable[[], AbstractAsyncContextManager[T]], *, name: str) -> None:
        """Prepare; `open` makes what is held, `name` is the thread's."""
        self._open = open
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._running: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = Future()
        self._entered: Future[T] = Future()

    def __enter__(self) -> "Portal[T]":
        """Start the thread; what entering the asynchronous context manager raises is raised here."""
        self._thread.start()
        try:
            self._entered.result()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the asynchronous context manager and end the thread."""
        self._stop()

    @property
    def is_open(self) -> bool:
        """Whether calls are possible."""
        return self._thread.is_alive() and self._entered.done()

    def call(self, function: Callable[[T], Coroutine[Any, Any, R]], *, timeout: float | None = None) -> R:
        """Run a coroutine on what is held, and return its result.

        A timeout (seconds) or KeyboardInterrupt cancels the coroutine.

        Raises:
            TimeoutError: it took longer than `timeout`.
            NotConnected: the block has not been entered, or has been left.
        """
        if not self.is_open:
            raise NotConnected("the client is not open: use it in a with block")
        loop, _ = self._running.result()
        future = asyncio.run_coroutine_threadsafe(function(self._entered.result()), loop)
        try:
            return future.result(timeout)
        except CancelledError as error:
            raise NotConnected("the client was closed meanwhile") from error
        except BaseException:
            future.cancel()
            raise

    def iterate(
        self, make: Callable[[T], AsyncGenerator[R, None]], *, timeout: float | None = None
    ) -> Generator[R, None, None]:
        """Yield what an asynchronous generator on what is held yields; raises as `call`.

        `timeout` is for each item. Closing this generator closes the asynchronous one.
        """
        items: AsyncGenerator[R, None] | None = None
        is_running = asyncio.Lock()  # what a timeout has cancelled may not have ended yet

        async def following(held: T) -> list[R]:
            nonlocal items
            async with is_running:
                items = items or make(held)
                try:
                    return [await anext(items)]
                except StopAsyncIteration:
                    return []

        async def close(held: T) -> None:
            async with is_running:
                if items is not None:
                    await items.aclose()

        try:
            while found := self.call(following, timeout=timeout):
                yield found[0]
        finally:
            if self.is_open:
                self.call(close)

    @contextmanager
    def hold(self, open: Callable[[T], AbstractAsyncContextManager[R]]) -> Iterator[R]:
        """Hold another asynchronous context manager open, in the same event loop, while a `with` block runs.

        What entering it raises is raised here; raises as `call` too.
        """
        entered: Future[R] = Future()
        left = asyncio.Event()

        async def holding(held: T) -> None:
            async with open(held) as inner:
                entered.set_result(inner)
                await left.wait()

        if not self.is_open:
            raise NotConnected("the client is not open: use it in a with block")
        loop, _ = self._running.result()
        future = asyncio.run_coroutine_threadsafe(holding(self._entered.result()), loop)
        future.add_done_callback(lambda done: _fail(entered, done))
        try:
            inner = entered.result()
        except BaseException:
            future.cancel()
            raise
        try:
            yield inner
        finally:
            with suppress(RuntimeError):  # the loop has ended by itself
                loop.call_soon_threadsafe(left.set)
            with suppress(CancelledError):
                future.result()

    def _run(self) -> None:
        try:
            asyncio.run(self._hold())
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            if self._entered.done():
                raise
            for waited in (self._running, self._entered):
                if not waited.done():
                    waited.set_exception(error)

    async def _hold(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.set_result((asyncio.get_running_loop(), task))
        async with self._open() as held:
            self._entered.set_result(held)
            await asyncio.Event().wait()

    def _stop(self) -> None:
        if self._running.exception() is None:
            loop, task = self._running.result()
            with suppress(RuntimeError):  # the loop has ended by itself
                loop.call_soon_threadsafe(task.cancel)
        self._thread.join()


def _fail(waited: "Future[R]", ended: "Future[None]") -> None:
    """Tell who waits for something to be entered that it has ended instead."""
    if waited.done():
        return
    if ended.cancelled():
        waited.set_exception(NotConnected("the client was closed meanwhile"))
    else:
        waited.set_exception(ended.exception() or NotConnected("the client was closed meanwhile"))
