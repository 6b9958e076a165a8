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
        here = number * lanes
        _load(samples[2 * number :], hop, tables.window[2 * number], re[here : here + count])
        _load(samples[2 * number + 1 :], hop, tables.window[2 * number + 1], im[here : here + count])
    re, im = _transformed(re, im, lanes, tables.cosines, tables.sines)
    for i in range(len(out)):
        one, other = (first_bin + i) * lanes, (half - first_bin - i) * lanes
        _power(
            re[one : one + lanes],
            im[one : one + lanes],
            re[other : other + lanes],
            im[other : other + lanes],
            tables.half_cosines[first_bin + i],
            tables.half_sines[first_bin + i],
            np.float32(quietest),
            out[i],
        )


@kernel
def _load(samples: Floats, hop: int, weight: np.float32, row: Floats) -> None:
    for lane in range(len(row)):
        row[lane] = samples[lane * hop] * weight


@kernel
def _transformed(re: Floats, im: Floats, lanes: int, cosines: Floats, sines: Floats) -> tuple[Floats, Floats]:
    """Return the transform of complex numbers; what they were is lost."""
    spare_re, spare_im = np.empty_like(re), np.empty_like(im)
    rest, run, step = len(re) // lanes, lanes, 1
    while rest > 1:
        rest //= 4
        quarter = rest * run
        for place in range(rest):
            at, to, turn = place * run, 4 * place * run, place * step
            _turn(
                re[at : at + run],
                re[at + quarter : at + quarter + run],
                re[at + 2 * quarter : at + 2 * quarter + run],
                re[at + 3 * quarter : at + 3 * quarter + run],
                im[at : at + run],
                im[at + quarter : at + quarter + run],
                im[at + 2 * quarter : at + 2 * quarter + run],
                im[at + 3 * quarter : at + 3 * quarter + run],
                spare_re[to : to + run],
                spare_re[to + run : to + 2 * run],
                spare_re[to + 2 * run : to + 3 * run],
                spare_re[to + 3 * run : to + 4 * run],
                spare_im[to : to + run],
                spare_im[to + run : to + 2 * run],
                spare_im[to + 2 * run : to + 3 * run],
                spare_im[to + 3 * run : to + 4 * run],
                (cosines[turn], cosines[2 * turn], cosines[3 * turn]),
                (sines[turn], sines[2 * turn], sines[3 * turn]),
            )
        re, spare_re, im, spare_im = spare_re, re, spare_im, im
        run *= 4
        step *= 4
    return re, im


@kernel
def _turn(
    a_re: Floats,
    b_re: Floats,
    c_re: Floats,
    d_re: Floats,
    a_im: Floats,
    b_im: Floats,
    c_im: Floats,
    d_im: Floats,
    to_a_re: Floats,
    to_b_re: Floats,
    to_c_re: Floats,
    to_d_re: Floats,
    to_a_im: Floats,
    to_b_im: Floats,
    to_c_im: Floats,
    to_d_im: Floats,
    cosines: tuple[np.float32, np.float32, np.float32],
    sines: tuple[np.float32, np.float32, np.float32],
) -> None:
    """Transform four numbers each, and turn them."""
    for i in range(len(a_re)):
        ac_re, ac_im, a_c_re, a_c_im = a_re[i] + c_re[i], a_im[i] + c_im[i], a_re[i] - c_re[i], a_im[i] - c_im[i]
        bd_re, bd_im, b_d_re, b_d_im = b_re[i] + d_re[i], b_im[i] + d_im[i], b_re[i] - d_re[i], b_im[i] - d_im[i]
        to_a_re[i], to_a_im[i] = ac_re + bd_re, ac_im + bd_im
        x, y = a_c_re + b_d_im, a_c_im - b_d_re
        to_b_re[i], to_b_im[i] = x * cosines[0] - y * sines[0], x * sines[0] + y * cosines[0]
        x, y = ac_re - bd_re, ac_im - bd_im
        to_c_re[i], to_c_im[i] = x * cosines[1] - y * sines[1], x * sines[1] + y * cosines[1]
        x, y = a_c_re - b_d_im, a_c_im + b_d_re
        to_d_re[i], to_d_im[i] = x * cosines[2] - y * sines[2], x * sines[2] + y * cosines[2]


@kernel
def _power(
    one_re: Floats,
    one_im: Floats,
    other_re: Floats,
    other_im: Floats,
    cosine: np.float32,
    sine: np.float32,
    quietest: np.float32,
    out: Floats,
) -> None:
    """Take the two real transforms apart that were made as one, and write the power of their sum."""
    for i in range(len(out)):
        even_re, even_im = one_re[i] + other_re[i], one_im[i] - other_im[i]
        odd_re, odd_im = one_im[i] + other_im[i], other_re[i] - one_re[i]
        re, im = even_re + odd_re * cosine - odd_im * sine, even_im + odd_re * sine + odd_im * cosine
        out[i] = (re * re + im * im) * np.float32(0.25) + quietest
