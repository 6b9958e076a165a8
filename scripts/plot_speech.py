"""Draws what a running server says, to see what cannot be read: clicks, cut ends, words beside their sound.

    .venv/bin/python scripts/plot_speech.py "Hello there, how are you?" hello.png --backend piper

Speaks a text twice, at once and as a stream, and draws both with their spectra, the words of the first, and the bytes'
arrival in the second. Needs matplotlib, which nothing else here does.
"""

import argparse
import json
import sys
import urllib.parse
import urllib.request
from base64 import b64decode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from app.audio.decode import decode  # noqa: E402
from app.audio.loudness import loudness, to_decibels, true_peak  # noqa: E402
from app.audio.pcm import to_float32  # noqa: E402
from app.audio.splice import sounding  # noqa: E402

READ_BYTES = 4096


@dataclass(slots=True)
class Heard:
    """What came back."""

    name: str
    pcm: npt.NDArray[np.int16]
    sample_rate: int
    words: list[dict[str, Any]] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    """Seconds of sound that had come after each read of the body."""

    def __str__(self) -> str:
        samples, rate = to_float32(self.pcm), self.sample_rate
        begin, end = sounding(self.pcm)
        lufs = loudness(samples, sample_rate=rate)
        return (
            f"{self.name}: {len(samples) / rate:.2f} s, silence {begin / rate:.2f} s before and "
            f"{(len(samples) - end) / rate:.2f} s behind, {'no' if lufs is None else f'{lufs:.1f}'} LUFS, "
            f"true peak {to_decibels(true_peak(samples)):.1f} dBFS, {len(self.words)} words"
        )


def heard(name: str, wav: bytes, **more: Any) -> Heard:
    clip = decode(wav, sample_rate=None, max_samples=10**8, max_bytes=10**9)
    pcm = np.clip(np.rint(clip.samples * 32768), -32768, 32767).astype(np.int16)
    return Heard(name, pcm, clip.sample_rate, **more)


def whole(url: str, choices: dict[str, str]) -> Heard:
    body = json.dumps({**choices, "timestamps": True}).encode()
    request = urllib.request.Request(f"{url}/tts", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as reply:
        answer = json.load(reply)
    words = (answer["timestamps"] or {}).get("words", [])
    return heard(f"whole ({answer['metadata']['backend']})", b64decode(answer["audio_data"]), words=words)


def streamed(url: str, choices: dict[str, str]) -> Heard:
    with urllib.request.urlopen(f"{url}/tts/stream?{urllib.parse.urlencode(choices)}", timeout=120) as reply:
        reads: list[bytes] = []
        while data := reply.read1(READ_BYTES):
            reads.append(data)
    result = heard("streamed", b"".join(reads))
    result.arrivals = list(np.cumsum([len(data) for data in reads]) / 2 / result.sample_rate)
    return result


def draw(speeches: list[Heard], path: Path) -> None:
    try:
        import matplotlib
    except ImportError:
        raise SystemExit("this needs matplotlib: pip install matplotlib") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2 * len(speeches), 1, figsize=(20, 5 * len(speeches)), constrained_layout=True)
    longest = max(len(speech.pcm) / speech.sample_rate for speech in speeches)
    for speech, (wave, spectrum) in zip(speeches, axes.reshape(-1, 2), strict=True):
        samples, rate = to_float32(speech.pcm), speech.sample_rate
        wave.plot(np.arange(len(samples)) / rate, samples, linewidth=0.4)
        wave.set(title=str(speech), xlim=(0, longest), ylim=(-1, 1))
        for number, word in enumerate(speech.words):
            wave.axvspan(word["start"], word["end"], alpha=0.15, color="tab:green" if number % 2 else "tab:blue")
            wave.text(word["start"], 0.85, word["text"], fontsize=8)
        for seconds in speech.arrivals:
            wave.axvline(seconds, color="tab:orange", linewidth=0.5)
        noise = 1e-7 * np.random.default_rng(0).standard_normal(len(samples))  # silence has no logarithm
        spectrum.specgram(samples + noise, NFFT=512, noverlap=384, Fs=rate, vmin=-150, vmax=-30)
        spectrum.set(xlim=(0, longest))
    figure.savefig(path, dpi=70)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text")
    parser.add_argument("picture", type=Path, help="a png, svg or pdf")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    for name in ("backend", "voice", "speed", "quality"):
        parser.add_argument(f"--{name}")
    arguments = vars(parser.parse_args())
    url, picture = arguments.pop("url"), arguments.pop("picture")
    choices = {name: value for name, value in arguments.items() if value is not None} | {"format": "wav"}
    speeches = [whole(url, choices), streamed(url, choices)]
    print(*speeches, sep="\n")
    draw(speeches, picture)


if __name__ == "__main__":
    main()
