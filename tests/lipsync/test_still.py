import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="torch is not installed: pip install '.[lipsync]'")

from app.lipsync.networks.plain import PlainNetwork  # noqa: E402
from app.lipsync.networks.plan import MASKED_FROM, Plan  # noqa: E402
from app.lipsync.networks.registry import PLANS  # noqa: E402
from app.lipsync.still import FIRST_ROW, StillNetwork  # noqa: E402
from tests.lipsync.random_weights import contrasty_network, random_network  # noqa: E402

RNG = np.random.default_rng(3)
FACES = RNG.integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)
WINDOWS = RNG.uniform(-4, 4, (3, 80, 16)).astype(np.float32)


@pytest.fixture(scope="module", params=PLANS.values(), ids=lambda plan: plan.name)
def network(request: pytest.FixtureRequest) -> PlainNetwork:
    plan: Plan = request.param
    return random_network(plan, seed=2)


def plain(network: PlainNetwork, faces: NDArray[np.uint8], dtype: torch.dtype = torch.float32) -> NDArray[np.floating]:
    """Return what the network draws as published: (n, 3, 96, 96) in 0..1."""
    whole = torch.from_numpy(faces).permute(0, 3, 1, 2).to(dtype) / 255
    masked = whole.clone()
    masked[:, :, MASKED_FROM:] = 0
    windows = torch.from_numpy(WINDOWS[: len(faces)]).unsqueeze(1).to(dtype)
    with torch.inference_mode():
        drawn: NDArray[np.floating] = network(windows, torch.cat((masked, whole), 1)).numpy()
    return drawn


def exact(still: StillNetwork, faces: NDArray[np.uint8], windows: NDArray[np.float32] = WINDOWS) -> NDArray[np.float32]:
    maps = still.prepare(faces)
    with torch.inference_mode():
        drawn: NDArray[np.float32] = still.forward(torch.from_numpy(windows), maps.tensors).numpy()
    return drawn


@pytest.mark.parametrize("first_row", [0, 44, FIRST_ROW, 61, 95])
def test_a_still_face_is_drawn_as_published(network: PlainNetwork, first_row: int) -> None:
    still = StillNetwork(network.plan, network.state_dict(), first_row=first_row)
    wanted = plain(network, FACES[[0, 0, 0]])[:, :, first_row:]
    assert np.abs(exact(still, FACES[:1]) - wanted).max() <= 1e-6


def test_faces_of_a_video_are_drawn_as_published(network: PlainNetwork) -> None:
    still = StillNetwork(network.plan, network.state_dict())
    assert np.abs(exact(still, FACES) - plain(network, FACES)[:, :, FIRST_ROW:]).max() <= 1e-6


@pytest.mark.parametrize("plan", PLANS.values(), ids=lambda plan: plan.name)
def test_it_is_as_exact_as_the_plain_network_where_errors_grow(plan: Plan) -> None:
    network = contrasty_network(plan)
    still = StillNetwork(plan, network.state_dict())
    drawn, published = exact(still, FACES[:1], WINDOWS[:1]), plain(network, FACES[:1])[:, :, FIRST_ROW:]
    true = plain(network.double(), FACES[:1], torch.float64)[:, :, FIRST_ROW:]
    assert true.min() < 0.05 and true.max() > 0.95
    assert np.abs(drawn - true).max() <= 2 * np.abs(published - true).max()
    assert np.abs(drawn - true).mean() <= 1.5 * np.abs(published - true).mean()


@pytest.mark.parametrize(("dtype", "levels"), [(torch.float32, 0.51), (torch.bfloat16, 1.5)])
def test_pixels_are_what_was_drawn(network: PlainNetwork, dtype: torch.dtype, levels: float) -> None:
    still = StillNetwork(network.plan, network.state_dict(), dtype=dtype)
    drawn = still.draw(WINDOWS, still.prepare(FACES[:1]))
    wanted = 255 * plain(network, FACES[[0, 0, 0]])[:, :, FIRST_ROW:].transpose(0, 2, 3, 1)
    assert drawn.shape == (3, 96 - FIRST_ROW, 96, 3) and drawn.dtype == np.uint8
    assert np.abs(drawn - wanted).max() <= levels


def test_maps_tell_their_size(network: PlainNetwork) -> None:
    maps = StillNetwork(network.plan, network.state_dict()).prepare(FACES)
    assert maps.size == 4 * sum(tensor.numel() for tensor in maps.tensors)
    assert len(maps.tensors) == 7 and all(len(tensor) == 3 for tensor in maps.tensors)
