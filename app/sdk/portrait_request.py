"""What is asked of a portrait: who is to speak, what, and how it is drawn; and how that is written."""

import binascii
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, TypedDict

Media: TypeAlias = str | PathLike[str] | bytes
"""A file: its path, or what is in it."""

SLICE_BYTES: Final = 3 * 2**18
"""Of a file that are encoded at once: nothing else runs meanwhile. Divisible by 3."""


class Voicing(TypedDict, total=False):
    """How a text is spoken. What is left out, the server chooses, so that it fits the text."""

    voice: str | None
    """Id of a voice."""
    backend: str | None
    """Which shall speak."""
    language: str | None
    """BCP 47: `en-GB`."""
    speed: float | None
    """0.25…4."""
    ssml: bool | None
    """Whether the text is markup."""


class Drawing(TypedDict, total=False):
    """How a portrait is drawn. What is left out, the server chooses."""

    model: Literal["nota_wav2lip", "wav2lip", "warp"] | None
    """`warp` needs no weights."""
    pads: tuple[int, int, int, int] | None
    """Pixels by which the networks see more than the face: top, bottom, left, right."""
    resize_factor: Literal[1, 2, 4] | None
    """Both sides of the picture, and of the video, are divided by it."""
    nosmooth: bool | None
    """Whether what is heard and matched is left as it is, frame by frame."""
    face: int | tuple[float, float] | None
    """Which of several: 0 is the largest, 1 the next; or a point in the picture, after it was resized."""
    blend: Literal["contour", "feather"] | None
    mel_offset: float | None
    """Frames by which a network hears later."""
    fps: float | None
    """5…60."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked.

    Raises:
        ValueError: there is not exactly one of `image`, `image_id`, `video`, or not exactly one of `audio`, `text`.
    """

    image: Media | None
    image_id: str | None
    video: Media | None
    audio: Media | None
    text: str | None
    voicing: Voicing
    drawing: Drawing
    is_streamed: bool

    def __post_init__(self) -> None:
        """Check what the server would refuse, before files are read and sent."""
        _check_one(image=self.image, image_id=self.image_id, video=self.video)
        _check_one(audio=self.audio, text=self.text)

    def load(self) -> "Loaded":
        """Read the files. It blocks.

        Raises:
            OSError: one cannot be read.
        """
        image = None if self.image is None else _content(self.image)
        files = {"audio_base64": self.audio, "video_base64": self.video}
        return Loaded(
            fields=self._fields(),
            files={name: _content(file) for name, file in files.items() if file is not None},
            image=image,
            image_id=self.image_id if image is None else hashlib.sha256(image).hexdigest(),
        )

    def _fields(self) -> dict[str, Any]:
        options: dict[str, Any] = {name: value for name, value in self.drawing.items() if value is not None}
        if "model" in options:
            options["model_type"] = options.pop("model")
        if self.is_streamed:
            options["stream"] = True
        said = {"text": self.text, **self.voicing}
        return {name: value for name, value in said.items() if value is not None} | {"options": options}


@dataclass(frozen=True, slots=True)
class Loaded:
    """An order whose files have been read."""

    fields: Mapping[str, Any]
    files: Mapping[str, bytes]
    image: bytes | None
    """None if the server has it, or a video is to speak."""
    image_id: str | None
    """The SHA-256 of the picture, in hexadecimal digits; None for a video."""

    def encode(self, *, by_name: bool) -> str:
        """Write the message `process`, with the picture or its name. It blocks.

        Raises:
            UnicodeEncodeError: the text is no Unicode: it has half a surrogate pair.
        """
        fields, files = {"type": "process", **self.fields}, dict(self.files)
        if by_name and self.image_id is not None:
            fields["image_id"] = self.image_id
        elif self.image is not None:
            files["image_base64"] = self.image
        return "".join(_written(fields, files))


def _written(fields: Mapping[str, Any], files: Mapping[str, bytes]) -> Iterator[str]:
    """Write an object with files in it, which are too large for an encoder that lets nobody else run."""
    text = json.dumps(fields, ensure_ascii=False)
    text.encode()  # raises here, at the caller's, what would break the writer
    yield text[:-1]
    for name, content in files.items():
        yield f',"{name}":"'
        for start in range(0, len(content), SLICE_BYTES):
            yield binascii.b2a_base64(content[start : start + SLICE_BYTES], newline=False).decode()
        yield '"'
    yield "}"


def _content(file: Media) -> bytes:
    return file if isinstance(file, bytes) else Path(file).read_bytes()


def _check_one(**given: object) -> None:
    if sum(value is not None for value in given.values()) != 1:
        raise ValueError(f"exactly one of {', '.join(given)} is wanted")
