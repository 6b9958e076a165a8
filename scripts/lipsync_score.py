"""How well the lips of a video agree with its speech, measured on its decoded pictures.

The mouth's aperture is measured by the face mesh in each picture, or, where the mesh sees no face, taken from the first
principal component of the changes around the mouth. It is compared with how open the sounds of the speech are, by a
table of vowel heights that the engine knows nothing of.
"""

import io
import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from app.lipsync.crop import Levels
from app.lipsync.faces.face import Face
from app.lipsync.faces.finder import Finder
from app.lipsync.faces.mesh import MARGIN, Mesh, around
from app.lipsync.mouth.phonemes import TimedPhoneme
from app.lipsync.picture import Picture

LAGS = np.arange(-400, 401, 20)
"""Milliseconds."""
CLOSED = 0.2
"""Of the range of the aperture, below which lips count as closed."""
BEFORE, AFTER = 0.06, 0.02
"""Seconds around a bilabial in which its lips may meet: a stop's own sound begins with their opening."""
SMEAR = 0.06
"""Seconds over which the openness of sounds is averaged, about what a jaw takes."""
_UPPER_LIP, _LOWER_LIP, _FOREHEAD, _CHIN = 13, 14, 10, 152

HEIGHTS = {
    1.0: "aɑæɐɒɶ",
    0.75: "ɛɔʌœɜɞ",
    0.55: "eoəøɤɘɵ",
    0.3: "iuɪʊyʏɨʉɯɚɝ",
    0.0: "pbmfvɸβ",
}
OTHERS = 0.25
BILABIALS = "pbm"

Bgr = NDArray[np.uint8]
Series = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Score:
    """What was measured."""

    correlation: float
    """Of the aperture with the openness of the phonemes, at no lag."""
    best: float
    """The same at the best lag."""
    lag_ms: float
    """At which they agree best; positive: the lips are late."""
    z: float
    """How far the best correlation is above those of speech that is shifted around at random, in their spread."""
    closed: float
    """What part of the bilabials is seen closed."""
    bilabials: int
    silent: float
    """The aperture in silence, in its range."""
    psnr: float
    """Outside of the face, dB."""
    aperture: float
    """Its range, in heights of the face."""


