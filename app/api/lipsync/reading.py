"""From what a client sends to what is asked of the engine. It blocks: run it in a thread; it can be stopped."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from app.api.lipsync import messages
from app.api.lipsync.attachment import Attachment, Enclosed, Encoded
from app.api.lipsync.limits import LipsyncLimits
from app.api.lipsync.messages import Undecodable
from app.api.lipsync.outline import Outline, outline
from app.api.lipsync.process import Process
from app.errors import InvalidInput, TextTooLong
from app.lipsync.commission import Commission

MAX_TEXT_CHARACTERS: Final = 50_000
"""An hour of speech has as many."""
FILES: Final = ("audio", "image", "video")
"""What may be sent as files; in messages they have `_base64` behind."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that has been read."""

    commission: Commission
    is_streamed: bool
    """Whether the video is wanted while it is drawn."""


class Reader:
    """Reads requests.

    Args:
        limits: of the files.
    """

    def __init__(self, limits: LipsyncLimits) -> None:
        self._most = {
            "audio": limits.max_audio_bytes,
            "image": limits.max_image_bytes,
            "video": limits.max_video_bytes,
        }

    def message(self, message: str | bytes, stop: threading.Event) -> Asked:
        """Read a large message, which can only be `process`.

        Raises:
            Undecodable: it is none.
            InvalidInput: as `process`.
            Stopped: the event was set.
        """
        found = outline(message, stop) if isinstance(message, str) else outline(message, stop)
        incoming = messages.decode(found.text)
        if not isinstance(incoming, Process):
            raise Undecodable(f"a message of more than {messages.INLINE_CHARACTERS} bytes must be 'process'")
        return self.process(_filled(incoming, found), stop, _enclosed(incoming, found))

    def body(self, body: bytes, stop: threading.Event) -> Asked:
        """Read the body of a request, which needs no `type`; the rest is as with `message`."""
        found = outline(body, stop)
        process = messages.decode_process(found.text)
        return self.process(_filled(process, found), stop, _enclosed(process, found))

    def form(self, fields: Mapping[str, str], files: Mapping[str, bytes], stop: threading.Event) -> Asked:
        """Read a form; the rest is as with `message`."""
        for name in FILES:
            if name in fields:
                raise InvalidInput(f"{name} must be a file: -F {name}=@…", field=name)
        if unknown := files.keys() - set(FILES):
            raise InvalidInput(f"a file is called {', '.join(FILES)}, not {min(unknown)}", field=min(unknown))
        process = messages.decode_fields(fields)
        return self.process(process, stop, {name: Enclosed(data) for name, data in files.items()})

    def process(self, process: Process, stop: threading.Event, files: Mapping[str, Attachment] | None = None) -> Asked:
        """Read a `process`, whose files are in it unless they are given.

        Raises:
            InvalidInput: a field is missing or too much, or an option is out of its bounds; a file is empty, too large
                or no base64.
            Stopped: the event was set.
        """
        files = _files_in(process) | dict(files or {})
        _check_choice(process, files)
        for name, file in files.items():
            self._check_size(name, file.size)
        script = process.script()
        if script and len(script.text) > MAX_TEXT_CHARACTERS:
            size, most = len(script.text), MAX_TEXT_CHARACTERS
            raise TextTooLong(f"text has {size} characters, {most} may", length=size, limit=most)
        order = process.order()
        read = {name: file.read(stop) for name, file in files.items()}
        order = replace(order, audio=read.get("audio", b""), image=read.get("image", b""), video=read.get("video"))
        return Asked(Commission(order, script, process.image_id), process.is_streamed)

    def _check_size(self, name: str, size: int) -> None:
        most = self._most[name]
        if size > most:
            raise InvalidInput(f"{name.title()} file too large (max {most / 2**20:g}MB)", field=f"{name}_base64")


def _files_in(process: Process) -> dict[str, Attachment]:
    texts = {name: getattr(process, f"{name}_base64") for name in FILES}
    return {name: Encoded.of(text) for name, text in texts.items() if text is not None}


def _enclosed(process: Process, found: Outline[str] | Outline[bytes]) -> dict[str, Attachment]:
    """Return the files whose base64 is not in the outline of a message."""
    spans = {name: found.spans.get(getattr(process, f"{name}_base64") or "") for name in FILES}
    return {name: Encoded(span) for name, span in spans.items() if span is not None}


def _filled(process: Process, found: Outline[str] | Outline[bytes]) -> Process:
    """Put a long text back into its place."""
    span = found.spans.get(process.text or "")
    if span is not None:
        if len(span) > messages.MAX_ESCAPE * MAX_TEXT_CHARACTERS:
            most = MAX_TEXT_CHARACTERS
            raise TextTooLong(f"text has more than {most} characters", length=most + 1, limit=most)
        process.text = messages.decode_text(span.cut(0, len(span)))
    return process


def _check_choice(process: Process, files: Mapping[str, Attachment]) -> None:
    """Check that there is one sound and one picture."""
    sounds = ["audio_base64"] * ("audio" in files) + ["text"] * (process.text is not None)
    pictures = ["image_base64"] * ("image" in files) + ["image_id"] * (process.image_id is not None)
    pictures += ["video_base64"] * ("video" in files)
    if missing := ["audio_base64"] * (not sounds) + ["image_base64"] * (not pictures):
        raise InvalidInput(f"Missing required fields: {', '.join(missing)}", field=missing[0])
    for names in (sounds, pictures):
        if len(names) > 1:
            raise InvalidInput(f"only one of {', '.join(names)} may be given", field=names[1])
    if any(file.is_empty for file in files.values()):
        what = "video" if "video" in files else "image"
        raise InvalidInput(f"Empty audio or {what} data")
