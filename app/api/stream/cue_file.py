"""A cue sheet as players and burners read it (CDRWIN, "CUE Sheet Syntax"). Pure."""

from collections.abc import Iterable
from pathlib import PurePath
from typing import Final

from app.fingerprint.identifier import Sighting

MEDIA_TYPE: Final = "application/x-cue"
FRAMES_PER_SECOND: Final = 75
MAX_TRACKS: Final = 99
"""More than these have no number in the format; what comes after is left out."""

_KINDS: Final = {".mp3": "MP3", ".aif": "AIFF", ".aiff": "AIFF"}


def encode_cue(sightings: Iterable[Sighting], *, file_name: str) -> str:
    """Return a cue sheet of a recording: of what is heard together, the surest."""
    kind = _KINDS.get(PurePath(file_name).suffix.lower(), "WAVE")
    lines = [f'FILE "{_quoted(file_name)}" {kind}']
    for number, sighting in enumerate(_one_after_another(sightings)[:MAX_TRACKS], 1):
        lines += [
            f"  TRACK {number:02} AUDIO",
            f'    TITLE "{_quoted(sighting.track.title)}"',
            *([f"    REM URL {sighting.track.url}"] if sighting.track.url else []),
            f"    INDEX 01 {_index(sighting.cue.start)}",
        ]
    return "".join(f"{line}\r\n" for line in lines)


def _one_after_another(sightings: Iterable[Sighting]) -> list[Sighting]:
    """Leave out what is heard for the most part while something surer is."""
    chosen: list[Sighting] = []
    for sighting in sorted(sightings, key=lambda sighting: -sighting.cue.score):
        cue = sighting.cue
        covered = sum(max(0.0, min(cue.end, one.cue.end) - max(cue.start, one.cue.start)) for one in chosen)
        if covered <= (cue.end - cue.start) / 2:
            chosen.append(sighting)
    return sorted(chosen, key=lambda sighting: sighting.cue.start)


def _index(seconds: float) -> str:
    frames = round(seconds * FRAMES_PER_SECOND)
    minutes, rest = divmod(frames, 60 * FRAMES_PER_SECOND)
    return f"{minutes:02}:{rest // FRAMES_PER_SECOND:02}:{rest % FRAMES_PER_SECOND:02}"


def _quoted(text: str) -> str:
    """Return a text that may stand between quotes; the format has no way to write one."""
    return " ".join(text.replace('"', "'").split())