def score(
    video: bytes, picture: Picture, phonemes: Sequence[TimedPhoneme], models: Path, *, by_mesh: bool = True
) -> Score:
    """Measure a video that was made of a picture and speech."""
    face = Finder(models).find(picture)[0]
    pictures, fps = decoded(video)
    apertures = _by_mesh(pictures, face, models) if by_mesh else None
    if apertures is None:
        apertures = _by_component(pictures, face)
    times = (np.arange(len(apertures)) + 0.5) / fps
    low, high = np.percentile(apertures, (2, 95))
    opened = (apertures - low) / max(high - low, 1e-9)
    at_lags = [_agreement(opened, _openness(phonemes, times - lag / 1000)) for lag in LAGS]
    best = int(np.argmax(at_lags))
    seen = list(_bilabials(phonemes, opened, times, fps))
    quiet = _quiet(phonemes, times)
    return Score(
        correlation=at_lags[len(LAGS) // 2],
        best=at_lags[best],
        lag_ms=float(LAGS[best]),
        z=_surprise(opened, _openness(phonemes, times), at_lags[best]),
        closed=float(np.mean(seen)) if seen else math.nan,
        bilabials=len(seen),
        silent=float(opened[quiet].mean()) if quiet.any() else math.nan,
        psnr=_outside(pictures, picture.pixels, face),
        aperture=float(high - low),
    )


def decoded(video: bytes) -> tuple[list[Bgr], float]:
    """Return all pictures of a video, and frames a second."""
    with av.open(io.BytesIO(video)) as file:
        rate = float(file.streams.video[0].average_rate or 25)
        return [frame.to_ndarray(format="bgr24") for frame in file.decode(video=0)], rate


def _by_mesh(pictures: Sequence[Bgr], face: Face, models: Path) -> Series | None:
    mesh, landmarks, apertures = Mesh(models), face.landmarks, []
    for pixels in pictures:
        found = mesh.measure(Levels(pixels), around(landmarks), margin=MARGIN)
        if found is None:
            return None
        landmarks = found.landmarks
        apertures.append(float(np.hypot(*(landmarks[_LOWER_LIP] - landmarks[_UPPER_LIP]))))
    height = float(np.hypot(*(face.landmarks[_CHIN] - face.landmarks[_FOREHEAD])))
    return np.array(apertures) / height


def _by_component(pictures: Sequence[Bgr], face: Face) -> Series:
    left, right = face.landmarks[61], face.landmarks[291]
    half, (x, y) = float(np.hypot(*(right - left))) / 2, (left + right) / 2
    top, bottom, start, end = (int(max(edge, 0)) for edge in (y - half, y + 1.5 * half, x - half, x + half))
    grey = np.stack([cv2.cvtColor(each[top:bottom, start:end], cv2.COLOR_BGR2GRAY).ravel() for each in pictures])
    changes = grey.astype(np.float64) - grey.mean(axis=0)
    component = np.linalg.svd(changes, full_matrices=False)[0][:, 0]
    dark = np.corrcoef(component, -grey.mean(axis=1))[0, 1]  # an open mouth is dark inside
    return np.asarray(component * np.sign(dark))


def _openness(phonemes: Sequence[TimedPhoneme], times: Series) -> Series:
    """Return how open the sounds around these times are, 0 to 1."""
    fine = np.arange(times[0] - 1, times[-1] + 1, 0.005)
    steps = np.zeros(len(fine))
    for phoneme in phonemes:
        plain = unicodedata.normalize("NFD", phoneme.ipa)
        letters = [letter for letter in plain if unicodedata.category(letter) in ("Ll", "Lu")]
        edges = np.linspace(phoneme.start, phoneme.end, len(letters) + 1)
        for letter, (start, end) in zip(letters, pairwise(edges), strict=True):
            steps[(fine >= start) & (fine < end)] = _height(letter)
    width = round(SMEAR / 0.005)
    return np.asarray(np.interp(times, fine, np.convolve(steps, np.ones(width) / width, mode="same")))


def _height(letter: str) -> float:
    return next((height for height, letters in HEIGHTS.items() if letter in letters), OTHERS)


def _agreement(one: Series, other: Series) -> float:
    if one.std() < 1e-9 or other.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _surprise(opened: Series, openness: Series, best: float) -> float:
    shifts = np.random.default_rng(0).integers(12, max(len(opened) - 12, 13), 200)
    by_chance = [_agreement(opened, np.roll(openness, shift)) for shift in shifts]
    return float((best - np.mean(by_chance)) / max(np.std(by_chance), 1e-9))


def _bilabials(phonemes: Sequence[TimedPhoneme], opened: Series, times: Series, fps: float) -> Iterator[bool]:
    for phoneme in phonemes:
        if phoneme.ipa.lstrip("ˈˌ")[:1] in BILABIALS and phoneme.ipa:
            near = (times > phoneme.start - BEFORE - 0.5 / fps) & (times < phoneme.end + AFTER + 0.5 / fps)
            if near.any():
                yield bool(opened[near].min() < CLOSED)


def _quiet(phonemes: Sequence[TimedPhoneme], times: Series) -> NDArray[np.bool_]:
    """Tell at which times nothing is heard for 150 ms to both sides."""
    near = [(times > phoneme.start - 0.15) & (times < phoneme.end + 0.15) for phoneme in phonemes]
    return ~np.any(near, axis=0)


def _outside(pictures: Sequence[Bgr], pixels: Bgr, face: Face) -> float:
    """Return the ratio of the largest signal to all change where there is no face: 60 % more than its box."""
    left, top, right, bottom = face.box
    x, y, width, height = (left + right) / 2, (top + bottom) / 2, 1.6 * (right - left), 1.6 * (bottom - top)
    rows, columns = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    outside = (np.abs(columns - x) > width / 2) | (np.abs(rows - y) > height / 2)
    errors = [np.mean((each[outside].astype(float) - pixels[outside]) ** 2) for each in pictures[::5]]
    return float(10 * np.log10(255**2 / max(float(np.mean(errors)), 1e-9)))
