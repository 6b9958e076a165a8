"""What lies between the lips, and the lips as layers that can be laid over it.

Colours are worked out once in a part of the picture. Where the mouth is open in the picture, its own inside is used as
far as it goes; otherwise teeth and tongue are painted, in the light that falls on the face.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.lipsync.warp.fields import OPEN_IN_PICTURE, Edges
from app.lipsync.warp.grid import Rect, doubled, smooth_step, taken
from app.lipsync.warp.shape import Curve, MouthShape

Colours = NDArray[np.uint8]
"""Shape (height, width, 4): blue-green-red and alpha."""

CAVITY = np.array([26, 18, 46], np.float32)
TEETH = np.array([188, 208, 220], np.float32)
GUMS = np.array([92, 84, 150], np.float32)
TONGUE = np.array([72, 62, 140], np.float32)
"""In the light of a face whose skin has `SKIN` as its brightness."""
SKIN = 165.0
TEETH_HEIGHT = 0.085
"""Of the upper teeth below the resting lip, in widths of the mouth."""
TONGUE_HEIGHT = 0.13
SOFT = 0.012
"""Half of the width over which a lip's edge fades, in widths of the mouth; a pixel at least."""
CHEEKS = 50, 280, 205, 425, 101, 330


@dataclass(frozen=True, slots=True, eq=False)
class Inside:
    """The layers of a mouth in one part of a picture, from the lowest to the highest."""

    cavity: Colours
    """Stays where the head is, like the teeth."""
    tongue: Colours
    """Goes with the lower lip."""
    teeth: Colours
    """The upper teeth, or whatever is between the lips in the picture."""
    upper: Colours
    """Everything above the lower edge of the upper lip, and that lip's colour below."""
    lower: Colours
    """Everything below the upper edge of the lower lip, and that lip's colour above."""

    def doubled(self) -> "Inside":
        """Return the layers with a pixel between each two."""
        return Inside(*map(doubled, (self.cavity, self.tongue, self.teeth, self.upper, self.lower)))


def inside(
    pixels: NDArray[np.uint8], rect: Rect, shape: MouthShape, u: Curve, v: Curve, found: Edges, light: float
) -> Inside:
    """Paint the layers of a part of a picture, whose pixels are at u and v; `light` is 1 in normal light."""
    soft = max(SOFT * 2 * shape.half, 0.6)
    is_open = shape.gap > OPEN_IN_PICTURE * 2 * shape.half
    across = shape.across(u)
    within = 1 - smooth_step((np.abs(across) - 0.8) / 0.2)
    lip = 1.5 * soft
    upper = _kept(pixels, rect, shape, u, v, np.minimum(v, found.upper - lip * within))
    lower = _kept(pixels, rect, shape, u, v, np.maximum(v, found.lower + lip * within))
    if is_open:
        middle = (found.upper + found.lower) / 2
        top, bottom = np.minimum(found.upper + soft, middle), np.maximum(found.lower - soft, middle)
        own = _kept(pixels, rect, shape, u, v, np.clip(v, top, bottom))
        length = 4 * soft + 0.16 * shape.half * smooth_step((np.abs(across) - 0.45) / 0.4)
        teeth = _with_alpha(own, 1 - smooth_step((v - found.lower + 2 * soft) / length))
    else:
        teeth = _teeth(shape, v, found, across, light)
    return Inside(
        cavity=_with_alpha(_cavity(shape, v, found, across, light), np.ones_like(v)),
        tongue=_tongue(shape, v, found, across, light),
        teeth=teeth,
        upper=_with_alpha(upper, 0.5 - (v - found.upper) / (2 * soft)),
        lower=_with_alpha(lower, 0.5 + (v - found.lower) / (2 * soft)),
    )


def light_on(pixels: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> float:
    """Return how bright the skin of the cheeks is, 1 in normal light."""
    height, width = pixels.shape[:2]
    places = np.clip(landmarks[list(CHEEKS)].astype(int), 0, (width - 1, height - 1))
    colours = pixels[places[:, 1], places[:, 0]].astype(np.float32)
    brightness = float(np.median(colours @ (0.114, 0.587, 0.299)))
    return min(max(brightness / SKIN, 0.12), 1.15)


def _kept(pixels: NDArray[np.uint8], rect: Rect, shape: MouthShape, u: Curve, v: Curve, kept: Curve) -> Curve:
    """Return the colours at u and `kept`, which is v where nothing changes."""
    shift = kept - v
    x = np.arange(rect[1].start, rect[1].stop, dtype=np.float32)[None] + shift * np.float32(shape.axes[1, 0])
    y = np.arange(rect[0].start, rect[0].stop, dtype=np.float32)[:, None] + shift * np.float32(shape.axes[1, 1])
    return taken(pixels, np.stack([x, y], -1)).astype(np.float32)


def _cavity(shape: MouthShape, v: Curve, found: Edges, across: Curve, light: float) -> Curve:
    depth = np.clip((v - found.upper) / max(shape.range, 1.0), 0, 1)
    brightness = (0.55 + 0.45 * depth) * (1 - 0.45 * np.clip(across**2, 0, 1)) * light
    return np.asarray(CAVITY * brightness[:, :, None], np.float32)


def _teeth(shape: MouthShape, v: Curve, found: Edges, across: Curve, light: float) -> Colours:
    """Paint the upper teeth, which hang a little below the edge of the resting lip, and the gum above."""
    width = 2 * shape.half
    edge = found.upper + TEETH_HEIGHT * width * (1 - 0.45 * across**2)
    soft = max(0.02 * width, 0.7)
    alpha = np.clip(0.5 + (edge - v) / soft, 0, 1) * (1 - smooth_step((np.abs(across) - 0.55) / 0.35))
    hidden = np.clip((v - found.upper) / (TEETH_HEIGHT * width), -1, 1)
    between = np.cos(across * np.pi / 0.21) ** 16 * np.float32(0.16) * min(width / 60, 1.0)
    shade = (0.62 + 0.38 * np.clip(hidden + 0.25, 0, 1)) * (1 - 0.5 * across**2) * (1 - between) * light
    gum = smooth_step((-hidden - 0.25) / 0.3)[:, :, None]
    colours = (TEETH * (1 - gum) + GUMS * gum) * shade[:, :, None]
    return _with_alpha(colours, alpha)


def _tongue(shape: MouthShape, v: Curve, found: Edges, across: Curve, light: float) -> Colours:
    width = 2 * shape.half
    dome = np.sqrt(np.clip(1 - (across / 0.78) ** 2, 0, 1))
    height = found.lower - v
    tongue = np.clip(0.5 + (TONGUE_HEIGHT * width * dome - height) / max(0.08 * width, 1.0), 0, 1) * (dome > 0)
    shade = (0.95 - 0.55 * np.clip(height / (TONGUE_HEIGHT * width), 0, 1)) * (1 - 0.35 * across**2) * light
    groove = 1 - 0.12 * np.exp(-((across / 0.07) ** 2))
    colours = TONGUE * (shade * groove)[:, :, None]
    return _with_alpha(colours, 0.92 * tongue)


def _with_alpha(colours: Curve, alpha: Curve) -> Colours:
    return _to_bytes(np.concatenate([colours, 255 * np.clip(alpha, 0, 1)[:, :, None]], axis=2))


def _to_bytes(colours: Curve) -> Colours:
    return np.asarray(np.clip(colours + 0.5, 0, 255), np.uint8)
