"""Draws why a query is found, or is not: its spectrum and peaks, those of the track where it is from, and the votes.

    .venv/bin/python scripts/plot_recognition.py --music DIR picture.png --condition speech3 --number 4 [--unknown]

The query is one of those of `scripts/bench_recognition.py`. Above is what is heard of it, with its peaks; below are the
track that was found, and the right one if that is another, each with its peaks: green ones are peaks of the query too,
red ones are not. At the bottom are the votes for all places of the catalogue, and the odds of those that were looked
at, with the right place marked. Needs matplotlib, as `scripts/plot_speech.py` does.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from degradations import CONDITIONS, EXTRA, RATE
from music_library import ROOT, Catalogue, Query, query, read, speech

sys.path.insert(0, str(ROOT))

from app.audio.pcm import to_float32  # noqa: E402
from app.audio.resample import resample  # noqa: E402
from app.fingerprint.landmarks import probes  # noqa: E402
from app.fingerprint.listener import MATCHED, Listener, listen  # noqa: E402
from app.fingerprint.peaks import BIN_PARTS  # noqa: E402
from app.fingerprint.placement import Placement  # noqa: E402
from app.fingerprint.readings import read as look
from app.fingerprint.score import DEFAULT_THRESHOLD  # noqa: E402
from app.fingerprint.search import STEPS, Finding, Search  # noqa: E402
from app.fingerprint.spectrum import BINS, FIRST_BIN, FRAMES_PER_SECOND, SAMPLE_RATE, WINDOW  # noqa: E402
from app.fingerprint.votes import LEAST_WEIGHT, ORIGIN, SPREAD, WEIGHT_BITS  # noqa: E402

HZ = SAMPLE_RATE / WINDOW
"""Of a bin."""
GAPS = 400
"""Places that are drawn as one."""


def draw_sound(axes: Any, listener: Listener, title: str, *, tempo: float = 1.0, pitch: float = 1.0) -> None:
    """Draw levels of a sound, over frames and Hz, as they are when it is played at a tempo and a pitch."""
    heard = listener.heard
    lowest, highest = FIRST_BIN * HZ, (FIRST_BIN + BINS) * HZ
    extent = (heard.first, heard.end / tempo, lowest * pitch, highest * pitch)
    top = float(np.quantile(heard.levels, 0.999)) if heard.levels.size else 1.0
    axes.imshow(heard.levels.T, origin="lower", aspect="auto", extent=extent, vmin=top - 120, vmax=top, cmap="gray_r")
    axes.set(title=title, ylabel="Hz", xlabel="frame of the query", xlim=extent[:2], ylim=(lowest, highest))


def draw_query(axes: Any, asked: Query, listener: Listener) -> None:
    draw_sound(axes, listener, f"query: {asked.condition}, {asked.track.name} at {asked.start:.2f} s")
    peaks = listener.peaks
    axes.plot(peaks.frames + 0.5, peaks.frequencies / BIN_PARTS * HZ, ".", color="tab:blue", markersize=4)


def draw_track(axes: Any, catalogue: Catalogue, search: Search, listener: Listener, finding: Finding) -> None:
    """Draw the stretch of the track that a placement says is heard, as fast as it is played there."""
    track, placement = catalogue.track_of(finding), finding.placement
    start = (placement.place - finding.place.first_frame) / FRAMES_PER_SECOND
    end = start + listener.frames * placement.tempo / FRAMES_PER_SECOND + WINDOW / SAMPLE_RATE
    samples = to_float32(np.array(track.samples[max(0, round(start * RATE)) : round(end * RATE)]))
    sound = listen(resample(samples, from_rate=RATE, to_rate=SAMPLE_RATE))
    title = (
        f"{track.name} at {start:.2f} s, tempo {placement.tempo:.3f}, pitch {placement.pitch:.3f}: score"
        f" {finding.score:.1f}, odds {finding.odds:.1f}, {finding.evidence.matched} of {finding.evidence.peaks} peaks"
    )
    draw_sound(axes, sound, title, tempo=placement.tempo, pitch=placement.pitch)
    peaks = search.peaks_of(finding.place, [placement])
    rows = (peaks.frames.astype(np.float64) - placement.place) / placement.tempo
    axes.plot(rows + 0.5, peaks.frequencies * placement.pitch / BIN_PARTS * HZ, ".", color="tab:red", markersize=5)
    readings = look(listener.heard, peaks, placement)
    found = readings[readings[:, 0] <= MATCHED]
    axes.plot(found[:, 3] + 0.5, (found[:, 4] + FIRST_BIN) * HZ, ".", color="tab:green", markersize=7)
    axes.set(xlim=(listener.heard.first, listener.heard.end))


def draw_votes(axes: Any, catalogue: Catalogue, listener: Listener, found: list[Finding], right: float | None) -> None:
    """Draw votes of stretches of the catalogue, and the odds of the places that were looked at."""
    asked = probes(listener.peaks)
    ballots = catalogue.view.gather(asked.keys, asked.frames)
    places, weights = (ballots >> WEIGHT_BITS) - ORIGIN, np.maximum(0, (ballots & 255) - LEAST_WEIGHT)
    votes = np.bincount(np.maximum(0, places // (SPREAD + 1)), weights)
    highest = np.maximum.reduceat(votes, np.arange(0, len(votes), GAPS))
    hours = np.arange(len(highest)) * GAPS * (SPREAD + 1) / FRAMES_PER_SECOND / 3600
    axes.plot(hours, highest, color="tab:blue", linewidth=0.5)
    axes.set(xlabel="hours of the catalogue", ylabel="votes", title=f"{len(asked.keys)} keys, {len(ballots)} ballots")
    odds = axes.twinx()
    where = [finding.placement.place / FRAMES_PER_SECOND / 3600 for finding in found]
    odds.plot(where, [finding.odds for finding in found], "x", color="tab:orange")
    odds.set(ylabel="odds beyond chance")
    if right is not None:
        axes.axvline(right / FRAMES_PER_SECOND / 3600, color="tab:green", linestyle=":", label="the right place")
        axes.legend()


def draw(path: Path, catalogue: Catalogue, asked: Query, seconds: float) -> None:
    try:
        import matplotlib
    except ImportError:
        raise SystemExit("this needs matplotlib: pip install matplotlib") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    listener = asked.listened(seconds)
    search = Search(catalogue.view, listener)
    found = search.all(threshold=DEFAULT_THRESHOLD)
    track = catalogue.place_of(asked.track)
    right = None if track is None else track.first_frame + asked.start * FRAMES_PER_SECOND
    shown = [] if not found else [search.exact(max(found, key=lambda finding: finding.odds))]
    if right is not None and all(one.place != track for one in shown):
        supposed = search.best([Placement(right + step) for step in STEPS])
        shown += [] if supposed is None else [supposed]
    figure, axes = pyplot.subplots(2 + len(shown), 1, figsize=(18, 6 * (2 + len(shown))), constrained_layout=True)
    draw_query(axes[0], asked, listener)
    for one, where in zip(shown, axes[1:-1], strict=True):
        draw_track(where, catalogue, search, listener, one)
    draw_votes(axes[-1], catalogue, listener, found, right)
    figure.savefig(path, dpi=70)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path, help="a png, svg or pdf")
    parser.add_argument("--music", type=Path, required=True, help="a folder of music")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "chorus-music")
    parser.add_argument("--condition", choices=[*CONDITIONS, *EXTRA], default="speech3")
    parser.add_argument("--number", type=int, default=0, help="of the query")
    parser.add_argument("--unknown", action="store_true", help="of music that is not in the catalogue")
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    tracks = read(arguments.music, arguments.cache)
    mine = [track for track in tracks if track.half == 1 and track.is_held_out == arguments.unknown]
    with tempfile.TemporaryDirectory() as folder:
        catalogue = Catalogue(tracks, Path(folder))
        asked = query(mine, arguments.condition, arguments.number, speech(arguments.cache))
        draw(arguments.picture, catalogue, asked, arguments.seconds)


if __name__ == "__main__":
    main()
