"""The machine code of kernels on disk: where it lies, and what names the source that it was made of."""

import hashlib
import importlib.metadata
import os
import platform
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

from app.fingerprint.kernel import Kernel

MARK: Final = "kernels-{}.whole"
"""Name of an empty file that says: the code of all kernels is here."""


def stamp(function: Callable[..., Any]) -> str:
    """Return a name of all that a function is made of: its own code, constants it reads, functions it calls."""
    digest = hashlib.sha256()
    for part in _parts(function, set()):
        digest.update(part.encode())
    return digest.hexdigest()


def _parts(function: Callable[..., Any], seen: set[Callable[..., Any]]) -> Iterator[str]:
    if function in seen:
        return
    seen.add(function)
    for code in _codes(function.__code__):
        yield f"{code.co_code!r} {code.co_varnames} {code.co_names} {_plain(code.co_consts)}"
        for name in code.co_names:
            value = function.__globals__.get(name)
            if isinstance(value, Kernel):
                yield from _parts(value.python, seen)
            elif value is not None and not isinstance(value, ModuleType):
                yield f"{name} {value!r}"


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _plain(constants: tuple[object, ...]) -> list[object]:
    """Leave out code, whose representation has an address."""
    return [constant for constant in constants if not isinstance(constant, CodeType)]


def folder_of(source: Path) -> Path | None:
    """Return where the code of a file's kernels is kept, the first folder that can be written; None if none can."""
    for folder in _folders(source):
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
            return folder
    return None


def _folders(source: Path) -> Iterator[Path]:
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        place = hashlib.sha256(str(source.parent).encode()).hexdigest()[:16]  # of one installation of several
        yield Path(chosen) / f"{source.parent.name}-{place}"
    yield source.parent / "__pycache__"


class Completeness:
    """Remembers on disk whether all of some kernels have been compiled, so that nobody has to load them to know.

    For this processor, this Python, this version of numba.
    """

    def __init__(self, kernels: Iterable[Kernel[..., Any]], source: Path) -> None:
        """Name the kernels, and a file of theirs."""
        parts = [*sorted(stamp(kernel.python) for kernel in kernels), importlib.metadata.version("numba")]
        parts += [platform.python_version(), platform.machine(), _processor()]
        self._name = MARK.format(hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16])
        self._folder = folder_of(source)

    @property
    def is_noted(self) -> bool:
        """Whether they have."""
        return self._folder is not None and (self._folder / self._name).exists()

    def note(self) -> None:
        """Say that they have, where that can be written."""
        if self._folder is None:
            return
        with suppress(OSError):
            for old in self._folder.glob(MARK.format("*")):
                old.unlink(missing_ok=True)
            (self._folder / self._name).touch()


def _processor() -> str:
    with suppress(OSError):  # where there is no such file, the name of the machine must do
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return ""
