"""Checkpoints of random numbers that behave like trained ones: batch norms that do something, pictures of all greys."""

from pathlib import Path

import torch
from torch import Tensor, nn

from app.lipsync.networks.plain import PlainNetwork
from app.lipsync.networks.plan import Plan

torch.set_num_threads(1)  # two that wait for each other take ten times as long beside other tests


def random_network(plan: Plan, *, seed: int = 0) -> PlainNetwork:
    """Return a network with torch's own beginnings, and batch norms that do something."""
    network = PlainNetwork(plan).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, values in network.state_dict().items():
        if name.endswith("running_mean") or name.endswith("conv_block.1.bias"):
            values.normal_(0, 0.1, generator=generator)
        elif name.endswith("running_var") or name.endswith("conv_block.1.weight"):
            values.uniform_(0.5, 1.5, generator=generator)
        elif values.ndim:
            bound = (values.numel() / len(values)) ** -0.5 if values.ndim > 1 else 0.1
            values.uniform_(-bound, bound, generator=generator)
    return network


def contrasty_network(plan: Plan, *, seed: int = 0) -> PlainNetwork:
    """Return one whose batch norms hold the statistics of what they see, and whose pictures are of all greys.

    In such a network rounding errors grow, as published or not: by the end to 1e-4 of full scale.
    """
    network = random_network(plan, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the average of all batches, which are one
    mel = torch.rand(4, 1, 80, 16, generator=generator) * 8 - 4
    face = torch.rand(4, 6, 96, 96, generator=generator)
    with torch.no_grad():
        network.train()(mel, face)
        _spread(network.eval(), mel, face)
    return network


def _spread(network: PlainNetwork, mel: Tensor, face: Tensor) -> None:
    """Set the last layer so that what goes into the sigmoid has the deviation 1.5 and the mean 0."""
    seen: list[Tensor] = []
    last = network.output_block[-1]
    handle = last.register_forward_hook(lambda module, inputs, output: seen.append(output))
    network(mel[:2], face[:2])
    handle.remove()
    mean, deviation = seen[0].mean(dim=(0, 2, 3)), seen[0].std(dim=(0, 2, 3))
    last.weight.data *= (1.5 / deviation).view(-1, 1, 1, 1)
    last.bias.data.copy_((last.bias - mean) * 1.5 / deviation)


def save(
    state: dict[str, Tensor], path: Path, *, wrapped: bool = False, prefix: str = "", legacy: bool = False
) -> Path:
    """Save arrays as the authors of one checkpoint or the other did."""
    named: object = {f"{prefix}{name}": value for name, value in state.items()}
    if wrapped:
        moments = {0: {"step": 7, "exp_avg": torch.zeros(3), "exp_avg_sq": torch.zeros(3)}}
        optimizer = {"state": moments, "param_groups": [{"lr": 1e-4, "params": [0]}]}
        named = {"state_dict": named, "optimizer": optimizer, "global_step": 7, "global_epoch": 1}
    torch.save(named, path, _use_new_zipfile_serialization=not legacy)
    return path
