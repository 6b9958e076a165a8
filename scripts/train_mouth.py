"""Makes app/lipsync/mouth_net.npz: teaches a small network how mouths are held, on speech that is made on the spot.

    .venv/bin/python scripts/train_mouth.py [--seconds 1800] [--steps 4500] [--out FILE] [--examine]

Nothing is downloaded and nobody was recorded: the embedded voice speaks the sentences of `mouth_sentences.py` in 228
voices and tells its phonemes. Gradients by hand in NumPy; some minutes of one core. `--examine` measures the weights as
they are: the correlation with the phonemes' own mouth on sentences and voices that were kept apart.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mouth_speech import ROOT, Array, Example, Spoken, examination, example, lessons
from numpy.typing import NDArray

from app.lipsync.mel import BANDS, SILENCE
from app.lipsync.mouth.mouth_net import (
    CHANNELS,
    CONTEXT,
    DILATIONS,
    WIDTH,
    Layer,
    activated,
    convolved,
    run,
    side_by_side,
)
from app.tts.backends.espeak import Espeak

COLUMNS = 128
"""Of each piece that is learnt from."""
BATCH = 32
COPIES = 2
"""Recordings of each sentence."""
RATE = 2.5e-3
IMPORTANCE = np.array([1.0, 0.4, 0.4], np.float32)
"""Of the errors of open, wide and upper."""
MEETING_IMPORTANCE = 0.03
CLOSED_IMPORTANCE = 3.0
"""How much more an error of the opening counts where the lips meet."""

Layers = tuple[Layer, ...]


async def prepare(seconds: float, seed: int) -> tuple[list[Spoken], list[Spoken]]:
    """Return what is to be learnt from, and what the examination is about."""
    backend = Espeak(workers=1)
    async with backend.running():
        learnt = [each async for each in lessons(backend, seconds, np.random.default_rng(seed))]
        asked = [each async for each in examination(backend, np.random.default_rng(7))]
    return learnt, asked


def initial(rng: np.random.Generator) -> Layers:
    sizes = [(3 * BANDS, WIDTH), *((3 * WIDTH, WIDTH) for _ in DILATIONS[1:]), (WIDTH, CHANNELS)]
    return tuple(
        Layer(rng.normal(0, np.sqrt(1.5 / inside), (inside, outside)).astype(np.float32), np.zeros(outside, np.float32))
        for inside, outside in sizes
    )


def gradients(layers: Layers, mel: Array, mouth: Array) -> tuple[float, list[Array]]:
    """Return the loss of a batch and its gradients: of each layer the weight's, then the bias's."""
    values, kept = np.maximum(convolved(mel, layers[0], DILATIONS[0]), 0), []
    kept.append((mel, values))
    for layer, dilation in zip(layers[1:-1], DILATIONS[1:], strict=True):
        turned = np.maximum(convolved(values, layer, dilation), 0)
        kept.append((values, turned))
        values = values[:, dilation:-dilation] + turned
    loss, back = _loss(values @ layers[-1].weight + layers[-1].bias, mouth)
    found = [_product(values, back), back.sum(axis=(0, 1))]
    back = back @ layers[-1].weight.T
    for number in range(len(DILATIONS) - 1, -1, -1):
        seen, turned = kept[number]
        dilation = DILATIONS[number]
        through = back * (turned > 0)
        found[:0] = [_product(side_by_side(seen, dilation), through), through.sum(axis=(0, 1))]
        if number:
            before, middle, after = np.split(through @ layers[number].weight.T, 3, axis=2)
            whole = np.zeros_like(seen)
            whole[:, : -2 * dilation] += before
            whole[:, dilation:-dilation] += middle + back
            whole[:, 2 * dilation :] += after
            back = whole
    return loss, found


def _product(one: Array, other: Array) -> Array:
    return one.reshape(-1, one.shape[2]).T @ other.reshape(-1, other.shape[2])


def _loss(said: Array, mouth: Array) -> tuple[float, Array]:
    """Return weighted squared errors of the mouth with the cross entropy of lips that meet, and the slope of both."""
    heard = activated(said)
    opened, meets, rows = heard[..., 0], heard[..., 3], _mouth(heard)
    importance = np.repeat(IMPORTANCE[None, None], len(said), 0) * np.ones_like(rows)
    importance[..., 0] *= 1 + (CLOSED_IMPORTANCE - 1) * mouth[..., 3]
    errors = rows - mouth[..., :3]
    count = rows.shape[0] * rows.shape[1]
    entropy = np.logaddexp(0, said[..., 3]) - mouth[..., 3] * said[..., 3]
    loss = float((importance * errors**2).sum() / count + MEETING_IMPORTANCE * entropy.mean())
    slope = 2 * importance * errors / count
    back = np.empty_like(said)
    back[..., 0] = slope[..., 0] * (1 - meets) * opened * (1 - opened)
    back[..., 1] = slope[..., 1] * (1 - rows[..., 1] ** 2)
    back[..., 2] = slope[..., 2] * rows[..., 2] * (1 - rows[..., 2])
    back[..., 3] = -slope[..., 0] * opened * meets * (1 - meets)
    back[..., 3] += MEETING_IMPORTANCE * (meets - mouth[..., 3]) / count
    return loss, back


def _mouth(heard: Array) -> Array:
    """Return rows of a mouth whose lips meet as far as the network is sure that they do."""
    return np.concatenate((heard[..., :1] * (1 - heard[..., 3:]), heard[..., 1:3]), axis=-1)


class Adam:
    """Kingma and Ba (2015), with the usual constants; the rate falls along half a cosine."""

    def __init__(self, parameters: Sequence[Array], steps: int) -> None:
        self._parameters, self._steps, self._step = parameters, steps, 0
        self._first = [np.zeros_like(each) for each in parameters]
        self._second = [np.zeros_like(each) for each in parameters]

    def step(self, slopes: Sequence[Array]) -> None:
        self._step += 1
        rate = RATE * 0.5 * (1 + np.cos(np.pi * self._step / self._steps)) * min(1.0, self._step / 50)
        for parameter, slope, first, second in zip(self._parameters, slopes, self._first, self._second, strict=True):
            first += 0.1 * (slope - first)
            second += 0.001 * (slope**2 - second)
            corrected = np.sqrt(second / (1 - 0.999**self._step)) + 1e-8
            parameter -= (rate * first / (1 - 0.9**self._step) / corrected).astype(np.float32)


def train(examples: Sequence[Example], steps: int, rng: np.random.Generator) -> Layers:
    columns = np.concatenate([each.mel for each in examples])
    mean, spread = columns.mean(axis=0), columns.std(axis=0) + 0.1
    padded = [
        (np.pad(each.mel, ((CONTEXT, CONTEXT), (0, 0)), constant_values=SILENCE), each.mouth) for each in examples
    ]
    chances = np.array([len(each.mouth) for each in examples], float)
    layers = initial(rng)
    optimizer = Adam([part for layer in layers for part in layer], steps)
    start, losses = time.process_time(), []
    for number in range(1, steps + 1):
        mel, mouth = _batch(padded, chances / chances.sum(), rng)
        loss, slopes = gradients(layers, (mel - mean) / spread, mouth)
        optimizer.step(slopes)
        losses.append(loss)
        if number % 100 == 0:
            print(f"step {number}: loss {np.mean(losses[-100:]):.4f}, {time.process_time() - start:.0f} s", flush=True)
    return _folded(layers, mean, spread)


def _batch(
    examples: Sequence[tuple[Array, Array]], chances: NDArray[np.float64], rng: np.random.Generator
) -> tuple[Array, Array]:
    mels, mouths = [], []
    for index in rng.choice(len(examples), BATCH, p=chances):
        mel, mouth = examples[index]
        at = rng.integers(0, max(len(mouth) - COLUMNS, 0) + 1)
        mels.append(mel[at : at + COLUMNS + 2 * CONTEXT])
        mouths.append(mouth[at : at + COLUMNS])
    return np.stack(mels), np.stack(mouths)


def _folded(layers: Layers, mean: Array, spread: Array) -> Layers:
    """Take the normalization of what is heard into the first layer."""
    weight, bias = layers[0]
    folded = weight / np.tile(spread, 3)[:, None]
    return (Layer(folded, bias - np.tile(mean, 3) @ folded), *layers[1:])


def stored(layers: Layers) -> dict[str, NDArray[np.float16]]:
    named: dict[str, Any] = {}
    for number, layer in enumerate(layers):
        named[f"weight{number}"] = layer.weight.astype(np.float16)
        named[f"bias{number}"] = layer.bias.astype(np.float16)
    return named


def loaded(path: Path) -> Layers:
    with np.load(path) as file:
        return tuple(
            Layer(file[f"weight{number}"].astype(np.float32), file[f"bias{number}"].astype(np.float32))
            for number in range(len(DILATIONS) + 1)
        )


def examine(layers: Layers, examples: Sequence[Example]) -> None:
    said = [run(np.pad(each.mel, ((CONTEXT, CONTEXT), (0, 0)), constant_values=SILENCE), layers) for each in examples]
    rows, mouth = _mouth(activated(np.concatenate(said))), np.concatenate([each.mouth for each in examples])
    for channel, name in enumerate(("open", "wide", "upper")):
        print(f"{name:6s} r = {np.corrcoef(rows[:, channel], mouth[:, channel])[0, 1]:.3f}", end="  ")
    print(f"spread of open {rows[:, 0].std():.3f} of {mouth[:, 0].std():.3f}", end="  ")
    print(f"lips that meet: {np.mean(rows[mouth[:, 3] > 0, 0] < 0.12):.2f} below 0.12", end="  ")
    print(f"others: {np.mean(rows[mouth[:, 0] > 0.25, 0] < 0.12):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Teaches the mouth network.")
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--steps", type=int, default=4500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "app" / "lipsync" / "mouth_net.npz")
    parser.add_argument("--examine", action="store_true", help="only measure the weights that are there")
    options = parser.parse_args()
    learnt, asked = asyncio.run(prepare(0 if options.examine else options.seconds, options.seed))
    rng = np.random.default_rng(options.seed)
    if not options.examine:
        examples = [example(spoken, rng) for spoken in learnt for _ in range(COPIES)]
        examples = [each for each in examples if len(each.mouth) >= COLUMNS]
        seconds = sum(len(spoken.samples) for spoken in learnt) / 16_000
        voices = len({spoken.voice for spoken in learnt})
        print(f"{len(learnt)} sentences, {seconds:.0f} s, {voices} voices", flush=True)
        np.savez(options.out, **stored(train(examples, options.steps, rng)))
    layers = loaded(options.out)
    print(f"{options.out.stat().st_size} bytes, {sum(part.size for layer in layers for part in layer)} parameters")
    for spoil in (False, True):
        print("spoiled:" if spoil else "clean:  ", end=" ")
        examine(layers, [example(spoken, np.random.default_rng(8), spoil=spoil) for spoken in asked])


if __name__ == "__main__":
    main()
