"""The message `process`: what is heard, who is seen, and how it is drawn."""

from typing import Final, Literal

from msgspec import Struct

from app.errors import InvalidInput
from app.lipsync.clip import FPS, Order
from app.lipsync.placement import DEFAULT_PADS
from app.lipsync.script import Script

MIN_SPEED, MAX_SPEED = 0.25, 4.0
DEFAULT_MODEL: Final = "nota_wav2lip"


class Options(Struct):
    """The `options` of `process`; null means absent."""

    model_type: str | None = None
    """`nota_wav2lip` (default), `wav2lip` or `warp`."""
    audio_format: str | None = None
    """Taken and not needed: the file itself says it."""
    image_format: str | None = None
    pads: tuple[int, int, int, int] | None = None
    """Pixels: top, bottom, left, right."""
    resize_factor: Literal[1, 2, 4] | None = None
    nosmooth: bool | None = None
    face: int | tuple[float, float] | None = None
    """Which of several: by its place, the largest is 0, or by a point in the picture."""
    blend: Literal["contour", "feather"] | None = None
    mel_offset: float | None = None
    fps: float | None = None
    stream: bool | None = None
    """Whether the video is sent while it is drawn."""


class Process(Struct, tag_field="type", tag="process"):
    """Make a picture speak; null means absent."""

    audio_base64: str | None = None
    text: str | None = None
    """Is spoken, in the place of a sound."""
    voice: str | None = None
    backend: str | None = None
    language: str | None = None
    speed: float | None = None
    """0.25…4."""
    ssml: bool | None = None
    image_base64: str | None = None
    image_id: str | None = None
    """Name of a picture that was sent before."""
    video_base64: str | None = None
    options: Options | None = None

    @property
    def is_streamed(self) -> bool:
        """Whether the video is wanted while it is drawn."""
        return bool(self.options and self.options.stream)

    def script(self) -> Script | None:
        """Return what is to be spoken, None if nothing is.

        Raises:
            InvalidInput: it is to be spoken too fast, or too slowly.
        """
        if self.text is None:
            return None
        speed = 1.0 if self.speed is None else self.speed
        if not MIN_SPEED <= speed <= MAX_SPEED:
            raise InvalidInput(f"speed {speed:g} must be {MIN_SPEED:g} to {MAX_SPEED:g}", field="speed")
        return Script(
            self.text,
            voice=self.voice or None,
            backend=self.backend or None,
            language=self.language or None,
            speed=speed,
            ssml=bool(self.ssml),
        )

    def order(self) -> Order:
        """Return what is asked of the engine, without the files.

        Raises:
            InvalidInput: an option is out of its bounds.
        """
        options = self.options or Options()
        return Order(
            audio=b"",
            image=b"",
            model=options.model_type or DEFAULT_MODEL,
            face=options.face,
            pads=options.pads or DEFAULT_PADS,
            resize_factor=options.resize_factor or 1,
            smooth=not options.nosmooth,
            blend=options.blend or "contour",
            mel_offset=options.mel_offset or 0.0,
            fps=FPS if options.fps is None else options.fps,
        )
