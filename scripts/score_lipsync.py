"""Scores talking portraits: speaks with the embedded voice, lets a portrait speak it, and measures the video.

    .venv/bin/python scripts/score_lipsync.py [--out FOLDER] [--voice VOICE] [--text TEXT] [--side PIXELS]
    .venv/bin/python scripts/score_lipsync.py VIDEO --image IMAGE --phonemes JSON

Needs the development packages and the models of scripts/face_models. The mouth is made of the phonemes, then by ear
alone, each with its bars; then come videos that must fail: late, backwards, and still. With a VIDEO only that is
measured; JSON is a list of [phoneme, start, end]. `--out` keeps the videos and a sheet of pictures of each.
"""

import argparse
import asyncio
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from lipsync_material import FPS, ROOT, portrait
from lipsync_score import Bgr, Score, decoded, score
from mouth_speech import Spoken, speak
from skimage import data

from app.lipsync.encode import VideoForm, WholeVideo
from app.lipsync.faces.finder import Finder
from app.lipsync.mel import SAMPLE_RATE
from app.lipsync.mouth.mouth_track import track
from app.lipsync.mouth.phonemes import Rows, TimedPhoneme
from app.lipsync.picture import Picture, read_picture
from app.lipsync.warp.warp import WarpPortrait
from app.tts.backends.espeak import Espeak

MODELS = ROOT / "models" / "faces"
TEXT = (
    "Hello people, welcome back! Maybe my boy will buy five big apples, and a bottle of milk for mother. "
    "The weather is rather warm; would you open a window? Papa has a map of Bombay, and I have a very good plan."
)
VOICE = "en-us+f1"
SPEED = 0.75
"""Of the pace of a live chat: 195 words a minute, as people talk."""
PAUSE = 0.5
"""Seconds of silence before and after."""
LATE = 0.25
"""Seconds."""
COLUMNS, ROWS = 10, 4
"""Of a sheet."""


async def utter(voice: str, text: str, speed: float) -> Spoken:
    backend = Espeak(workers=1)
    async with backend.running():
        spoken = await speak(backend, voice, text, speed=speed)
    quiet = round(PAUSE * SAMPLE_RATE)
    moved = tuple(TimedPhoneme(each.ipa, each.start + PAUSE, each.end + PAUSE) for each in spoken.phonemes)
    return Spoken(voice, np.pad(spoken.samples, quiet), moved)


