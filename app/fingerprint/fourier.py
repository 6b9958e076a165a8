"""The power spectra of many frames of a sound at once.

A processor adds and multiplies eight numbers as fast as one, if they lie side by side. So frames do: each number of
one beside that of the next, in `lanes`. Two real samples make one complex number, by which a transform of half the
length does (W. Press et al., "Numerical Recipes", 12.3); that is Stockham's, of radix 4, which needs no reordering (C.
Van Loan, "Computational Frameworks for the Fast Fourier Transform", 2.3). 22 frames of 2048 samples take half as long
as one by one. What comes out does not depend on which frames are beside each other.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from app.fingerprint.kernel import kernel

Floats: TypeAlias = npt.NDArray[np.float32]
Places: TypeAlias = tuple[np.uint64, np.uint64, np.uint64, np.uint64]
"""In arrays. Unsigned, so that none is counted from the end: a kernel takes half as long then."""

LANES = 8
"""Frames that are looked at together, or a multiple."""
MOST_LANES = 32
"""More than these do not stay in the processor's nearer memory."""


class Tables(NamedTuple):
    """What is the same for all frames."""

    window: Floats
    """By which the samples are multiplied: twice a power of four of them."""
    cosines: Floats
    """Of the turns of the transform, three quarters of a circle and one more."""
    sines: Floats
    half_cosines: Floats
    """Of half turns, up to half a circle."""
    half_sines: Floats


def tables(window: Floats) -> Tables:
    """Return the tables of a window."""
    half = len(window) // 2
    turns = np.exp(-2j * np.pi * np.arange(half * 3 // 4 + 1) / half)
    halves = np.exp(-1j * np.pi * np.arange(half) / half)
    parts = (turns.real, turns.imag, halves.real, halves.imag)
    return Tables(window, *(np.ascontiguousarray(part, np.float32) for part in parts))


@kernel
def powers(samples: Floats, hop: int, count: int, tables: Tables, first_bin: int, quietest: float, out: Floats) -> None:
    """Write the powers of `count` frames, one `hop` after another: `(bins, lanes)`, from `first_bin` above 0 on."""
    lanes, half = out.shape[1], len(tables.window) // 2
    re, im = np.zeros(half * lanes, np.float32), np.zeros(half * lanes, np.float32)
    for number in range(half):
        places = np.uint64(2 * number), np.uint64(hop), np.uint64(number * lanes), np.uint64(count)
        _load(samples, places, tables.window[2 * number], tables.window[2 * number + 1], re, im)
    re, im = _transformed(re, im, lanes, tables.cosines, tables.sines)
    flat = out.reshape(-1)
    for i in range(len(out)):
        bin = first_bin + i
        places = np.uint64(bin * lanes), np.uint64((half - bin) * lanes), np.uint64(i * lanes), np.uint64(lanes)
        _power(re, im, places, tables.half_cosines[bin], tables.half_sines[bin], np.float32(quietest), flat)


@kernel
def _load(samples: Floats, places: Places, even: np.float32, odd: np.float32, re: Floats, im: Floats) -> None:
    """Put two samples of each frame beside those of the others: a `hop` apart, from the first on, to a place."""
    first, hop, to, count = places
    for lane in range(count):
        re[to + lane] = samples[first + lane * hop] * even
        im[to + lane] = samples[first + lane * hop + np.uint64(1)] * odd


@kernel
def _transformed(re: Floats, im: Floats, lanes: int, cosines: Floats, sines: Floats) -> tuple[Floats, Floats]:
    """Return the transform of complex numbers; what they were is lost."""
    spare_re, spare_im = np.empty_like(re), np.empty_like(im)
    rest, run, step = len(re) // lanes, lanes, 1
    while rest > 1:
        rest //= 4
        for place in range(rest):
            turn = place * step
            _turn(
                re,
                im,
                spare_re,
                spare_im,
                (np.uint64(place * run), np.uint64(rest * run), np.uint64(4 * place * run), np.uint64(run)),
                (cosines[turn], cosines[2 * turn], cosines[3 * turn]),
                (sines[turn], sines[2 * turn], sines[3 * turn]),
            )
        re, spare_re, im, spare_im = spare_re, re, spare_im, im
        run *= 4
        step *= 4
    return re, im


@kernel
def _turn(
    re: Floats,
    im: Floats,
    to_re: Floats,
    to_im: Floats,
    places: Places,
    cosines: tuple[np.float32, np.float32, np.float32],
    sines: tuple[np.float32, np.float32, np.float32],
) -> None:
    """Transform four numbers each, and turn them.

    Args:
        re: of a quarter apart.
        im: of the same.
        to_re: of a run apart.
        to_im: of the same.
        places: first of these, a quarter, first of those, a run.
        cosines: of the second to the fourth.
        sines: of the same.
    """
    first, quarter, to, run = places
    for i in range(run):
        a, b = first + i, first + i + quarter
        c, d = b + quarter, b + quarter + quarter
        ac_re, ac_im, a_c_re, a_c_im = re[a] + re[c], im[a] + im[c], re[a] - re[c], im[a] - im[c]
        bd_re, bd_im, b_d_re, b_d_im = re[b] + re[d], im[b] + im[d], re[b] - re[d], im[b] - im[d]
        a, b = to + i, to + i + run
        c, d = b + run, b + run + run
        to_re[a], to_im[a] = ac_re + bd_re, ac_im + bd_im
        x, y = a_c_re + b_d_im, a_c_im - b_d_re
        to_re[b], to_im[b] = x * cosines[0] - y * sines[0], x * sines[0] + y * cosines[0]
        x, y = ac_re - bd_re, ac_im - bd_im
        to_re[c], to_im[c] = x * cosines[1] - y * sines[1], x * sines[1] + y * cosines[1]
        x, y = a_c_re - b_d_im, a_c_im + b_d_re
        to_re[d], to_im[d] = x * cosines[2] - y * sines[2], x * sines[2] + y * cosines[2]


@kernel
def _power(
    re: Floats, im: Floats, places: Places, cosine: np.float32, sine: np.float32, quietest: np.float32, out: Floats
) -> None:
    """Take the two real transforms apart that were made as one, and write the power of their sum."""
    one, other, to, lanes = places
    for lane in range(lanes):
        a, b = one + lane, other + lane
        even_re, even_im = re[a] + re[b], im[a] - im[b]
        odd_re, odd_im = im[a] + im[b], re[b] - re[a]
        x, y = even_re + odd_re * cosine - odd_im * sine, even_im + odd_re * sine + odd_im * cosine
        out[to + lane] = (x * x + y * y) * np.float32(0.25) + quietest
