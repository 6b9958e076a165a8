"""Captions as files: SubRip (`.srt`) and WebVTT (`.vtt`, https://www.w3.org/TR/webvtt1/). Pure."""

import html
from collections.abc import Sequence
from enum import StrEnum

from app.tts.captions import Cue, Word


class CaptionFormat(StrEnum):
    """How captions are written."""

    SRT = "srt"
    VTT = "vtt"
    JSON = "json"


CONTENT_TYPES = {
    CaptionFormat.SRT: "application/x-subrip; charset=utf-8",
    CaptionFormat.VTT: "text/vtt; charset=utf-8",
    CaptionFormat.JSON: "application/json",
}


def srt(cues: Sequence[Cue]) -> str:
    """Write SubRip."""
    blocks = (
        f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n"
        + "".join(f"{_text(line)}\n" for line in cue.lines)
        for number, cue in enumerate(cues, start=1)
    )
    return "\n".join(blocks)


def vtt(cues: Sequence[Cue], *, word_times: bool = False) -> str:
    """Write WebVTT; with `word_times` each word but a cue's first has its own time before it, as karaoke needs."""
    blocks = (
        f"{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n"
        + "".join(f"{line}\n" for line in _marked(cue, word_times))
        for cue in cues
    )
    return "\n".join(("WEBVTT\n", *blocks))


def _marked(cue: Cue, word_times: bool) -> list[str]:
    """Return the lines; a time stands only where it is later than all before it in the cue, as WebVTT demands."""
    last = _time(cue.start, ".")
    lines = []
    for line in cue.lines:
        written = ""
        for word in line:
            time = _time(word.start, ".")
            if word_times and last < time < _time(cue.end, "."):
                written += f"<{time}>"
                last = time
            written += html.escape(word.text, quote=False)
        lines.append(written.strip())
    return lines


def _text(line: Sequence[Word]) -> str:
    return "".join(word.text for word in line).strip()


def _time(seconds: float, point: str) -> str:
    """Return `00:00:01.000`, never later than it is."""
    milliseconds = int(seconds * 1000 + 1e-6)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"