def film(picture: Picture, rows: Rows, spoken: Spoken) -> bytes:
    height, width = picture.pixels.shape[:2]
    drawn = WarpPortrait(picture, Finder(MODELS).find(picture)[0])
    video = WholeVideo(VideoForm(width, height, FPS, SAMPLE_RATE))
    for number, row in enumerate(rows):
        video.writer.write_picture(drawn.draw(row, number / FPS))
        video.writer.write_sound(spoken.samples[number * SAMPLE_RATE // FPS : (number + 1) * SAMPLE_RATE // FPS])
    return video.finish()


def tracks(spoken: Spoken) -> dict[str, Rows]:
    frames = math.ceil(len(spoken.samples) / SAMPLE_RATE * FPS)
    known = track(spoken.samples, sample_rate=SAMPLE_RATE, fps=FPS, frames=frames, phonemes=spoken.phonemes).frames
    heard = track(spoken.samples, sample_rate=SAMPLE_RATE, fps=FPS, frames=frames).frames
    return {
        "phonemes": known,
        "by ear": heard,
        "late": np.roll(known, round(LATE * FPS), axis=0),
        "backwards": known[::-1].copy(),
        "still": np.zeros_like(known),
    }


def sheet(pictures: Sequence[Bgr], picture: Picture, texts: Sequence[str]) -> Bgr:
    """Return pictures in a row, cut to the lower half of the face, with the sound that is heard in each."""
    left, top, right, bottom = (round(edge) for edge in Finder(MODELS).find(picture)[0].box)
    top = (top + bottom) // 2
    tiles = []
    for pixels, text in zip(pictures, texts, strict=True):
        tile = cv2.resize(np.ascontiguousarray(pixels[top : bottom + 8, left:right]), (180, 130))
        cv2.putText(tile, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 255, 255), 1, cv2.LINE_AA)
        tiles.append(tile)
    lines = [np.hstack(tiles[start : start + COLUMNS]) for start in range(0, len(tiles), COLUMNS)]
    return np.vstack([line for line in lines if line.shape == lines[0].shape])


def heard_at(phonemes: Sequence[TimedPhoneme], time: float) -> str:
    names = [each.ipa for each in phonemes if each.start <= time < each.end]
    return f"{time:.2f} " + "".join(names).translate(str.maketrans("ˈˌːəɪʊæɛʌɔɑɡŋθðʃʒɹɐɜɚ", "   eiu@EAOAgNTDSZreer"))


def keep(folder: Path, name: str, video: bytes, picture: Picture, spoken: Spoken) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    stem = name.replace(" ", "_")
    (folder / f"{stem}.mp4").write_bytes(video)
    pictures, fps = decoded(video)
    chosen = range(round(PAUSE * fps) - 2, min(round(PAUSE * fps) - 2 + COLUMNS * ROWS, len(pictures)))
    texts = [heard_at(spoken.phonemes, (number + 0.5) / fps) for number in chosen]
    cv2.imwrite(str(folder / f"{stem}.png"), sheet([pictures[number] for number in chosen], picture, texts))


def line(name: str, found: Score) -> str:
    return (
        f"| {name} | {found.correlation:.2f} | {found.best:.2f} | {found.lag_ms:+.0f} | {found.z:.1f} "
        f"| {found.closed:.2f} of {found.bilabials} | {found.silent:.2f} | {found.aperture:.3f} | {found.psnr:.1f} |"
    )


def missed(found: Score) -> list[str]:
    checks = {
        "correlation >= 0.7": found.best >= 0.7,
        "lag within 60 ms": abs(found.lag_ms) <= 60,
        "80 % of bilabials closed": found.closed >= 0.8,
        "34 dB outside of the face": found.psnr >= 34,
    }
    return [bar for bar, is_met in checks.items() if not is_met]


HEADER = (
    "| mouth | r | best r | lag, ms | z | bilabials closed | silent | aperture, faces | PSNR outside, dB |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def measure_file(video: Path, image: Path, phonemes: Path, by_mesh: bool) -> None:
    timed = [TimedPhoneme(*entry) for entry in json.loads(phonemes.read_text())]
    print(HEADER)
    found = score(video.read_bytes(), read_picture(image.read_bytes()), timed, MODELS, by_mesh=by_mesh)
    print(line(video.name, found))


def measure_own(voice: str, text: str, speed: float, side: int, out: Path | None, by_mesh: bool) -> None:
    spoken = asyncio.run(utter(voice, text, speed))
    whole = Picture(np.ascontiguousarray(data.astronaut()[:, :, ::-1]), "")
    picture = Picture(portrait(side)[0], "") if side else whole
    size = "x".join(str(length) for length in picture.pixels.shape[1::-1])
    print(f"{voice}, {len(spoken.samples) / SAMPLE_RATE:.1f} s, {size}, load {os.getloadavg()[0]:.1f}\n\n{HEADER}")
    verdicts = []
    for name, rows in tracks(spoken).items():
        video = film(picture, rows, spoken)
        found = score(video, picture, spoken.phonemes, MODELS, by_mesh=by_mesh)
        print(line(name, found), flush=True)
        verdicts.append(f"{name}: {', '.join(missed(found)) or 'all bars are met'}")
        if out:
            keep(out, name, video, picture, spoken)
    print("\nMissed:\n" + "\n".join(verdicts))


def main() -> None:
    parser = argparse.ArgumentParser(description="Scores talking portraits.")
    parser.add_argument("video", nargs="?", type=Path)
    parser.add_argument("--image", type=Path)
    parser.add_argument("--phonemes", type=Path)
    parser.add_argument("--voice", default=VOICE)
    parser.add_argument("--text", default=TEXT)
    parser.add_argument("--speed", type=float, default=SPEED)
    parser.add_argument("--side", type=int, default=512, help="of a picture of the face alone; 0: the whole photo")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--component", action="store_true", help="measure the mouth without the face mesh")
    options = parser.parse_args()
    if options.video is None:
        measure_own(options.voice, options.text, options.speed, options.side, options.out, not options.component)
    elif options.image is None or options.phonemes is None:
        parser.error("a VIDEO needs --image and --phonemes")
    else:
        measure_file(options.video, options.image, options.phonemes, not options.component)


if __name__ == "__main__":
    main()
