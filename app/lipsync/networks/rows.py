"""Which rows each block of a decoder has to draw so that those from a given one on are right. Pure.

Only the lower part of a face is pasted, and a convolution of 3 x 3 looks one row up, so most of what is above need not
exist: without the upper half the small network does 26 million multiplications a frame instead of 47 million, the large
one 2.3 thousand million instead of 3.4.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from app.lipsync.networks.plan import Block, Plan


@dataclass(frozen=True, slots=True)
class Rows:
    """Of one block. Its convolutions find nothing above `reads_from`, so the first rows of its output are wrong."""

    reads_from: int
    """First row of its input that it is given."""
    writes_from: int
    """Row of the whole output that the first row of its output is."""


def cut(plan: Plan, first_row: int) -> tuple[Rows, ...]:
    """Return the rows of each block of the decoder, then of the output, where rows from `first_row` on are wanted."""
    return tuple(_upwards(plan, first_row))[::-1]


def _upwards(plan: Plan, wanted: int) -> Iterator[Rows]:
    for block in (plan.output, *reversed(plan.decoder)):
        reads_from = _reads_from(block, wanted)
        if block is plan.output:
            reads_from -= reads_from % 2  # what a doubling block writes begins there: one row more is less than a copy
        yield Rows(reads_from, reads_from * block[0].stride[0])
        wanted = reads_from


def _reads_from(block: Block, wanted: int) -> int:
    """Return the first row of the input on which the rows from `wanted` on depend."""
    for layer in reversed(block):
        if layer.kind != "transposed":
            wanted = max(0, wanted - layer.kernel // 2)
        elif layer.stride[0] == 2:
            wanted //= 2  # row 2i is made of row i alone, row 2i + 1 of i and i + 1
        else:
            wanted = 0
    return wanted
