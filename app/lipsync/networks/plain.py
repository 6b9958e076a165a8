"""A network as it was published, in torch: what checkpoints load into, and what every rewrite is held against."""

import torch
from torch import Tensor, nn

from app.lipsync.networks.plan import Layer, Plan


class Unit(nn.Module):  # type: ignore[misc]  # types are checked without torch
    """A convolution with batch norm, maybe its own input added, and ReLU."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(_convolution(layer), nn.BatchNorm2d(layer.outputs))
        self._residual = layer.residual

    def forward(self, x: Tensor) -> Tensor:
        """Take and return (batch, channels, rows, columns)."""
        y = self.conv_block(x)
        return torch.relu(y + x if self._residual else y)


class PlainNetwork(nn.Module):  # type: ignore[misc]
    """The network of a plan. Its state has the names of `manifest`."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.face_encoder_blocks = nn.ModuleList(_sequence(block) for block in plan.face)
        self.audio_encoder = _sequence(plan.audio)
        self.face_decoder_blocks = nn.ModuleList(_sequence(block) for block in plan.decoder)
        self.output_block = _sequence(plan.output)

    def forward(self, mel: Tensor, face: Tensor) -> Tensor:
        """Draw faces.

        Args:
            mel: (batch, 1, 80, 16), in -4..4.
            face: (batch, 6, 96, 96), blue-green-red in 0..1: the face with its lower half at 0, then the whole face.

        Returns:
            (batch, 3, 96, 96), blue-green-red in 0..1.
        """
        features = []
        for block in self.face_encoder_blocks:
            face = block(face)
            features.append(face)
        x = self.audio_encoder(mel)
        for block in self.face_decoder_blocks:
            x = torch.cat((block(x), features.pop()), dim=1)
        return torch.sigmoid(self.output_block(x))


def _sequence(block: tuple[Layer, ...]) -> nn.Sequential:
    return nn.Sequential(*(_convolution(layer) if layer.kind == "bare" else Unit(layer) for layer in block))


def _convolution(layer: Layer) -> nn.Module:
    sizes = layer.inputs, layer.outputs, layer.kernel, layer.stride, layer.padding
    if layer.kind == "transposed":
        return nn.ConvTranspose2d(*sizes, output_padding=layer.output_padding)
    return nn.Conv2d(*sizes)
