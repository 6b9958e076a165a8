"""The part of `bench_lipsync.py` for films: a network draws into every picture of a talking head."""

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from bench_portraits import made_models
from lipsync_material import FPS, ROOT, Bgr, least_seconds, portrait

from app.lipsync.clip import Order
from app.lipsync.encode import VideoForm, WholeVideo
from app.lipsync.faces.finder import Finder
from app.lipsync.film.faces import Follower, cast
from app.lipsync.film.film import Film, FilmReader
from app.lipsync.film.performance import FilmPerformance
from app.lipsync.film.player import numbers
from app.lipsync.generator import load
from app.lipsync.handover import GO_ON
from app.lipsync.mel import SAMPLE_RATE
from app.lipsync.networks.registry import PLANS

SIDES = (512, 1024)
PICTURES = 50
FRAMES = 80
"""That are drawn, the last ones as the film runs back."""


def film(side: int) -> bytes:
    """Return a head that moves to and fro."""
    picture = portrait(side)[0]
    video = WholeVideo(VideoForm(side, side, FPS, SAMPLE_RATE))
    for number in range(PICTURES):
        video.writer.write_picture(_moved(picture, number))
        video.writer.write_sound(np.zeros(SAMPLE_RATE // FPS, np.float32))
    return video.finish()


def _moved(picture: Bgr, number: int) -> Bgr:
    side = picture.shape[0]
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), 3 * np.sin(number / 9), 1)
    turn[:, 2] += 0.02 * side * np.array([np.sin(number / 8), np.cos(number / 7)])
    return np.asarray(cv2.warpAffine(picture, turn, (side, side), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def measure_films(rounds: int) -> None:
    print(f"\n### Films, {PICTURES} pictures forth and back, without encoding, frames/s of a core\n")
    print("| network | picture | decoded | and its face followed | and drawn |\n|---|--:|--:|--:|--:|")
    finder = Finder(ROOT / "models" / "faces")
    for name in PLANS:
        with made_models(name) as models:
            for side in SIDES:
                _measure_film(name, side, finder, models, rounds)


def _measure_film(name: str, side: int, finder: Finder, models: Path, rounds: int) -> None:
    generator, data = load(models, name, device="cpu"), film(side)
    order = Order(audio=b"", image=b"", video=data, model=name)
    whole = Film(data, max_seconds=100)
    known = cast(whole, order, finder, GO_ON)
    windows = np.random.default_rng(0).uniform(-4, 4, (FRAMES, 80, 16)).astype(np.float32)
    shown = list(islice(numbers(whole.times, whole.duration, FPS), FRAMES))

    def decode() -> None:
        reader = FilmReader(whole)
        for number in shown:
            reader.at(number, GO_ON)

    def follow() -> None:
        reader, follower = FilmReader(whole), Follower(known, finder, FPS)
        for number in shown:
            follower.see(number, reader.at(number, GO_ON), GO_ON)

    def draw() -> None:
        performance = FilmPerformance(generator, known, finder, order)
        for first in range(0, FRAMES, performance.batch):
            for _ in performance.draw(windows[first : first + performance.batch], first):
                pass

    taken = least_seconds({"decode": decode, "follow": follow, "draw": draw}, rounds)
    rates = " | ".join(f"{FRAMES / seconds:.0f}" for seconds in taken.values())
    print(f"| {name}, {generator.precision} | {side} | {rates} |", flush=True)
