"""Layers with their batch norm folded in, as plain functions of tensors.

In use batch norm multiplies and shifts each channel by constants, so the convolution before it can do that itself
(Jacob et al., "Quantization and Training of Neural Networks", 2018, section 3.2). Folded in double precision.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor

from app.lipsync.networks.plan import Layer

EPSILON = 1e-5
"""Of torch's BatchNorm2d."""


@dataclass(frozen=True, slots=True, eq=False)
class FoldedLayer:
    """A layer whose every constant is in its convolution."""

    layer: Layer
    weight: Tensor
    bias: Tensor | None

    def convolve(self, x: Tensor) -> Tensor:
        """Return the convolution alone, without residual and ReLU; (batch, channels, rows, columns)."""
        layer = self.layer
        if layer.kind == "transposed":
            return functional.conv_transpose2d(
                x, self.weight, self.bias, layer.stride, layer.padding, layer.output_padding
            )
        return functional.conv2d(x, self.weight, self.bias, layer.stride, layer.padding)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the output of the whole layer."""
        y = self.convolve(x)
        if self.layer.residual:
            y += x
        return y if self.layer.kind == "bare" else rectify(y)

    def of_inputs(self, start: int, stop: int | None, *, biased: bool) -> "FoldedLayer":
        """Return the layer for some of its input channels only; the sum of two such parts is the whole."""
        at = slice(start, stop)
        weight = self.weight[at] if self.layer.kind == "transposed" else self.weight[:, at]
        return FoldedLayer(self.layer, laid_out(weight), self.bias if biased else None)


def fold(layer: Layer, state: Mapping[str, Tensor], *, device: torch.device, dtype: torch.dtype) -> FoldedLayer:
    """Return a layer of a checkpoint."""
    weight, bias = (state[f"{layer.convolution}.{name}"].double() for name in ("weight", "bias"))
    if layer.kind != "bare":
        scale, shift, mean, variance = (
            state[f"{layer.norm}.{name}"].double() for name in ("weight", "bias", "running_mean", "running_var")
        )
        scale = scale / torch.sqrt(variance + EPSILON)
        weight = weight * scale.view((1, -1, 1, 1) if layer.kind == "transposed" else (-1, 1, 1, 1))
        bias = (bias - mean) * scale + shift
    return FoldedLayer(layer, laid_out(weight.to(device, dtype)), bias.to(device, dtype))


def run(layers: Sequence[FoldedLayer], x: Tensor) -> Tensor:
    """Return the output of layers one after the other."""
    for layer in layers:
        x = layer(x)
    return x


def rectify(x: Tensor) -> Tensor:
    """Do ReLU in place and return it.

    The sign of a bfloat16 is that of the same bits as an integer, and torch bounds integers six times as fast.
    """
    if x.dtype is torch.bfloat16:
        x.view(torch.int16).clamp_min_(0)
        return x
    return x.relu_()


def laid_out(tensor: Tensor) -> Tensor:
    """Return it with the channels of a pixel side by side, which convolutions on the CPU and on tensor cores want."""
    return tensor.contiguous(memory_format=torch.channels_last)
