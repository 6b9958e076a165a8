import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install '.[lipsync]'")

from app.lipsync.networks import nota, wav2lip  # noqa: E402
from app.lipsync.networks.folded import fold, rectify  # noqa: E402
from app.lipsync.networks.plain import Unit  # noqa: E402
from app.lipsync.networks.plan import Layer, Plan  # noqa: E402
from tests.lipsync.random_weights import random_network  # noqa: E402


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rectifying_is_relu(dtype: torch.dtype) -> None:
    values = torch.tensor([-1e30, -1.5, -1e-38, -0.0, 0.0, 1e-38, 2.5, 1e30], dtype=dtype)
    assert torch.equal(rectify(values.clone()), torch.relu(values))


@pytest.mark.parametrize(
    ("plan", "layer"),
    [
        (wav2lip.PLAN, wav2lip.PLAN.face[1][1]),
        (nota.PLAN, nota.PLAN.audio[3]),
        (nota.PLAN, nota.PLAN.decoder[1][0]),
        (nota.PLAN, nota.PLAN.decoder[5][0]),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_folded_layer_is_the_layer_in_either_half_of_its_channels_too(plan: Plan, layer: Layer) -> None:
    state = random_network(plan).state_dict()
    unit = Unit(layer).eval()
    own = {name.removeprefix(f"{layer.name}."): value for name, value in state.items()}
    unit.load_state_dict({name: own[name] for name in unit.state_dict()})
    folded = fold(layer, state, device=torch.device("cpu"), dtype=torch.float32)
    x = torch.randn(2, layer.inputs, 6, 5, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(folded(x), unit(x), atol=1e-5)
        half = layer.inputs // 2
        first, second = folded.of_inputs(0, half, biased=False), folded.of_inputs(half, None, biased=True)
        both = first.convolve(x[:, :half]) + second.convolve(x[:, half:])
        assert torch.allclose(both, folded.convolve(x), atol=1e-5)
