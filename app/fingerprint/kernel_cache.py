"""Where the machine code of kernels is kept, from one start of a process to the next.

Beside the source, or in `NUMBA_CACHE_DIR`; where neither can be written, nowhere. What is kept is numba's: by function,
types of arguments, processor and version of numba. Two things are ours, since numba leaves them open:

1. Code is stale as soon as anything is another that was compiled into it: the functions that it calls and the constants
   that it reads, of whatever file they are. numba looks at the file of the function alone.
2. Who writes is alone, among all processes: without that, two that compile the same function for different types at
   once may leave a list that takes the code of one for that of the other. A full disk costs the next start its time,
   and nobody an error.

Importing this imports numba, which takes half a second.
"""

import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator

from app.fingerprint.kernel_files import folder_of, stamp

logger = logging.getLogger(__name__)

LOCK_NAME: Final = "kernels.lock"


class KernelCache(FunctionCache):
    """Keeps what is made of one function.

    Raises:
        RuntimeError: nothing can be written anywhere.
    """

    def load_overload(self, sig: object, target_context: object) -> object:
        """Return the code for some types, if it is there."""
        with self._locked(fcntl.LOCK_SH):
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]

    def save_overload(self, sig: object, data: object) -> None:
        """Keep the code for some types."""
        try:
            with self._locked(fcntl.LOCK_EX):
                super().save_overload(sig, data)  # type: ignore[no-untyped-call]
        except OSError as error:
            logger.warning("machine code cannot be kept in %s: %s", self.cache_path, error.strerror or error)

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        lock = os.open(Path(self.cache_path) / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, how)
            yield
        finally:
            os.close(lock)


class _Locator(_CacheLocator):
    def __init__(self, function: Callable[..., Any], folder: Path) -> None:
        self._function = function
        self._folder = folder

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Self | None:
        folder = folder_of(Path(py_file))
        return None if folder is None else cls(py_func, folder)

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return stamp(self._function)

    def get_disambiguator(self) -> str:
        return str(self._function.__code__.co_firstlineno)


class _Impl(CompileResultCacheImpl):
    _locator_classes = [_Locator]  # noqa: RUF012


KernelCache._impl_class = _Impl
