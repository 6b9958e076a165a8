"""Loops over arrays as machine code, compiled by numba when they are first called.

Importing numba takes half a second and compiling takes more, so neither happens when a kernel is merely imported: a
server starts without waiting for them, and `Preparation` has them ready in time. What was compiled is kept
(`kernel_cache.py`), and is there at the next start.

Kernels release the GIL. They may be called from any thread, and by other kernels.
"""

import logging
import threading
from collections.abc import Callable
from functools import cache
from typing import Generic, ParamSpec, TypeVar

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


class Kernel(Generic[P, R]):
    """A function that compiles itself at its first call."""

    def __init__(self, function: Callable[P, R]) -> None:
        self.__doc__ = function.__doc__
        self.python = function
        """As it was written."""
        self._compiled: Callable[P, R] | None = None
        self._compiling = threading.Lock()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it; the first call with arguments of new types takes seconds, unless an earlier process made it."""
        return (self._compiled or self.compiled())(*args, **kwargs)

    def compiled(self) -> Callable[P, R]:
        """Return what numba makes of it."""
        with self._compiling:
            if self._compiled is None:
                self._compiled = _compile(self.python)
        return self._compiled


def kernel(function: Callable[P, R]) -> Kernel[P, R]:
    """Decorate a function that works on arrays and numbers alone."""
    return Kernel(function)


def _compile(function: Callable[P, R]) -> Callable[P, R]:
    import numba  # half a second: not before it is needed

    from app.fingerprint.kernel_cache import KernelCache

    _let_kernels_call_kernels()
    dispatcher = numba.njit(nogil=True, error_model="numpy")(function)
    try:
        cache: object = KernelCache(function)  # type: ignore[no-untyped-call]
        dispatcher._cache = cache  # type: ignore[attr-defined]  # as `cache=True` does with one of numba's
    except RuntimeError:
        logger.info("%s is compiled anew at every start: its folder cannot be written", function.__qualname__)
    compiled: Callable[P, R] = dispatcher
    return compiled


@cache
def _let_kernels_call_kernels() -> None:
    import numba

    typeof = numba.extending.typeof_impl
    typeof.register(Kernel)(lambda kernel, context: typeof(kernel.compiled(), context))
