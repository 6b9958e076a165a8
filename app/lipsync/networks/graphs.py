"""Batches as CUDA graphs: on a GPU a small network takes less time than telling the GPU about its sixty steps does.

A graph is captured once for each size of batch that is ever needed and works on memory of its own, to which windows and
maps are copied. Its memory is kept, so there are few sizes, and a batch takes the next larger one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.lipsync.networks.folded import laid_out
from app.lipsync.networks.plan import MEL_BANDS, MEL_COLUMNS
from app.lipsync.still import Maps, StillNetwork

SIZES = (8, 32, 128)
"""Frames: the first fragment of a job, a job, several jobs."""
_WARM_UPS = 3

Replay = Callable[[], None]


def capture(work: Callable[[], None]) -> Replay:
    """Return what repeats some work on the GPU by one call. Other threads may go on using the GPU meanwhile."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(_WARM_UPS):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        work()
    replay: Replay = graph.replay
    return replay


@dataclass(frozen=True, slots=True, eq=False)
class _Graph:
    windows: Tensor
    maps: tuple[Tensor, ...]
    pixels: Tensor
    replay: Replay


class GraphRunner:
    """Runs batches of a network, one at a time.

    Args:
        network: on a GPU.
        like: maps of any face, for their shapes.
        sizes: of the batches, ascending.
        capture: makes a graph; eager work in tests.
    """

    def __init__(
        self,
        network: StillNetwork,
        like: Maps,
        *,
        sizes: Sequence[int] = SIZES,
        capture: Callable[[Callable[[], None]], Replay] = capture,
    ) -> None:
        self._network = network
        self._like = like
        self._sizes = list(sizes)
        self._capture = capture
        self._graphs: dict[int, _Graph] = {}

    @property
    def largest(self) -> int:
        """Frames that a batch may have."""
        return self._sizes[-1]

    def run(self, parts: Sequence[tuple[NDArray[np.float32], Maps]]) -> list[NDArray[np.uint8]]:
        """Draw a batch of parts, each with windows (n, 80, 16) and maps of one face or of n, as `StillNetwork.draw`."""
        counts = [len(windows) for windows, _ in parts]
        with torch.inference_mode():
            graph = self._graph(sum(counts))
            start = 0
            for (windows, maps), count in zip(parts, counts, strict=True):
                graph.windows[start : start + count].copy_(torch.from_numpy(windows))
                for held, tensor in zip(graph.maps, maps.tensors, strict=True):
                    held[start : start + count].copy_(tensor.expand(count, -1, -1, -1))
                start += count
            graph.replay()
            pixels: NDArray[np.uint8] = graph.pixels[:start].cpu().numpy()
        return np.split(pixels, np.cumsum(counts)[:-1])

    def shrink(self, largest: int) -> None:
        """Give back the memory of graphs for more frames than this."""
        self._sizes = [size for size in self._sizes if size <= largest] or [largest]
        self._graphs = {size: graph for size, graph in self._graphs.items() if size <= largest}

    def _graph(self, frames: int) -> _Graph:
        size = next(size for size in self._sizes if size >= frames)
        if size not in self._graphs:
            self._graphs[size] = self._captured(size)
        return self._graphs[size]

    def _captured(self, size: int) -> _Graph:
        windows = torch.zeros(size, MEL_BANDS, MEL_COLUMNS, device=self._network.device)
        maps = tuple(laid_out(tensor[:1].repeat(size, 1, 1, 1)) for tensor in self._like.tensors)
        pixels = torch.empty_like(self._network.pixels(windows, maps))

        def work() -> None:
            pixels.copy_(self._network.pixels(windows, maps))

        return _Graph(windows, maps, pixels, self._capture(work))
