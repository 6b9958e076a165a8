"""What a checkpoint of a network must hold: every name with its shape and type, from the plan alone. Pure.

A set, not a list: the two repositories register the same parts in different orders, which loading does not mind.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from app.lipsync.networks.plan import Layer, Plan


@dataclass(frozen=True, slots=True)
class Entry:
    """One array of a checkpoint."""

    shape: tuple[int, ...]
    dtype: str
    """In torch's words: `float32`, `int64`."""
    is_learnt: bool
    """Whether it is a parameter; batch norm's statistics are not."""

    @property
    def size(self) -> int:
        """Numbers in it."""
        return prod(self.shape)


def manifest(plan: Plan) -> Mapping[str, Entry]:
    """Return the arrays of a plan by the names they have in a checkpoint."""
    entries = {}
    for layer in plan.layers():
        entries[f"{layer.convolution}.weight"] = Entry(_weight(layer), "float32", True)
        entries[f"{layer.convolution}.bias"] = Entry((layer.outputs,), "float32", True)
        if layer.kind == "bare":
            continue
        for name, is_learnt in (("weight", True), ("bias", True), ("running_mean", False), ("running_var", False)):
            entries[f"{layer.norm}.{name}"] = Entry((layer.outputs,), "float32", is_learnt)
        entries[f"{layer.norm}.num_batches_tracked"] = Entry((), "int64", False)
    return entries


def _weight(layer: Layer) -> tuple[int, ...]:
    """Return (out, in, rows, columns); transposed convolutions have in and out exchanged."""
    channels = (layer.outputs, layer.inputs)
    return (*(channels[::-1] if layer.kind == "transposed" else channels), layer.kernel, layer.kernel)
