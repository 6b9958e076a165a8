import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install '.[lipsync]'")

from app.lipsync.batches import Batches  # noqa: E402
from app.lipsync.networks import nota  # noqa: E402
from app.lipsync.networks.graphs import GraphRunner, Replay, capture  # noqa: E402
from app.lipsync.still import Maps, StillNetwork  # noqa: E402
from tests.lipsync.random_weights import random_network  # noqa: E402

RNG = np.random.default_rng(1)
FACES = RNG.integers(0, 256, (4, 96, 96, 3), dtype=np.uint8)
WINDOWS = RNG.uniform(-4, 4, (12, 80, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> StillNetwork:
    return StillNetwork(nota.PLAN, random_network(nota.PLAN).state_dict())


@pytest.fixture(scope="module")
def maps(network: StillNetwork) -> list[Maps]:
    return [network.prepare(FACES[:1]), network.prepare(FACES[1:2]), network.prepare(FACES)]


class Captures:
    """Work that is repeated eagerly, since there is no GPU; notes the sizes that were captured."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, work: object) -> Replay:
        self.count += 1
        return work  # type: ignore[return-value]


def test_parts_of_a_batch_are_drawn_as_if_alone(network: StillNetwork, maps: list[Maps]) -> None:
    captures = Captures()
    runner = GraphRunner(network, maps[0], sizes=(8, 16), capture=captures)
    parts = [(WINDOWS[:3], maps[0]), (WINDOWS[3:5], maps[1]), (WINDOWS[5:9], maps[2])]
    drawn = runner.run(parts)
    assert [len(pixels) for pixels in drawn] == [3, 2, 4]
    for (windows, part), pixels in zip(parts, drawn, strict=True):
        alone = network.draw(windows, part)
        assert np.abs(pixels.astype(int) - alone).max() <= 1
        assert (pixels == alone).mean() > 0.999
    runner.run(parts[::-1])
    assert captures.count == 1


def test_a_batch_takes_the_next_larger_graph(network: StillNetwork, maps: list[Maps]) -> None:
    captures = Captures()
    runner = GraphRunner(network, maps[0], sizes=(2, 4), capture=captures)
    for count, captured in ((1, 1), (2, 1), (3, 2), (4, 2)):
        assert len(runner.run([(WINDOWS[:count], maps[0])])[0]) == count
        assert captures.count == captured


def test_a_lack_of_memory_gives_back_the_larger_graphs(network: StillNetwork, maps: list[Maps]) -> None:
    def poor(work: object) -> Replay:
        if runner.largest > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return work  # type: ignore[return-value]

    runner = GraphRunner(network, maps[0], sizes=(6, 12), capture=poor)
    batches = Batches(
        runner.run,
        largest=runner.largest,
        is_lack_of_memory=lambda error: isinstance(error, torch.OutOfMemoryError),
        recover=runner.shrink,
    )
    pixels = batches.draw(WINDOWS, maps[0])
    assert runner.largest == batches.largest == 3
    assert np.abs(pixels.astype(int) - network.draw(WINDOWS, maps[0])).max() <= 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_captured_graphs_draw_what_the_network_draws() -> None:
    network = StillNetwork(nota.PLAN, random_network(nota.PLAN).state_dict(), device="cuda")
    maps = network.prepare(FACES[:1])
    runner = GraphRunner(network, maps, sizes=(8, 16), capture=capture)
    for _ in range(3):
        pixels = runner.run([(WINDOWS, maps)])[0]
    assert np.abs(pixels.astype(int) - network.draw(WINDOWS, maps)).max() <= 1
