"""A coarse grid over a part of a picture: displacements are worked out at its nodes and drawn out to all pixels."""

from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
"""Shape (rows, columns, 2): at each node, x and y of a displacement in pixels."""
Values = TypeVar("Values", NDArray[np.uint8], NDArray[np.float32])
ONE = np.ones(1, np.float32)
BETWEEN = np.sinc(np.arange(-2.5, 3)) * np.sinc(np.arange(-2.5, 3) / 3)
BETWEEN = (BETWEEN / BETWEEN.sum()).astype(np.float32)
"""Lanczos' kernel of six pixels for the place in the middle of them."""
NOTHING = np.empty((0, 0), np.float32)
Rect = tuple[slice, slice]
"""Rows and columns of a picture."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells of `cell` pixels a side with a node in the middle of each, from the pixel (left, top) on."""

    left: int
    top: int
    columns: int
    rows: int
    cell: int

    def nodes(self) -> tuple[Field, Field]:
        """Return x and y of all nodes, each of shape (rows, columns)."""
        middle = (self.cell - 1) / 2
        x = np.arange(self.columns, dtype=np.float32) * self.cell + (self.left + middle)
        y = np.arange(self.rows, dtype=np.float32) * self.cell + (self.top + middle)
        return np.meshgrid(x, y)[0], np.meshgrid(x, y)[1]

    def rect(self, width: int, height: int) -> Rect:
        """Return the part of a picture of this size that the grid covers."""
        return (
            slice(max(self.top, 0), min(self.top + self.rows * self.cell, height)),
            slice(max(self.left, 0), min(self.left + self.columns * self.cell, width)),
        )

    def part(self, points: NDArray[np.floating]) -> tuple["Grid", Rect]:
        """Return the cells around points, as a grid of their own, and which of the nodes they are."""
        low = np.floor((points.min(axis=0) - (self.left, self.top)) / self.cell).astype(int)
        high = np.ceil((points.max(axis=0) - (self.left, self.top)) / self.cell).astype(int)
        (left, top), (right, bottom) = np.clip((low, high), 0, (self.columns, self.rows)).tolist()
        grid = Grid(self.left + left * self.cell, self.top + top * self.cell, right - left, bottom - top, self.cell)
        return grid, (slice(top, bottom), slice(left, right))

    def drawn_out(self, values: NDArray[np.float32], rect: Rect) -> NDArray[np.float32]:
        """Return values at the nodes, of any number of channels, at the pixels of a part of what it covers."""
        size = self.columns * self.cell, self.rows * self.cell
        large = cv2.resize(values, size, interpolation=cv2.INTER_LINEAR)
        rows, columns = rect
        return np.asarray(
            large[rows.start - self.top : rows.stop - self.top, columns.start - self.left : columns.stop - self.left],
            np.float32,
        )

    def looked_up(self, values: NDArray[np.float32], moved: Field) -> NDArray[np.float32]:
        """Return for each node the values where it is moved to, by so many pixels."""
        return taken(values, moved * np.float32(1 / self.cell), relative=True)


def grid_over(points: NDArray[np.floating], nodes: int, size: tuple[int, int]) -> Grid:
    """Return a grid around points, shape (n, 2), with some `nodes` across, but not beyond a picture of this size."""
    limits = np.array(size) - 1
    low = np.floor(np.clip(points.min(axis=0), 0, limits)).astype(int)
    high = np.ceil(np.clip(points.max(axis=0), 0, limits)).astype(int) + 1
    cell = max(round(float(high[0] - low[0]) / nodes), 1)
    columns, rows = -(-(high - low) // cell)
    return Grid(int(low[0]), int(low[1]), int(columns), int(rows), cell)


def taken(values: Values, places: Field, *, relative: bool = False) -> Values:
    """Return what is at places (x, y), of the same shape as they are; beyond the border, what is at the border.

    Args:
        values: shape (height, width) or (height, width, channels).
        places: where each is taken from.
        relative: whether a place is told from where it will be.
    """
    flags = cv2.INTER_LINEAR | (cv2.WARP_RELATIVE_MAP if relative else 0)
    result = cv2.remap(values, places, NOTHING, flags, borderMode=cv2.BORDER_REPLICATE)
    return result  # type: ignore[return-value]


def doubled(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture with a pixel between each two, by Lanczos' kernel; those that were there are at even places.

    What is taken from between the pixels of such a picture is far less blurred than from between those of the first.
    """
    height, width = pixels.shape[:2]
    result = np.empty((2 * height, 2 * width, *pixels.shape[2:]), np.uint8)
    result[::2, ::2] = pixels
    result[::2, 1::2] = cv2.sepFilter2D(pixels, -1, BETWEEN, ONE, anchor=(2, 0), borderType=cv2.BORDER_REPLICATE)
    result[1::2] = cv2.sepFilter2D(
        np.ascontiguousarray(result[::2]), -1, ONE, BETWEEN, anchor=(0, 2), borderType=cv2.BORDER_REPLICATE
    )
    return result


def smooth_step(values: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Rise from 0 at 0 to 1 at 1, level at both."""
    x = np.clip(values, 0, 1)
    return np.asarray(x * x * (3 - 2 * x), np.float32)
