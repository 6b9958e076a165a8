"""What a network of the Wav2Lip family is made of, as data: its layers, their names in a checkpoint, their sizes. Pure.

Such a network encodes the face (six channels: the picture with its lower half blackened, and the whole one) into seven
levels of features, the sound (a mel window) into one vector, and decodes the vector to a face again, at each level
beside the features of the face there (Prajwal et al., "A Lip Sync Expert Is All You Need for Speech to Lip Generation
In The Wild", 2020). Everything that runs, checks or rewrites a network reads it from here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

SIDE = 96
"""Pixels of a face, each way."""
MASKED_FROM = 48
"""Row of the face from which the network is to draw by itself."""
FACE_CHANNELS = 6
MEL_BANDS, MEL_COLUMNS = 80, 16
"""Of the window of sound that belongs to a frame: 200 ms."""

Kind = Literal["conv", "transposed", "bare"]
"""Convolution or transposed convolution with batch norm and ReLU; `bare` is a convolution with neither."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One convolution and what follows it. Pairs are (rows, columns)."""

    name: str
    """In a checkpoint, without the part that tells weight from bias: `face_decoder_blocks.2.0`."""
    kind: Kind
    inputs: int
    """Channels."""
    outputs: int
    kernel: int
    stride: tuple[int, int] = (1, 1)
    padding: int = 1
    residual: bool = False
    """Whether its input is added before the ReLU."""

    @property
    def convolution(self) -> str:
        """Name of the convolution's own parameters in a checkpoint."""
        return self.name if self.kind == "bare" else f"{self.name}.conv_block.0"

    @property
    def norm(self) -> str:
        """Name of the batch norm's parameters in a checkpoint; a bare layer has none."""
        return f"{self.name}.conv_block.1"

    @property
    def output_padding(self) -> int:
        """Of a transposed convolution, so that a stride of 2 doubles the size exactly."""
        return 1 if self.stride == (2, 2) else 0


Block = tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A network: `face` and `decoder` have seven blocks each; the first of the one goes with the last of the other."""

    name: str
    face: tuple[Block, ...]
    audio: Block
    decoder: tuple[Block, ...]
    output: Block
    """Ends with the bare layer whose sigmoid is the picture."""

    def layers(self) -> Iterator[Layer]:
        """Yield every layer."""
        for block in (*self.face, self.audio, *self.decoder, self.output):
            yield from block


Step = tuple[Kind, int, int, tuple[int, int], int, bool]
"""Kind, channels out, kernel, stride, padding, residual; the channels that go in are those that came out before."""


def conv(outputs: int, kernel: int = 3, *, stride: int | tuple[int, int] = 1, padding: int = 1) -> Step:
    """Return a convolution."""
    return "conv", outputs, kernel, stride if isinstance(stride, tuple) else (stride, stride), padding, False


def same(channels: int) -> Step:
    """Return a convolution of 3 x 3 to which its input is added."""
    return "conv", channels, 3, (1, 1), 1, True


def double(outputs: int) -> Step:
    """Return a transposed convolution that doubles both sides."""
    return "transposed", outputs, 3, (2, 2), 1, False


def grow(outputs: int) -> Step:
    """Return the transposed convolution that makes 3 x 3 of 1 x 1."""
    return "transposed", outputs, 3, (1, 1), 0, False


def plan(
    name: str,
    *,
    face: Sequence[Sequence[Step]],
    audio: Sequence[Step],
    decoder: Sequence[Sequence[Step]],
    output: Step,
) -> Plan:
    """Name the layers as checkpoints do, and count the channels that go into each."""
    face_blocks = tuple(_chain(face, "face_encoder_blocks", [FACE_CHANNELS, *(_last(block) for block in face)]))
    features = [_last(block) for block in reversed(face)]
    heights = [_last(audio), *(_last(block) + beside for block, beside in zip(decoder, features, strict=True))]
    decoder_blocks = tuple(_chain(decoder, "face_decoder_blocks", heights))
    first = _layer("output_block.0", output, heights[-1])
    last = Layer("output_block.1", "bare", first.outputs, 3, 1, padding=0)  # 3: blue, green, red
    return Plan(name, face_blocks, _block("audio_encoder", audio, 1), decoder_blocks, (first, last))


def _chain(blocks: Sequence[Sequence[Step]], name: str, inputs: Sequence[int]) -> Iterator[Block]:
    for number, block in enumerate(blocks):
        yield _block(f"{name}.{number}", block, inputs[number])


def _block(name: str, steps: Sequence[Step], inputs: int) -> Block:
    widths = [inputs, *(step[1] for step in steps)]
    return tuple(_layer(f"{name}.{number}", step, widths[number]) for number, step in enumerate(steps))


def _layer(name: str, step: Step, inputs: int) -> Layer:
    kind, outputs, kernel, stride, padding, residual = step
    return Layer(name, kind, inputs, outputs, kernel, stride, padding, residual)


def _last(block: Sequence[Step]) -> int:
    return block[-1][1]
