"""Measures talking portraits: every stage, the networks beside themselves as published, and all of it through the door.

    .venv/bin/python scripts/bench_lipsync.py [--quick] [PART ...]

Needs the development packages; the networks also need torch (the extra `lipsync`), and are left out without it. Their
weights are random, which does not change what they cost. Times are CPU seconds of one thread, the least of several
rounds; what is compared is measured by turns in the same run. Prints tables in Markdown and, for every figure that has
a bar, whether it is missed. The part `door` (bench_portraits.py) starts servers and talks to them over real sockets;
`bending` is bench_warp.py, `networks` and `job` are bench_networks.py, `films` is bench_films.py.
"""

import lipsync_material  # noqa: F401 # isort: skip  # before NumPy, whose threads it stops
import argparse
import importlib.util
import io
import os
import platform
from collections.abc import Callable
from itertools import islice

import av
import numpy as np
from bench_warp import measure_warp
from lipsync_material import FIRST_ROW, FPS, Bgr, judged, least_seconds, mouths, portrait, speech

from app.lipsync.compose import StillComposer
from app.lipsync.encode import StreamedVideo, VideoForm, WholeVideo
from app.lipsync.mel import SAMPLE_RATE, mel_spectrum
from app.lipsync.mouth.mouth_track import track
from app.lipsync.mouth.phonemes import TimedPhoneme

SIDES = (512, 1024)
ENCODE_BARS = {512: 350.0, 1024: 100.0}
"""Frames per second of a core."""


def measure_hearing(rounds: int) -> None:
    sound = speech(60)
    seconds = least_seconds({"mel": lambda: mel_spectrum(sound)}, rounds)["mel"]
    print(f"\n### Hearing\n\nThe mel spectrum takes {1000 * seconds / 60:.2f} ms for a second of sound.")


def measure_mouths(rounds: int) -> None:
    sound, sounds = speech(60), ("ˈa", "m", "ɪ", "s", "t", "oʊ")
    phonemes = [TimedPhoneme(sounds[number % 6], number / 12, (number + 1) / 12) for number in range(60 * 12)]
    actions = {
        "by ear": lambda: track(sound, sample_rate=SAMPLE_RATE, fps=FPS),
        "of phonemes": lambda: track(sound, sample_rate=SAMPLE_RATE, fps=FPS, phonemes=phonemes),
    }
    print("\n### Mouths\n\n| mouth | ms for a second of sound |\n|---|--:|")
    for name, seconds in least_seconds(actions, rounds).items():
        print(f"| {name} | {1000 * seconds / 60:.2f} |")


def measure_composing(rounds: int) -> None:
    print("\n### Composing\n\n| picture | prepare, ms | compose, ms a frame |\n|--:|--:|--:|")
    for side in SIDES:
        picture, landmarks = portrait(side)
        composer = StillComposer(picture, landmarks, first_row=FIRST_ROW)
        drawn = next(mouths(composer.face))
        actions = {
            "prepare": lambda: StillComposer(picture, landmarks, first_row=FIRST_ROW),  # noqa: B023
            "compose": lambda: [composer.compose(drawn) for _ in range(20)],  # noqa: B023
        }
        taken = least_seconds(actions, 3 * rounds)
        print(f"| {side} | {1000 * taken['prepare']:.1f} | {50 * taken['compose']:.2f} |")


def measure_encoding(rounds: int) -> None:
    print("\n### Encoding, sound and container included\n")
    print("| picture | written as | frames/s of a core | bar | kbit/s | PSNR outside of the face, dB |")
    print("|--:|---|--:|--:|--:|--:|")
    for side in SIDES:
        picture, landmarks = portrait(side)
        composer = StillComposer(picture, landmarks, first_row=FIRST_ROW)
        frames = [composer.compose(drawn).copy() for drawn in islice(mouths(composer.face), 100)]
        made: dict[str, bytes] = {}

        def encode(name: str, kind: type[WholeVideo] | type[StreamedVideo]) -> None:
            video = kind(VideoForm(side, side, FPS, SAMPLE_RATE))  # noqa: B023
            sound = speech(len(frames) / FPS)  # noqa: B023
            for number, frame in enumerate(frames):  # noqa: B023
                video.writer.write_picture(frame, composer.changed)  # noqa: B023
                start = number * SAMPLE_RATE // FPS
                video.writer.write_sound(sound[start : start + SAMPLE_RATE // FPS])
            made[name] = video.finish()  # noqa: B023

        actions = {"whole": lambda: encode("whole", WholeVideo), "stream": lambda: encode("stream", StreamedVideo)}  # noqa: B023
        for name, seconds in least_seconds(actions, rounds).items():
            rate, kilobits = len(frames) / seconds, 8 * len(made[name]) / (len(frames) / FPS) / 1000
            noise = outside_psnr(made[name], picture, composer.changed)
            print(
                f"| {side} | {name} | {rate:.0f} | {judged(rate, ENCODE_BARS[side])} | {kilobits:.0f} | {noise:.1f} |"
            )


def outside_psnr(video: bytes, picture: Bgr, changed: tuple[int, int, int, int]) -> float:
    """Return the ratio of the largest signal to what encoding changes where nothing moves, in dB."""
    left, top, right, bottom = changed
    outside = np.ones(picture.shape[:2], bool)
    outside[top:bottom, left:right] = False
    with av.open(io.BytesIO(video)) as file:
        errors = [
            np.mean((frame.to_ndarray(format="bgr24")[outside].astype(float) - picture[outside]) ** 2)
            for frame in islice(file.decode(video=0), 0, None, 10)
        ]
    return float(10 * np.log10(255**2 / np.mean(errors)))


PARTS: dict[str, Callable[[int], None]] = {
    "hearing": measure_hearing,
    "mouths": measure_mouths,
    "composing": measure_composing,
    "encoding": measure_encoding,
    "bending": measure_warp,
}
if importlib.util.find_spec("torch"):
    from bench_films import measure_films
    from bench_networks import measure_job, measure_networks
    from bench_portraits import measure_door

    PARTS |= {"networks": measure_networks, "job": measure_job, "films": measure_films, "door": measure_door}
else:
    print("Without torch (the extra `lipsync`) the networks are left out.")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures talking portraits.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f}")
    for name in options.parts or PARTS:
        PARTS[name](2 if options.quick else 6)


if __name__ == "__main__":
    main()
