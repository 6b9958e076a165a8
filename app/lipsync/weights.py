"""Checkpoints of the networks: found, read in every form in which they were published, and checked before use.

What goes about under these names:

- the authors' own `wav2lip.pth` and `wav2lip_gan.pth`: `{"state_dict": …, "optimizer": …}` in the old pickle format,
  416 MB because of the optimizer, every name behind `module.`;
- their later `Wav2Lip-SD-GAN.pt`: TorchScript archives, which `torch.load` refuses;
- `lrs3-wav2lip.pth` and `lrs3-nota-wav2lip.pth`: the arrays alone.

Nothing that is in a file is run. What is wrong with one is told to clients, so it has the file's name and no folder.
"""

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from app.errors import Corrupt, NotFound
from app.lipsync.networks.manifest import Entry, manifest
from app.lipsync.networks.plan import Plan
from app.lipsync.networks.registry import PLANS
from app.lipsync.networks.torchscript import is_torchscript, read_state

_HEAD_BYTES = 64
_NO_CHECKPOINTS = {
    b"<": "a web page, not a checkpoint: the download led to a login or an error page",
    b"{": "JSON, not a checkpoint: the download led to an error message",
    b"version https://git-lfs": "a pointer of Git LFS, not the checkpoint itself: fetch it with `git lfs pull`",
}
_PREFIX = "module."
_LARGER = "_blocks.7."
"""Part of names that only the unofficial networks for larger faces (192, 256, 288 or 384 pixels) have."""


def read(path: Path, plan: Plan) -> dict[str, Tensor]:
    """Read a checkpoint of a network.

    Raises:
        NotFound: there is no such file.
        Corrupt: it is no checkpoint, is not whole, or is one of another network; the message says which.
    """
    if not path.is_file():
        raise NotFound(f"{path.name} is not there")
    _check_head(path)
    state = _unwrap(_load(path), path)
    _check(state, plan, path)
    return state


def _check_head(path: Path) -> None:
    """Tell apart what people save by mistake, of which torch only says that a key is invalid."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES).lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head:
        raise Corrupt(f"{path.name} is empty: download it again")
    for start, trouble in _NO_CHECKPOINTS.items():
        if head.startswith(start):
            raise Corrupt(f"{path.name} is {trouble}")


def _load(path: Path) -> object:
    try:
        if is_torchscript(path):
            return read_state(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise Corrupt(
            f"{path.name} cannot be read: it is damaged or holds more than arrays ({_line(error, path)})"
        ) from error
    except (EOFError, OSError, RuntimeError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise Corrupt(f"{path.name} is not whole ({_line(error, path)}): download it again") from error


def _unwrap(loaded: object, path: Path) -> dict[str, Tensor]:
    """Return the arrays by the names of a single network that was trained on one device."""
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise Corrupt(f"{path.name} holds no state of a network")
    if all(name.startswith(_PREFIX) for name in loaded):
        return {name.removeprefix(_PREFIX): value for name, value in loaded.items()}
    return dict(loaded)


def _check(state: Mapping[str, Tensor], plan: Plan, path: Path) -> None:
    wanted = manifest(plan)
    if differences := _differences(state, wanted):
        raise Corrupt(f"{path.name} does not fit {plan.name}: {_guess(state, plan) or differences}")
    if not all(torch.isfinite(value).all() for value in state.values()):
        raise Corrupt(f"{path.name} holds numbers that are not finite")


def _differences(state: Mapping[str, Tensor], wanted: Mapping[str, Entry]) -> str:
    """Say what is missing, too much, or of another shape or type; an empty text if nothing is."""
    missing, surplus = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    others = [name for name in wanted.keys() & state.keys() if not _fits(state[name], wanted[name])]
    told = [
        f"{len(names)} {what} ({names[0]})"
        for names, what in ((missing, "missing"), (surplus, "unknown"), (sorted(others), "of another shape or type"))
        if names
    ]
    return ", ".join(told)


def _fits(value: Tensor, entry: Entry) -> bool:
    return tuple(value.shape) == entry.shape and str(value.dtype) == f"torch.{entry.dtype}"


def _guess(state: Mapping[str, Tensor], plan: Plan) -> str:
    """Say which other network a checkpoint is of, if that can be told."""
    if any(_LARGER in name for name in state):
        return "it is of a network for larger faces (192 to 384 pixels), which is not supported"
    for other in PLANS.values():
        if other is not plan and not _differences(state, manifest(other)):
            return f"it is of {other.name}"
    return ""


def _line(error: BaseException, path: Path) -> str:
    """Return the first line of what an error says, without the folder of the file."""
    line = str(error).strip().partition("\n")[0].replace(str(path), path.name)
    return line[:120] or type(error).__name__
