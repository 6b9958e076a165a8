"""From a checkpoint to a network that runs: on which device, in which precision, in which batches."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from app.errors import Unavailable
from app.lipsync.batches import Batches
from app.lipsync.networks.graphs import GraphRunner
from app.lipsync.networks.plan import MEL_BANDS, MEL_COLUMNS, SIDE, Plan
from app.lipsync.networks.runtime import Precision, Runtime
from app.lipsync.still import Maps, StillNetwork
from app.lipsync.weights import read

CPU_BATCHES = (4, 8, 16, 32)
"""Frames; beyond them a batch of the CPU is not faster any more."""
_LONGEST_BATCH = 0.1
"""Seconds for which a job that is cancelled may go on."""
_JOBS_PER_GPU_BATCH = 64
_PROBE_FRAMES = 8
_PROBE_ROUNDS = 3
_WORTH = 1.15
"""How many times as fast bfloat16 must be."""
_TYPES: Mapping[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def load(path: Path, plan: Plan, *, device: str, precision: Precision, threads: int, slots: int) -> Runtime[Maps]:
    """Load a network; see `generator.load`.

    Raises:
        Unavailable: there is no such device.
        Corrupt: the checkpoint does not fit.
    """
    state = read(path, plan)
    place = find_device(device)
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = True  # a GPU sees the same few sizes again and again
    types = candidates(precision, place)
    network, seconds = fastest([StillNetwork(plan, state, device=place, dtype=dtype) for dtype in types])
    batches = _on_gpu(network) if place.type == "cuda" else _on_cpu(network, seconds, slots or os.cpu_count() or 1)
    name = str(network.dtype).removeprefix("torch.")
    return Runtime(plan.name, str(place), name, network.first_row, network.prepare, batches)


def find_device(name: str) -> torch.device:
    """Return a device by name.

    Raises:
        Unavailable: it is not there.
    """
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    try:
        index = torch.device("cuda" if name == "auto" else name).index or 0
    except RuntimeError as error:
        raise Unavailable(f"device '{name}' is not known: auto, cpu, cuda and cuda:1 are") from error
    if index >= torch.cuda.device_count():
        raise Unavailable(f"device '{name}' is not there: torch sees {torch.cuda.device_count()} GPUs")
    return torch.device("cuda", index)


def candidates(precision: Precision, device: torch.device) -> Sequence[torch.dtype]:
    """Return the types of numbers of which the fastest is to be taken.

    A GPU is told by its kind: eager steps of a small batch take as long in either type there.
    """
    if precision != "auto":
        return [_TYPES[precision]]
    if device.type == "cuda":
        return [torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32]
    return list(_TYPES.values())


def fastest(networks: Sequence[StillNetwork]) -> tuple[StillNetwork, float]:
    """Return the network that draws fastest and its seconds a frame; a later one must be clearly faster."""
    chosen, least = networks[0], seconds_a_frame(networks[0])
    for network in networks[1:]:
        if (taken := seconds_a_frame(network)) * _WORTH < least:
            chosen, least = network, taken
    return chosen, least


def seconds_a_frame(network: StillNetwork) -> float:
    """Measure how long a frame takes in a small batch, of this thread's processor: others may be at work too."""
    windows = np.zeros((_PROBE_FRAMES, MEL_BANDS, MEL_COLUMNS), np.float32)
    maps = network.prepare(np.zeros((1, SIDE, SIDE, 3), np.uint8))
    times = []
    for _ in range(_PROBE_ROUNDS + 1):
        start = time.thread_time()
        network.draw(windows, maps)
        times.append(time.thread_time() - start)
    return min(times[1:]) / _PROBE_FRAMES


def cpu_batch(seconds: float) -> int:
    """Return how many frames a batch on the CPU has, if one takes so long."""
    return max((size for size in CPU_BATCHES if size * seconds <= _LONGEST_BATCH), default=CPU_BATCHES[0])


def _on_cpu(network: StillNetwork, seconds: float, slots: int) -> Batches[Maps]:
    def run(parts: Sequence[tuple[NDArray[np.float32], Maps]]) -> list[NDArray[np.uint8]]:
        return [network.draw(windows, maps) for windows, maps in parts]

    return Batches(run, largest=cpu_batch(seconds), slots=slots, is_lack_of_memory=is_lack_of_memory)


def _on_gpu(network: StillNetwork) -> Batches[Maps]:
    runner = GraphRunner(network, network.prepare(np.zeros((1, SIDE, SIDE, 3), np.uint8)))

    def recover(largest: int) -> None:
        runner.shrink(largest)
        torch.cuda.empty_cache()

    return Batches(
        runner.run,
        largest=runner.largest,
        jobs_per_batch=_JOBS_PER_GPU_BATCH,
        is_lack_of_memory=is_lack_of_memory,
        recover=recover,
    )


def is_lack_of_memory(error: BaseException) -> bool:
    """Tell whether memory did not suffice, of a GPU or of the machine."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
