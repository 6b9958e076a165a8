"""Torch's libraries, loaded before torch is imported, so that an import does not stop everybody else.

Python holds its lock while it loads the library of a module (`_imp.create_dynamic`), and torch's have half a gigabyte
to be linked: up to 0.9 s in which no other thread runs, and the server answers nobody. The same call made as a foreign
function frees the lock. The import then finds them loaded; what is left of its stops is below 0.2 s on a machine with
twice as much work as cores, and that of its Python, which takes turns.
"""

import ctypes
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

LIBRARIES: Final = ("libtorch_global_deps.so", "libtorch_cpu.so", "libtorch_cuda.so", "libtorch_python.so")
"""In the order in which torch loads them; the first one's symbols are for all, as torch has it."""


def preload(package: str = "torch") -> list[str]:
    """Load the libraries of torch that are there, and return their names; none where it is imported already.

    Whatever is missing or will not load is left to the import, which tells what is wrong.
    """
    spec = None if package in sys.modules else find_spec(package)
    if spec is None or not spec.submodule_search_locations or not sys.platform.startswith("linux"):
        return []
    folder = Path(spec.submodule_search_locations[0]) / "lib"
    link = ctypes.CDLL(None).dlopen
    link.restype, link.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int)
    loaded = []
    for name in LIBRARIES:
        scope = os.RTLD_GLOBAL if name == LIBRARIES[0] else os.RTLD_LOCAL
        if (folder / name).is_file() and link(bytes(folder / name), os.RTLD_NOW | scope):
            loaded.append(name)
    return loaded
