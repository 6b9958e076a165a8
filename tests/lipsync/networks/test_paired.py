import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install '.[lipsync]'")

from app.lipsync.networks import nota, wav2lip  # noqa: E402
from app.lipsync.networks.folded import FoldedLayer, fold  # noqa: E402
from app.lipsync.networks.paired import PairedLayer, can_pair  # noqa: E402
from app.lipsync.networks.plan import Plan  # noqa: E402
from tests.lipsync.random_weights import random_network  # noqa: E402


def output_layer(plan: Plan) -> FoldedLayer:
    layer = plan.output[0]
    folded = fold(layer, random_network(plan).state_dict(), device=torch.device("cpu"), dtype=torch.float32)
    return folded.of_inputs(0, plan.decoder[-1][-1].outputs, biased=False)


def test_pixels_in_pairs_are_the_same_convolution() -> None:
    single = output_layer(nota.PLAN)
    x = torch.randn(3, 16, 7, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        made, wanted = PairedLayer(single).convolve(x), single.convolve(x)
    assert torch.allclose(made, wanted, atol=1e-5)
    assert made.is_contiguous(memory_format=torch.channels_last)


def test_only_few_channels_are_paired() -> None:
    assert can_pair(output_layer(nota.PLAN)) and not can_pair(output_layer(wav2lip.PLAN))
    with pytest.raises(ValueError, match="cannot be paired"):
        PairedLayer(output_layer(wav2lip.PLAN))
