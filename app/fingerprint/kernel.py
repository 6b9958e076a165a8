"""Loops over arrays as machine code, compiled by numba when they are first called.

Importing numba takes half a second and compiling takes more, so neither happens when a kernel is merely imported: a
server starts without waiting for them, and warms them up in a thread. What was compiled is kept beside the source, or
where numba keeps such things, and is there at the next start.

Kernels release the GIL. They may be called from any thread, and by other kernels *of the same file*: numba looks at
no other file's age when it decides whether what it has kept is still true.
"""

import threading
from collections.abc import Callable
from functools import cache
from typing import Generic, ParamSpec, TypeVar

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

    _let_kernels_call_kernels()
    compiled: Callable[P, R] = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled


@cache
def _let_kernels_call_kernels() -> None:
    import numba

    typeof = numba.extending.typeof_impl
    typeof.register(Kernel)(lambda kernel, context: typeof(kernel.compiled(), context))
