"""The arrays of a TorchScript archive, without the code that it also holds, and without torch's deprecated loader.

Such an archive is a zip file: `data.pkl` pickles the modules as objects of classes named `__torch__.…`, whose
attributes are parameters, buffers and modules; the numbers are in `data/0`, `data/1`, …
(torch/csrc/jit/serialization/pickler.cpp). Only what such a pickle consists of is understood, and nothing is run.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

_TYPES: Mapping[str, torch.dtype] = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
}


def is_torchscript(path: Path) -> bool:
    """Tell whether a file is a zip archive with code in it.

    Raises:
        zipfile.BadZipFile: it begins as an archive, and is not whole.
    """
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            return False
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return any("/code/" in name for name in names) and any(name.endswith("/constants.pkl") for name in names)


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the arrays by their names.

    Raises:
        pickle.UnpicklingError: it holds something else than modules and arrays.
        KeyError, ValueError, zipfile.BadZipFile: a part is missing or damaged.
    """
    with zipfile.ZipFile(path) as archive:
        folder = _folder(archive)
        root = _Unpickler(
            io.BytesIO(archive.read(f"{folder}data.pkl")), lambda key: archive.read(f"{folder}data/{key}")
        ).load()
    return dict(_tensors(root, ""))


def _folder(archive: zipfile.ZipFile) -> str:
    """Return where everything is in an archive, which is called like the file that it was saved to."""
    for name in archive.namelist():
        if name.endswith("/data.pkl"):
            return name.removesuffix("data.pkl")
    raise KeyError("data.pkl")


class _Module:
    """A module of the archive; unpickling sets its attributes."""


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, read: Callable[[str], bytes]) -> None:
        super().__init__(file)
        self._read = read

    def find_class(self, module: str, name: str) -> object:
        if module.startswith("__torch__"):
            return _Module
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return _rebuild
        raise pickle.UnpicklingError(f"{module}.{name} in a TorchScript archive")

    def persistent_load(self, identity: tuple[str, torch.dtype, str, str, int]) -> Tensor:
        """Return the numbers of a storage, shape (n,)."""
        _, dtype, key, _, size = identity
        return torch.frombuffer(bytearray(self._read(key)), dtype=dtype, count=size)


def _rebuild(storage: Tensor, offset: int, size: Sequence[int], stride: Sequence[int], *_: object) -> Tensor:
    return storage.as_strided(tuple(size), tuple(stride), offset)


def _tensors(module: _Module, prefix: str) -> Iterator[tuple[str, Tensor]]:
    for name, value in vars(module).items():
        if isinstance(value, Tensor):
            yield f"{prefix}{name}", value
        elif isinstance(value, _Module):
            yield from _tensors(value, f"{prefix}{name}.")
