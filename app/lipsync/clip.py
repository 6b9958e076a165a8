"""What is asked of a talking portrait, how far it is, and what it has become."""

from dataclasses import dataclass
from typing import Final

from app.errors import InvalidInput
from app.lipsync.contour import Blend
from app.lipsync.encode import CRF, MAX_CRF, MIN_CRF
from app.lipsync.faces.face import Wanted
from app.lipsync.mouth.phonemes import TimedPhoneme
from app.lipsync.picture import MAX_SIDE
from app.lipsync.placement import DEFAULT_PADS, Pads

FPS: Final = 25.0
"""At which the networks learnt."""
MIN_FPS, MAX_FPS = 5.0, 60.0
MAX_MEL_OFFSET = 25.0
"""Frames, either way."""


@dataclass(frozen=True, slots=True)
class Order:
    """A picture that is to speak a sound."""

    audio: bytes
    """A file of any format that `audio/decode.py` reads."""
    image: bytes
    """A file of any format that `picture.py` reads; empty where there is a film."""
    model: str
    """Who is to draw: `warp`, `nota_wav2lip`, `wav2lip`."""
    face: Wanted = None
    pads: Pads = DEFAULT_PADS
    """Of the networks; see `placement.py`."""
    resize_factor: int = 1
    """Both sides of the picture, and so of the video, are divided by it."""
    max_side: int = MAX_SIDE
    """Pixels of the video's longer side, at most."""
    smooth: bool = True
    """Whether what trembles is smoothed: the mouth that is heard, the colours that are matched."""
    blend: Blend = "contour"
    mel_offset: float = 0.0
    """Frames by which the networks hear later; see `windows.py`."""
    fps: float = FPS
    crf: int = CRF
    pcm_rate: int | None = None
    """Hz; says that the audio is raw int16 little-endian mono."""
    phonemes: tuple[TimedPhoneme, ...] | None = None
    """Of the whole sound, in order; None: they are not known."""
    video: bytes | None = None
    """A film of somebody who talks, in the place of the picture: MP4 or MOV."""

    def __post_init__(self) -> None:
        """Check what would fail only later, and unclearly."""
        if self.video is not None and self.image:
            raise InvalidInput("a picture and a video: only one of them can speak", field="video")
        _check("fps", self.fps, MIN_FPS, MAX_FPS)
        _check("crf", self.crf, MIN_CRF, MAX_CRF)
        _check("mel_offset", self.mel_offset, -MAX_MEL_OFFSET, MAX_MEL_OFFSET)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a portrait is."""

    frames: int
    """That are in the video."""
    expected: int | None
    """Of the whole video, by what the sound's file says; None: it says nothing. The end may differ by some."""

    @property
    def share(self) -> float | None:
        """0 to 1."""
        return min(self.frames / self.expected, 1.0) if self.expected else None


@dataclass(frozen=True, slots=True)
class Opening:
    """What is known of a streamed video before its first byte."""

    model_used: str
    requested_model: str
    fallback_reason: str | None
    fps: float
    width: int
    """Pixels."""
    height: int
    codecs: str


@dataclass(frozen=True, slots=True)
class Portrayal:
    """A portrait that has spoken."""

    model_used: str
    """Who has drawn every frame."""
    requested_model: str
    fallback_reason: str | None
    """Why that is another one; None: it is not."""
    faces: int
    """In the picture."""
    is_rough: bool
    """Whether the place of the face's parts is only a guess."""
    frames: int
    """`ceil(duration * fps)`."""
    duration: float
    """Seconds of the sound."""
    fps: float
    width: int
    """Pixels."""
    height: int
    codecs: str
    """As MediaSource wants to know them: `avc1.64001e, mp4a.40.2`."""
    inference_fps: float
    """Frames in a second of the engine's own time, without decoding and encoding."""
    seconds: float
    """From its turn to the end."""
    video: bytes
    """The MP4 file; empty if it was streamed."""
    video_bytes: int
    """Of the file, streamed or not."""


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InvalidInput(f"{name} is {value:g}: {low:g} to {high:g}", field=name)
